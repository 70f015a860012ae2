"""The Glue crawler."""
