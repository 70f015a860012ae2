"""SNS email: messages become files in a mailbox folder."""
