"""The API calls of CloudWatch Logs that MiniStack lacks."""
