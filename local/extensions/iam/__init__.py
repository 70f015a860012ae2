"""IAM: the resources that AWS authorizes for each API call."""
