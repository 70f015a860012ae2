"""The command `preflight`: find what would make a deployment or its first run fail."""
