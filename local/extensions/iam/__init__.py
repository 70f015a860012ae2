"""IAM: the resources that AWS evaluates for each API call."""
