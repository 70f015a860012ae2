"""Mermaid diagrams and tables that are derived from the sources."""
