"""The commands for people who change this project."""
