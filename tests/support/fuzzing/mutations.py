"""Random mutations of valid input files: what people, programs, and attackers do to CSV files."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from random import Random

Mutation = Callable[[Random, bytes], bytes]

_DELIMITERS = [b";", b"\t", b"|", b":", b" ", b"^", b"\x01", "§".encode(), b",,", b", "]
_LINE_ENDINGS = [b"\r\n", b"\r", b"\n\r", b"\r\r\n", b"\n\n", b"\x0b", b"\x85", "\u2028".encode()]
_QUOTES = [b'"', b'""', b"'", b'",', b',"', b'\\"', b'"\n', b'\n"', "“".encode(), b'"a"b']
_ENCODINGS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"]
_INVALID_UTF8 = [
    b"\xe9",
    b"\xff",
    b"\x80",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf5\x80\x80\x80",
]
_BYTE_ORDER_MARKS = [
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb",
]
_SIGNATURES = [
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"PAR1",
    b"ORC",
    b"Obj\x01",
    b"%PDF-1.7",
    b"BZh9",
    b"\x28\xb5\x2f\xfd",
    b"<!DOCTYPE html><html>",
    b"<?xml version='1.0'?>",
    b"<",
    b"{",
    b"[",
    b"SQLite format 3\x00",
]
_FIELDS = [
    "",
    " ",
    "\t",
    "NULL",
    "NaN",
    "-0",
    "1e9",
    "0" * 400,
    "9" * 400,
    "1." + "4" * 400,
    "90.0000005",
    "-180.0000004",
    "２０２４-01-01",
    "0000-00-00",
    "9999-12-31",
    "9999-12-31 23:59:59",
    "0001-01-01 00:00:00",
    "2024-02-30 25:61:61",
    "a,b",
    'a"b',
    "=cmd|' /C calc'!A0",
    "Depot [/north]",
    "'; DROP TABLE users; --",
    "../../etc/passwd",
    "\x1b[31m",
    "\u202egpj.exe",
    "\u2028",
    "\x7f\x85",
    "\ufeff",
    "\U0001f468\u200d\U0001f680",
    "e\u0301",
    "\U0010ffff",
    "ß",
    "İ",
]


def flip_bytes(rng: Random, content: bytes) -> bytes:
    """Replace some bytes by random ones."""
    result = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        if result:
            result[rng.randrange(len(result))] = rng.randrange(256)
    return bytes(result)


def flip_printable_characters(rng: Random, content: bytes) -> bytes:
    """Replace some bytes by random printable ASCII characters, commas, quotes, and line breaks."""
    result = bytearray(content)
    for _ in range(rng.choice([1, 3, 20])):
        if result:
            result[rng.randrange(len(result))] = rng.choice([*range(32, 127), *b',,,"""\n\n\r\t'])
    return bytes(result)


def truncate_file(rng: Random, content: bytes) -> bytes:
    """Keep only the start of the file, as after an interrupted upload."""
    return content[: rng.randrange(len(content) + 1)]


def remove_slice(rng: Random, content: bytes) -> bytes:
    """Remove a random slice."""
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:start] + content[min(end, start + 500) :]


def repeat_slice(rng: Random, content: bytes) -> bytes:
    """Repeat a random slice a few times."""
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    part = content[start : min(end, start + 500)]
    return content[:start] + part * rng.choice([2, 3, 20]) + content[end:]


def shuffle_lines(rng: Random, content: bytes) -> bytes:
    """Shuffle the rows, or all lines with the header."""
    first = rng.choice([0, 1, 1])
    lines = content.split(b"\n")
    tail = lines[first:]
    rng.shuffle(tail)
    return b"\n".join(lines[:first] + tail)


def change_delimiter(rng: Random, content: bytes) -> bytes:
    """Separate the fields by something else, in the whole file or in one line."""
    delimiter = rng.choice(_DELIMITERS)
    if rng.random() < 0.6:
        return content.replace(b",", delimiter)
    return _change_line(rng, content, lambda line: line.replace(b",", delimiter))


