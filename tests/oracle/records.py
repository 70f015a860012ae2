"""A strict CSV parser. A line that is not well quoted becomes a record without fields."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_PLAIN = re.compile(r'[^,\n"]*')
_BLANKS = " \t"


class Record(NamedTuple):
    """A record.

    Attributes:
        fields: The fields; `None` if the quoting is broken.
        raw: The text without the line ending.
    """

    fields: list[str] | None
    raw: str


class _Line(NamedTuple):
    """A physical line without its line ending, and the position of the next line."""

    content: str
    next_start: int


def parse_records(text: str, *, multiline: bool) -> Iterator[Record]:
    """Yield all records that are not blank. The first one, the header, is always a single line.

    A CR at the very end is a line ending whose LF was cut off.
    """
    if text.endswith("\r"):
        text += "\n"
    position, may_span_lines = 0, False
    while position < len(text):
        line = _line_at(text, position)
        if not line.content.strip(_BLANKS):
            position = line.next_start
        elif '"' not in line.content:
            yield Record(line.content.split(","), line.content)
            position, may_span_lines = line.next_start, multiline
        else:
            stop = len(text) if may_span_lines else line.next_start
            result = _parse_quoted_record(text, position, stop)
            record, position = result or (Record(None, line.content), line.next_start)
            yield record
            may_span_lines = multiline


def _line_at(text: str, start: int) -> _Line:
    line_feed = text.find("\n", start)
    if line_feed < 0:
        return _Line(text[start:], len(text))
    return _Line(text[start:line_feed].removesuffix("\r"), line_feed + 1)


def _parse_quoted_record(text: str, start: int, stop: int) -> tuple[Record, int] | None:
    """Parse the record at `start`.

    Returns:
        The record and the position of the next one, or `None` if the record is not well quoted.
    """
    fields: list[str] = []
    position = start
    while True:
        if text.startswith('"', position, stop):
            closing = _find_closing_quote(text, position, stop)
            if closing < 0:
                return None
            fields.append(text[position + 1 : closing].replace('""', '"'))
            position = closing + 1
            end = position
            if text.startswith("\r\n", position, stop):
                position += 1
        else:
            position, field_start = _find_plain_end(text, position, stop), position
            end = position
            if text.startswith("\n", position, stop) and text.endswith("\r", field_start, position):
                end = position - 1
            fields.append(text[field_start:end])
        if position == stop:
            return Record(fields, text[start:end]), position
        if text[position] == "\n":
            return Record(fields, text[start:end]), position + 1
        if text[position] != ",":
            return None
        position += 1


def _find_plain_end(text: str, start: int, stop: int) -> int:
    match = _PLAIN.match(text, start, stop)
    return match.end() if match else start


def _find_closing_quote(text: str, opening: int, stop: int) -> int:
    """Return the position of the quote that closes the one at `opening`, or -1."""
    position = text.find('"', opening + 1, stop)
    while position >= 0 and text.startswith('"', position + 1, stop):
        position = text.find('"', position + 2, stop)
    return position
