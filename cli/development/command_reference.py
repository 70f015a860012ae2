"""The reference of all commands, made from the commands themselves."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from typer.main import get_command

from cli import exit_codes
from cli.json_output import SCHEMA_FOLDER

_PROGRAM = "./run"


def commands_reference() -> str:
    """Return a section for each command: its purpose, arguments, and options."""
    # Not an import statement, because the entry point imports this package.
    root = get_command(importlib.import_module("cli.__main__").app)
    return "\n\n".join(_describe_group(root, _PROGRAM))


def exit_codes_table() -> str:
    """Return the table of exit codes, which is part of the docstring of their module."""
    lines = (exit_codes.__doc__ or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("|"))


def schemas_table() -> str:
    """Return the kinds of JSON documents, with the fields of each."""
    rows = []
    for path in sorted(SCHEMA_FOLDER.glob("*.json")):
        schema = json.loads(path.read_text("utf-8"))
        fields = ", ".join(f"`{name}`" for name in schema["properties"])
        name = schema["properties"]["schema"]["const"]
        title = _escape(schema["title"])
        rows.append(f"| [`{name}`](../cli/schemas/{path.name}) | {title} | {fields} |")
    return "\n".join(["| schema | document | fields |", "| --- | --- | --- |", *rows])


def _describe_group(group: Any, prefix: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _describe_group(command, f"{prefix} {name}")
        else:
            yield _describe_command(command, f"{prefix} {name}")


def _describe_command(command: Any, name: str) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([name, *map(_get_metavar, arguments), *(["[OPTIONS]"] if options else [])])
    parts = [f"### `{name}`", f"```text\n{usage}\n```", _join_lines(command.help or "")]
    rows = [f"| `{_get_metavar(p)}` | {_escape(p.help or '')} |" for p in arguments]
    rows += [f"| {_get_option(p)} | {_escape(p.help or '')}{_get_default(p)} |" for p in options]
    if rows:
        parts.append("\n".join(["| argument or option | meaning |", "| --- | --- |", *rows]))
    return "\n\n".join(parts)


def _get_metavar(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _get_option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} `{_get_value_name(parameter)}`"


def _get_value_name(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(choice.value for choice in annotation)
    return str(parameter.metavar or parameter.name.upper())


def _get_default(parameter: Any) -> str:
    has_default = parameter.default not in (None, "", False) and not callable(parameter.default)
    if parameter.is_flag or not has_default or "Default:" in (parameter.help or ""):
        return ""
    return f" Default: `{parameter.default}`."


def _join_lines(text: str) -> str:
    """Return a docstring with each paragraph in one line."""
    paragraphs = re.split(r"\n\s*\n", text.replace("\b", "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _escape(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
