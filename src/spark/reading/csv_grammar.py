"""RFC 4180 as regular expressions for Spark's built-in functions.

Spark's own CSV reader repairs what it should report: it joins broken quotes, and in multi-line
mode one quote that never closes swallows the rest of the file. So records and fields are cut out
by these expressions, which accept exactly the grammar. All loops are possessive: Java's matcher
then needs no stack, however long a field is. Where a look for a quote can save the expression, it
does: hardly any line has one.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_INSIDE_QUOTES = r'[^"]*+(?:""[^"]*+)*+'
_FIELD = rf'(?:"{_INSIDE_QUOTES}"|[^",\n]*+)'
_RECORD = rf"{_FIELD}(?:,{_FIELD})*+"
_LEFT_OPEN = rf'(?:{_FIELD},)*+"{_INSIDE_QUOTES}'


def is_blank(line: Column) -> Column:
    """Whether there is nothing on the line but spaces and tabs."""
    return F.btrim(line, F.lit(" \t")) == ""


def is_well_quoted(record: Column) -> Column:
    """Whether every quote of the record opens a field, closes one, or is doubled inside one."""
    return ~record.contains('"') | record.rlike(rf"\A{_RECORD}\z")


def opens_quote(line: Column) -> Column:
    """Whether a record that begins with this line goes on in the next, inside quotes."""
    return line.contains('"') & line.rlike(rf"\A{_LEFT_OPEN}\z")


def stays_quoted(line: Column) -> Column:
    """Whether a line that begins inside quotes also ends inside quotes."""
    stays = line.rlike(rf'\A{_INSIDE_QUOTES}(?:\z|",{_LEFT_OPEN}\z)')
    return ~line.contains('"') | stays


def records(lines: Column) -> Column:
    """Cut a text of whole lines, without the last line's end, into an array of records.

    Where no well-quoted record begins, the one line is a record by itself and reading goes on with
    the next line: one broken quote costs one row.
    """
    pattern = rf"({_RECORD}\r?\n|[^\n]*+\n)"
    return F.regexp_extract_all(F.concat(lines, F.lit("\n")), F.lit(pattern), F.lit(1))


def without_line_end(line: Column) -> Column:
    """The text without the LF or CRLF that ends it."""
    has_end = line.endswith("\n") | line.endswith("\r")
    return F.when(has_end, F.regexp_replace(line, r"\r?\n?\z", "")).otherwise(line)


def fields(record: Column) -> Column:
    """Cut a well-quoted record into an array of fields, still in their quotes."""
    quoted = F.regexp_extract_all(F.concat(record, F.lit(",")), F.lit(rf"({_FIELD}),"), F.lit(1))
    return F.when(record.contains('"'), quoted).otherwise(F.split(record, ",", -1))


def unquoted(field: Column) -> Column:
    """The field's text: without its quotes, each doubled quote inside made one."""
    inner = F.regexp_replace(F.regexp_replace(field, r'\A"|"\z', ""), '""', '"')
    return F.when(field.startswith('"'), inner).otherwise(field)
