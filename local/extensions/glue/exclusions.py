"""The exclude patterns of a crawler's target.

They are globs relative to the include path, as in "Include and exclude patterns" of the AWS Glue
Developer Guide (define-crawler.html#crawler-data-stores-exclude): `*` stays within a folder and
`**` does not, `{a,b}` is a choice, and a dot at the beginning of a name is an ordinary character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_TOKEN = re.compile(
    r"(?P<any_path>\*\*)|(?P<any_name>\*)|(?P<any_character>\?)|\\(?P<escaped>.)"
    r"|\[(?P<negated>!?)(?P<characters>[^]]+)\]|(?P<other>.)",
    re.DOTALL,
)
_BRACES = {"{": "(?:", "}": ")"}


class Exclusions:
    """The objects that a crawl leaves out."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Read the patterns.

        Args:
            patterns: The glob patterns of the target.
        """
        self._patterns = [re.compile(_translate(pattern), re.DOTALL) for pattern in patterns]

    def match(self, path: str) -> bool:
        """Return whether an object is excluded.

        Args:
            path: The key of the object, relative to the path of the target.
        """
        return any(pattern.fullmatch(path) for pattern in self._patterns)


def _translate(glob: str) -> str:
    """Return the regular expression that matches the same paths as a glob."""
    expression, in_braces = "", False
    for token in _TOKEN.finditer(glob):
        other = token["other"]
        if other in _BRACES:
            in_braces = other == "{"
            expression += _BRACES[other]
        elif other == "," and in_braces:
            expression += "|"
        else:
            expression += _translate_token(token)
    return expression


def _translate_token(token: re.Match[str]) -> str:
    if token["any_path"]:
        return ".*"
    if token["any_name"]:
        return "[^/]*"
    if token["any_character"]:
        return "[^/]"
    if token["characters"]:
        characters = re.sub(r"[\\^\[]", r"\\\g<0>", token["characters"])
        return f"(?!/)[{'^' if token['negated'] else ''}{characters}]"
    return re.escape(token["escaped"] or token["other"])
