"""Tests of the escaping of text from files, keys, and other systems."""

from __future__ import annotations

import json
import sys
import unicodedata

from contract.text import escape_control_characters, has_control_characters

BIDIRECTIONAL = {"ALM", "LRM", "RLM", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
CHARACTERS = [chr(number) for number in range(sys.maxunicode + 1)]


def test_exactly_control_and_bidirectional_formatting_characters_are_escaped() -> None:
    # U+200E, U+200F, and U+061C are marks: they have the bidirectional class of a letter.
    marks = {"\u200e", "\u200f", "\u061c"}
    expected = {
        character
        for character in CHARACTERS
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in BIDIRECTIONAL
        or character in marks
    }
    assert {character for character in CHARACTERS if has_control_characters(character)} == expected
    for character in CHARACTERS:
        escaped = escape_control_characters(character)
        assert escaped.isascii() if character in expected else escaped == character


def test_escapes_are_those_of_json_strings() -> None:
    text = "a\x00\t\r\n\x1b[31m\x7f\x9b\u202e\u2028 Zoë, 東京 👩\u200d🚀"
    escaped = escape_control_characters(text)
    assert (
        escaped == "a\\u0000\\t\\r\\n\\u001b[31m\\u007f\\u009b\\u202e\\u2028 Zoë, 東京 👩\u200d🚀"
    )
    assert json.loads(f'"{escaped}"') == text


def test_line_breaks_can_be_kept() -> None:
    text = escape_control_characters("a\nb\r\n\x0bc\u2029", keep_line_breaks=True)
    assert text == "a\nb\\r\n\\u000bc\\u2029"
