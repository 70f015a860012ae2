"""The grammar of RFC 4180 as regular expressions for Spark's built-in functions.

Spark's own CSV reader repairs errors that the jobs must report: it joins fields with broken quotes,
and in multi-line mode one unclosed quote swallows the rest of the file. Therefore, these
expressions split files into records and fields. They accept exactly the grammar.

All quantifiers are possessive, so that Java's matcher does not need stack space for long fields.
Most lines contain no quote, so the functions look for a quote before they use an expression.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_QUOTED_TEXT = r'[^"]*+(?:""[^"]*+)*+'
_FIELD = rf'(?:"{_QUOTED_TEXT}"|[^",\n]*+)'
_RECORD = rf"{_FIELD}(?:,{_FIELD})*+"
_UNCLOSED_RECORD = rf'(?:{_FIELD},)*+"{_QUOTED_TEXT}'


def is_blank(line: Column) -> Column:
    """Return whether the line contains only spaces and tabs."""
    # No other line starts with a character below "!", and the comparison ends at the first one.
    return (line < "!") & (F.btrim(line, F.lit(" \t")) == "")


def is_well_quoted(record: Column) -> Column:
    """Return whether each quote opens a field, closes a field, or is doubled inside a field."""
    return ~record.contains('"') | record.rlike(rf"\A{_RECORD}\z")


def leaves_quote_open(line: Column) -> Column:
    """Return whether a record that starts with this line continues inside quotes on the next."""
    return line.contains('"') & line.rlike(rf"\A{_UNCLOSED_RECORD}\z")


def stays_quoted(line: Column) -> Column:
    """Return whether a line that starts inside quotes also ends inside quotes."""
    ends_quoted = line.rlike(rf'\A{_QUOTED_TEXT}(?:\z|",{_UNCLOSED_RECORD}\z)')
    return ~line.contains('"') | ends_quoted


def split_records(lines: Column) -> Column:
    """Split complete lines, without the end of the last line, into an array of records.

    Where no well-quoted record starts, the line itself becomes a record and the next record starts
    on the next line. Thus, one broken quote affects only one row.
    """
    pattern = rf"({_RECORD}\r?\n|[^\n]*+\n)"
    return F.regexp_extract_all(F.concat(lines, F.lit("\n")), F.lit(pattern), F.lit(1))


def has_line_ending(line: Column) -> Column:
    """Return whether the line ends with LF or CR."""
    return line.endswith("\n") | line.endswith("\r")


def strip_line_ending(line: Column) -> Column:
    """Return the text without its final LF or CRLF, or without the CR if the LF is gone already."""
    return F.regexp_replace(line, r"\r?\n?\z", "")


def split_fields(record: Column) -> Column:
    """Split a well-quoted record into an array of fields, which keep their quotes."""
    quoted = F.regexp_extract_all(F.concat(record, F.lit(",")), F.lit(rf"({_FIELD}),"), F.lit(1))
    return F.when(record.contains('"'), quoted).otherwise(F.split(record, ",", -1))


def unquote(field: Column) -> Column:
    """Return the text of a field: without its quotes, and with doubled quotes unescaped."""
    inner = F.regexp_replace(F.regexp_replace(field, r'\A"|"\z', ""), '""', '"')
    return F.when(field.startswith('"'), inner).otherwise(field)
