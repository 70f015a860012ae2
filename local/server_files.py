"""The files in its folder by which other processes find the server of a local cloud."""

from __future__ import annotations

DESCRIPTION_FILE = "cloud.json"
LOCK_FILE = "lock"
