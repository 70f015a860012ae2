"""Text from files, keys, and other systems, made safe to show in an email, a log, or a terminal."""

from __future__ import annotations

import re

# Control characters, among them line breaks and the start of terminal escape sequences; characters
# that reorder the text around them; line and paragraph separators; and lone surrogates, which
# cannot be encoded.
_CONTROL_CHARACTER = re.compile(
    r"[\x00-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    r"\u2028\u2029"
    r"\ud800-\udfff]"
)
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def has_control_characters(text: str) -> bool:
    """Return whether the text contains control or bidirectional-formatting characters."""
    return _CONTROL_CHARACTER.search(text) is not None


def escape_control_characters(text: str, *, keep_line_breaks: bool = False) -> str:
    r"""Replace control and bidirectional-formatting characters by their escapes.

    Whoever writes a file or a key could use these characters to imitate other lines, to hide or
    reorder text, or to control the reader's terminal. The escapes are those of JSON strings, such
    as `\n` and `\u202e`. Other characters, such as letters of any language, are kept.

    Args:
        text: The text, from any source.
        keep_line_breaks: Whether to keep `\n`. Use it only for text whose line breaks are our own.
    """

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        if keep_line_breaks and character == "\n":
            return character
        return _SHORT_ESCAPES.get(character, f"\\u{ord(character):04x}")

    return _CONTROL_CHARACTER.sub(escape, text)
