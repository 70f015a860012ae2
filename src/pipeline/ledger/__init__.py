"""The ledger: one DynamoDB table that records batches, runs, and notifications."""
