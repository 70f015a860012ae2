"""Where an addition is joined to the emulator.

An addition replaces functions of MiniStack by their names, which nobody promised to keep. So each
joint says what it expects to find, and an upgrade that moved it is told at once: which addition,
which name, which version.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

# Module and attribute -> what stood there first, and the addition that replaced it.
_replaced: dict[tuple[str, str], tuple[Any, str]] = {}


class PatchError(Exception):
    """The emulator has not, or no longer, what an addition is joined to."""


def resolve(module: str, attribute: str, parameters: Sequence[str] | None = None) -> Any:
    """What stands in MiniStack under that name, as in `"ministack.services.emr", "_clusters"`.

    `attribute` may have a dot, for a method. `parameters` are the names that the function has to
    have, in order; None asks for none. JointError if it is not so.
    """
    try:
        value: Any = import_module(module)
        for name in attribute.split("."):
            value = getattr(value, name)
    except (ImportError, AttributeError) as error:
        raise PatchError(f"{_release()} has no {module}.{attribute}") from error
    if parameters is not None:
        actual = tuple(inspect.signature(value).parameters)
        if actual != tuple(parameters):
            raise PatchError(
                f"{module}.{attribute} of {_release()} takes {actual}, not {tuple(parameters)}"
            )
    return value


def replace(
    module: str,
    attribute: str,
    replacement: Callable[..., Any],
    parameters: Sequence[str] | None = None,
) -> Any:
    """Put `replacement` in the place of what `found` finds; what stood there, to go on with.

    An addition that is installed again is given what stood there first. JointError if another one
    has replaced it: two in one place would depend on their order.
    """
    addition = replacement.__module__
    original, owner = _replaced.get((module, attribute), (None, ""))
    if not owner:
        try:
            original = resolve(module, attribute, parameters)
        except PatchError as error:
            raise PatchError(f"{addition}: {error}") from error
        _replaced[module, attribute] = (original, addition)
    elif owner != addition:
        raise PatchError(f"{addition}: {module}.{attribute} is already replaced by {owner}")
    *path, last = attribute.split(".")
    holder = resolve(module, ".".join(path)) if path else import_module(module)
    setattr(holder, last, replacement)
    return original


def add_entry(module: str, table: str, key: str, value: Any) -> None:
    """Put an entry into one of MiniStack's tables, a dict, whether it has the key yet or not."""
    entries = resolve(module, table)
    if not isinstance(entries, dict):
        raise PatchError(f"{module}.{table} of {_release()} is no dict")
    entries[key] = value


def _release() -> str:
    return f"MiniStack {version('ministack')}"
