"""Strict CSV: a text becomes records, and what is not well quoted stays a raw line."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_PLAIN = re.compile(r'[^,\n"]*')
_BLANKS = " \t"


class Record(NamedTuple):
    """One record: its fields (None when the quoting is broken) and its text less the line end."""

    fields: list[str] | None
    raw: str


class _Line(NamedTuple):
    """A physical line: its text less the line end, and where the next one begins."""

    content: str
    following: int


def records(text: str, *, multiline: bool) -> Iterator[Record]:
    """Yield every non-blank record; the first one, the header, is always one physical line."""
    at, spans = 0, False
    while at < len(text):
        line = _line_at(text, at)
        if not line.content.strip(_BLANKS):
            at = line.following
        elif '"' not in line.content:
            yield Record(line.content.split(","), line.content)
            at, spans = line.following, multiline
        else:
            found = _quoted_record(text, at, len(text) if spans else line.following)
            record, at = found or (Record(None, line.content), line.following)
            yield record
            spans = multiline


def _line_at(text: str, start: int) -> _Line:
    feed = text.find("\n", start)
    if feed < 0:
        return _Line(text[start:], len(text))
    return _Line(text[start:feed].removesuffix("\r"), feed + 1)


def _quoted_record(text: str, start: int, stop: int) -> tuple[Record, int] | None:
    """Return the well-quoted record at `start` and where the next begins, or None."""
    fields: list[str] = []
    at = start
    while True:
        if text.startswith('"', at, stop):
            close = _closing_quote(text, at, stop)
            if close < 0:
                return None
            fields.append(text[at + 1 : close].replace('""', '"'))
            at = close + 1
            end = at
            if text.startswith("\r\n", at, stop):
                at += 1
        else:
            at, begin = _plain_end(text, at, stop), at
            end = at
            if text.startswith("\n", at, stop) and text.endswith("\r", begin, at):
                end = at - 1
            fields.append(text[begin:end])
        if at == stop:
            return Record(fields, text[start:end]), at
        if text[at] == "\n":
            return Record(fields, text[start:end]), at + 1
        if text[at] != ",":
            return None
        at += 1


def _plain_end(text: str, start: int, stop: int) -> int:
    plain = _PLAIN.match(text, start, stop)
    return plain.end() if plain else start


def _closing_quote(text: str, opening: int, stop: int) -> int:
    """Return the place of the quote that closes the one at `opening`, or -1."""
    at = text.find('"', opening + 1, stop)
    while at >= 0 and text.startswith('"', at + 1, stop):
        at = text.find('"', at + 2, stop)
    return at
