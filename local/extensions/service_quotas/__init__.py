"""Service Quotas, which MiniStack lacks."""
