"""Utilities for extensions: patch MiniStack, call its services, and clean up at shutdown."""