def insert_quotes(rng: Random, content: bytes) -> bytes:
    """Insert quotes at random positions, closed or not."""
    return _insert(rng, content, _QUOTES, rng.choice([1, 2, 10]))


def quote_fields(rng: Random, content: bytes) -> bytes:
    """Quote every field of the file or of one line."""

    def quote(line: bytes) -> bytes:
        return b",".join(b'"' + field.replace(b'"', b'""') + b'"' for field in line.split(b","))

    if rng.random() < 0.5:
        return b"\n".join(map(quote, content.split(b"\n")))
    return _change_line(rng, content, quote)


def insert_line_breaks(rng: Random, content: bytes) -> bytes:
    """Insert line breaks of all kinds at random positions."""
    return _insert(rng, content, [b"\n", *_LINE_ENDINGS], rng.choice([1, 3, 20]))


def change_line_endings(rng: Random, content: bytes) -> bytes:
    """End the lines in another way."""
    return content.replace(b"\n", rng.choice(_LINE_ENDINGS))


def insert_blank_lines(rng: Random, content: bytes) -> bytes:
    """Insert blank lines before the header and between rows."""
    blank = rng.choice([b"\n", b"\r\n", b" \n", b"\t \n", b"\n" * 50])
    lines = content.split(b"\n")
    position = rng.choice([0, rng.randrange(len(lines))])
    return b"\n".join(lines[:position]) + blank + b"\n".join(lines[position:])


def change_encoding(rng: Random, content: bytes) -> bytes:
    """Encode the text in another encoding."""
    text = content.decode("utf-8", errors="replace")
    return text.encode(rng.choice(_ENCODINGS))


def insert_invalid_utf8(rng: Random, content: bytes) -> bytes:
    """Insert bytes that are not UTF-8."""
    return _insert(rng, content, _INVALID_UTF8, rng.choice([1, 1, 5]))


def insert_byte_order_marks(rng: Random, content: bytes) -> bytes:
    """Insert a byte-order mark at the start, where one is allowed, or elsewhere."""
    mark = rng.choice(_BYTE_ORDER_MARKS)
    return mark + content if rng.random() < 0.7 else _insert(rng, content, [mark], 1)


def insert_nulls(rng: Random, content: bytes) -> bytes:
    """Insert null bytes."""
    return _insert(rng, content, [b"\x00", b"\x00" * 512], rng.choice([1, 5]))


def insert_long_field(rng: Random, content: bytes) -> bytes:
    """Insert a very long text into a field or a line."""
    character = rng.choice(
        [b"a", b"0", b"1", b'"', b'""', b",", b" ", b"\r", b"a,", b'","', b"\xc3\xa9"]
    )
    return _insert(rng, content, [character * rng.choice([300, 5_000, 40_000])], 1)


def grow_header(rng: Random, content: bytes) -> bytes:
    """Add thousands of columns or symbols to the header line."""
    symbols = "".join(chr(number) for number in range(0x2190, 0x2190 + rng.choice([10, 2_000])))
    names = ",".join(f"column {number}" for number in range(rng.choice([1, 20, 3_000])))
    extra = rng.choice([symbols, names, ";".join(symbols), "," * 1_000, names + "\u202e"])
    header, separator, rows = content.partition(b"\n")
    return header + b"," + extra.encode() + separator + rows


