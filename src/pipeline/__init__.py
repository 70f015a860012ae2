"""What the Lambda functions do: receive uploads, publish runs, and recover from failures."""
