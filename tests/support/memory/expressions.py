"""Condition and update expressions of DynamoDB, evaluated on Python values.

Only what the ledger uses is supported. Everything else raises an error.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Item = dict[str, Any]
_TOKEN = re.compile(r"<>|<=|>=|[=<>(),+]|[:#\w.]+")
_COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ACTIONS = ("SET", "REMOVE", "ADD", "DELETE")
_MISSING: Any = object()


class Expression:
    """One expression with its placeholders, evaluated against an item."""

    def __init__(
        self, text: str, item: Item, names: Mapping[str, str], values: Mapping[str, Any]
    ) -> None:
        self._tokens = _TOKEN.findall(text)
        self._position = 0
        self._item = item
        self._names = names
        self._values = values

    def is_true(self) -> bool:
        """Return the value of a condition expression."""
        result = self._parse_or()
        if self._position != len(self._tokens):
            raise ValueError(f"cannot evaluate {' '.join(self._tokens[self._position :])}")
        return result

    def update(self) -> None:
        """Apply an update expression to the item. All operands have their values from before."""
        changes: list[tuple[str, list[str], Any]] = []
        while self._position < len(self._tokens):
            action = self._next()
            if action not in _ACTIONS:
                raise ValueError(f"{action} is not an action")
            while True:
                path = self._parse_path(self._next())
                if action == "SET":
                    self._expect("=")
                value = None if action == "REMOVE" else self._parse_value()
                changes.append((action, path, value))
                if self._peek() != ",":
                    break
                self._next()
        for action, path, value in changes:
            self._apply(action, path, value)

    def _apply(self, action: str, path: list[str], value: Any) -> None:
        *parents, name = path
        target = self._item
        for parent in parents:
            target = target[parent]
        if action == "SET":
            target[name] = value
        elif action == "REMOVE":
            target.pop(name, None)
        elif action == "ADD":
            is_set = isinstance(value, set)
            target[name] = target.get(name, set() if is_set else 0)
            target[name] = target[name] | value if is_set else target[name] + value
        else:
            target[name] = target.get(name, set()) - value
            if not target[name]:
                del target[name]

    def _parse_or(self) -> bool:
        result = self._parse_and()
        while self._peek() == "OR":
            self._next()
            right = self._parse_and()
            result = result or right
        return result

    def _parse_and(self) -> bool:
        result = self._parse_not()
        while self._peek() == "AND":
            self._next()
            right = self._parse_not()
            result = result and right
        return result

    def _parse_not(self) -> bool:
        if self._peek() == "NOT":
            self._next()
            return not self._parse_not()
        if self._peek() == "(":
            self._next()
            result = self._parse_or()
            self._expect(")")
            return result
        return self._parse_comparison()

    def _parse_comparison(self) -> bool:
        left = self._parse_operand()
        if self._peek() not in _COMPARATORS:
            return bool(left)
        comparator = self._next()
        right = self._parse_operand()
        if left is _MISSING or right is _MISSING:
            return False
        return _COMPARATORS[comparator](left, right)

    def _parse_value(self) -> Any:
        value = self._parse_operand()
        if self._peek() == "+":
            self._next()
            value += self._parse_operand()
        return value

    def _parse_operand(self) -> Any:
        token = self._next()
        if self._peek() != "(":
            return self._values[token] if token.startswith(":") else self._get(token)
        self._next()
        arguments = [self._parse_operand()]
        while self._peek() == ",":
            self._next()
            arguments.append(self._parse_operand())
        self._expect(")")
        return _call(token, arguments)

    def _get(self, path: str) -> Any:
        value: Any = self._item
        for name in self._parse_path(path):
            if not isinstance(value, dict) or name not in value:
                return _MISSING
            value = value[name]
        return value

    def _parse_path(self, path: str) -> list[str]:
        return [self._names.get(name, name) for name in path.split(".")]

    def _peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._position += 1
        return str(token)

    def _expect(self, token: str) -> None:
        if self._next() != token:
            raise ValueError(f"{token} is missing in {' '.join(self._tokens)}")


def _call(function: str, arguments: list[Any]) -> Any:
    first = arguments[0]
    if function == "attribute_exists":
        return first is not _MISSING
    if function == "attribute_not_exists":
        return first is _MISSING
    if function == "if_not_exists":
        return arguments[1] if first is _MISSING else first
    if function == "list_append":
        return first + arguments[1]
    if function == "size":
        return first if first is _MISSING else len(first)
    if function == "contains":
        return first is not _MISSING and arguments[1] in first
    raise ValueError(f"{function} is not a supported function")