def exceed_head(rng: Random, content: bytes) -> bytes:
    """Make the header line, a field, or the blank lines longer than what the file check reads."""
    text = rng.choice([b"a", b"a,", b";", b"\n", b" ", b'"', b"\r", b"\xf0\x9f\x9a\x80"])
    filling = text * (1_100_000 // len(text))
    return rng.choice([filling + content, content + filling, _insert(rng, content, [filling], 1)])


def prepend_signature(rng: Random, content: bytes) -> bytes:
    """Start the file like one of another format."""
    return rng.choice(_SIGNATURES) + rng.choice([b"", content])


def compress(_: Random, content: bytes) -> bytes:
    """Compress the file."""
    return gzip.compress(content, mtime=0)


def permute_columns(rng: Random, content: bytes) -> bytes:
    """Change the order of the columns, in the header and in the rows."""
    lines = [line.split(b",") for line in content.split(b"\n")]
    order = rng.sample(range(len(lines[0])), len(lines[0]))
    permuted = [
        [line[index] for index in order] if len(line) == len(order) else line for line in lines
    ]
    return b"\n".join(map(b",".join, permuted))


def change_header(rng: Random, content: bytes) -> bytes:
    """Remove, repeat, rename, swap, or pad a column's name."""
    header, separator, rows = content.partition(b"\n")
    names = header.split(b",")
    position = rng.randrange(len(names))
    name = names[position]
    names[position] = rng.choice(
        [
            name.upper(),
            b" " + name + b"\t",
            b'"' + name + b'"',
            b'"' + name,
            name + b"\r",
            rng.choice(names),
            b"",
            b"x",
            name + b"," + name,
            name.replace(b"_", b" "),
            name + "\u202e".encode(),
            "\ufeff".encode() + name,
        ]
    )
    if rng.random() < 0.2:
        del names[position]
    return b",".join(names) + separator + rows


def change_fields(rng: Random, content: bytes) -> bytes:
    """Replace some fields by values at the limits of their format, and by hostile ones."""
    lines = content.split(b"\n")
    for _ in range(rng.choice([1, 5, 20])):
        position = rng.randrange(1, len(lines)) if len(lines) > 1 else 0
        fields = lines[position].split(b",")
        value = rng.choice(_FIELDS)
        if rng.random() < 0.7 and set(value) & set(',"\n'):
            value = '"' + value.replace('"', '""') + '"'
        fields[rng.randrange(len(fields))] = value.encode()
        lines[position] = b",".join(fields)
    return b"\n".join(lines)


def replace_content(rng: Random, _: bytes) -> bytes:
    """Replace the file by random bytes, random symbols, or nothing."""
    size = rng.choice([0, 1, 50, 5_000])
    alphabet = rng.choice([bytes(range(256)), b',"\n\r a', b"\n \t\r", b"\xef\xbb\xbf\n"])
    return bytes(rng.choices(alphabet, k=size))


BODY_MUTATIONS: Sequence[Mutation] = (
    flip_printable_characters,
    remove_slice,
    repeat_slice,
    insert_quotes,
    quote_fields,
    insert_line_breaks,
    insert_blank_lines,
    insert_long_field,
    change_delimiter,
    change_fields,
    change_fields,
    change_line_endings,
    shuffle_lines,
    truncate_file,
)
"""Mutations after which most files still pass the file check if only their rows are changed."""

FILE_MUTATIONS: Sequence[Mutation] = (
    *dict.fromkeys(BODY_MUTATIONS),
    flip_bytes,
    change_encoding,
    insert_invalid_utf8,
    insert_byte_order_marks,
    insert_nulls,
    grow_header,
    prepend_signature,
    compress,
    permute_columns,
    change_header,
    replace_content,
)
"""Mutations of a complete file."""


def mutate(rng: Random, content: bytes, mutations: Sequence[Mutation]) -> tuple[str, bytes]:
    """Apply one to three random mutations.

    Returns:
        The names of the mutations, joined by `+`, and the mutated file.
    """
    chosen = rng.choices(mutations, k=rng.choice([1, 1, 2, 3]))
    for mutation in chosen:
        content = mutation(rng, content)
    return "+".join(mutation.__name__ for mutation in chosen), content


def mutate_rows(rng: Random, content: bytes) -> tuple[str, bytes]:
    """Apply mutations to everything below the header line."""
    header, separator, rows = content.partition(b"\n")
    names, rows = mutate(rng, rows, BODY_MUTATIONS)
    return names, header + separator + rows


def _insert(rng: Random, content: bytes, texts: Sequence[bytes], count: int) -> bytes:
    for _ in range(count):
        position = rng.randrange(len(content) + 1)
        content = content[:position] + rng.choice(texts) + content[position:]
    return content


def _change_line(rng: Random, content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    lines = content.split(b"\n")
    position = rng.randrange(len(lines))
    lines[position] = change(lines[position])
    return b"\n".join(lines)
