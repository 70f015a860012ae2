"""Patches: how an extension replaces functions of MiniStack.

The patched names are internal to MiniStack and may change with any release. Each patch therefore
checks that the function exists and has the expected parameters, so that an incompatible upgrade
fails at startup with the extension, the name, and MiniStack's version.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

# (module, attribute) -> (original, extension that replaced it)
_replaced: dict[tuple[str, str], tuple[Any, str]] = {}


class PatchError(Exception):
    """MiniStack does not have what an extension patches, or has it in a different form."""


def resolve(module: str, attribute: str, parameters: Sequence[str] | None = None) -> Any:
    """Return an attribute of a MiniStack module.

    Args:
        module: The dotted name of the module, such as `ministack.services.emr`.
        attribute: The attribute's name, such as `_clusters`. Methods have the form `Class.method`.
        parameters: The parameter names that the function must have, in order. `None` skips the
            check.

    Raises:
        PatchError: The attribute does not exist or has other parameters.
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
                f"{module}.{attribute} of {_release()} has the parameters {actual}, "
                f"expected {tuple(parameters)}"
            )
    return value


def replace(
    module: str,
    attribute: str,
    replacement: Callable[..., Any],
    parameters: Sequence[str] | None = None,
) -> Any:
    """Replace a function of MiniStack.

    Args:
        module: The module, as for `resolve`.
        attribute: The function or method, as for `resolve`.
        replacement: The function to install. Its module identifies the extension.
        parameters: The parameter names that the original must have, as for `resolve`.

    Returns:
        The original function. An extension that is installed again gets the same original.

    Raises:
        PatchError: The original does not exist or has other parameters, or another extension has
            replaced it: the result of two replacements would depend on their order.
    """
    extension = replacement.__module__
    original, owner = _replaced.get((module, attribute), (None, ""))
    if not owner:
        try:
            original = resolve(module, attribute, parameters)
        except PatchError as error:
            raise PatchError(f"{extension}: {error}") from error
        _replaced[module, attribute] = (original, extension)
    elif owner != extension:
        raise PatchError(f"{extension}: {module}.{attribute} is already replaced by {owner}")
    *path, name = attribute.split(".")
    holder = resolve(module, ".".join(path)) if path else import_module(module)
    setattr(holder, name, replacement)
    return original


def add_entry(module: str, table: str, key: str, value: Any) -> None:
    """Add an entry to a dictionary of a MiniStack module, or replace it.

    Raises:
        PatchError: The dictionary does not exist or is not a dictionary.
    """
    entries = resolve(module, table)
    if not isinstance(entries, dict):
        raise PatchError(f"{module}.{table} of {_release()} is not a dict")
    entries[key] = value


def _release() -> str:
    return f"MiniStack {version('ministack')}"
