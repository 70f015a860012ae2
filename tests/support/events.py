"""The events in `events/`, and events derived from them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[2] / "events"


def load_event(name: str) -> dict[str, Any]:
    """Return the event in `events/<name>.json`."""
    content: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return content


def upload_event(
    key: str, sequencer: str, version_id: str | None = None, size: int = 1
) -> dict[str, Any]:
    """Return an Object Created event. Without a version ID, the bucket has no versioning."""
    event = copy.deepcopy(load_event("upload_unversioned"))
    event["detail"]["object"] |= {"key": key, "size": size, "sequencer": sequencer}
    if version_id is not None:
        event["detail"]["object"]["version-id"] = version_id
    return event
