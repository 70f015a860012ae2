"""Lake Formation, which MiniStack lacks."""
