"""SNS email: emails become files in the mailbox folder."""
