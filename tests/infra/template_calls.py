"""Which AWS operations a handler can come to, read from the types in its source.

mypy knows of every expression what it is, so that a call of `client("s3").get_object` is found as
such, and only in functions that can be reached from the handler. Whoever is named counts as called.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from mypy import build
from mypy.modulefinder import BuildSource
from mypy.nodes import (
    ClassDef,
    Decorator,
    Expression,
    FuncDef,
    Import,
    ImportFrom,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OverloadedFuncDef,
    TypeInfo,
)
from mypy.options import Options
from mypy.traverser import NameAndMemberCollector
from mypy.types import CallableType, Instance, UnionType, get_proper_type

SOURCE = Path(__file__).resolve().parents[2] / "src"

_OURS = ("handlers.", "pipeline.", "contract.")
# Libraries that call AWS themselves.
_LIBRARIES = ("aws_lambda_powertools.utilities.idempotency.persistence.",)
_STUBS = "types_boto3_"
_PAGINATOR = "Paginator"
_FUNCTIONS = (FuncDef, Decorator, OverloadedFuncDef)


@dataclass(frozen=True)
class Operation:
    """A call: the service as boto3 names it, and the client's method or a paginator's operation.

    `words` are the strings and keywords near it: in its function and on its module's own level.
    """

    service: str
    name: str
    words: frozenset[str]


@dataclass
class _Body:
    """What a function, or a module's own level, holds: calls of AWS, words, whom it names."""

    calls: set[tuple[str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)
    named: list[Node] = field(default_factory=list)


@cache
def _checked() -> build.BuildResult:
    options = Options()
    options.mypy_path = [str(SOURCE)]
    options.namespace_packages = options.explicit_package_bases = True
    options.preserve_asts = options.export_types = True
    options.incremental = False
    options.cache_dir = "/dev/null"
    modules = [
        BuildSource(str(path), f"handlers.{path.stem}")
        for path in sorted((SOURCE / "handlers").glob("*.py"))
        if path.stem != "__init__"
    ]
    result = build.build(modules, options)
    assert result.errors == []
    return result


def operations(module: str) -> set[Operation]:
    """Every AWS operation that the function `handler` of the module can come to."""
    start = _checked().files[module].names["handler"].node
    assert start is not None
    reached = _reached(start)
    found = set()
    for name, body in reached.items():
        nearby = frozenset(body.words | reached[_module_of(name)].words)
        found |= {Operation(service, operation, nearby) for service, operation in body.calls}
    return found


def _reached(start: Node) -> dict[str, _Body]:
    """Every function, library class and module that can be come to, by its full name."""
    waiting, bodies = [start], dict[str, _Body]()
    while waiting:
        node = waiting.pop()
        if isinstance(node, TypeInfo):
            waiting += _made_by(node)
        name = getattr(node, "fullname", "")
        if name in bodies or not name.startswith((*_OURS, *_LIBRARIES)):
            continue
        module = _module_of(name)
        if module not in bodies:
            bodies[module] = _read(_own_level(module), module)
            waiting += bodies[module].named
        if isinstance(node, TypeInfo) and name.startswith(_LIBRARIES):
            bodies[name] = _read([node.defn], module)  # whatever it can do
        elif isinstance(node, _FUNCTIONS) and name.startswith(_OURS):
            bodies[name] = _read([node], module)
            waiting += bodies[name].named
    return bodies


def _made_by(info: TypeInfo) -> Iterator[Node]:
    """The special methods of a class, which run when nobody names them."""
    for name, symbol in info.names.items():
        if name.startswith("__") and symbol.node is not None:
            yield symbol.node


def _own_level(module: str) -> list[Node]:
    """What a module does when it is imported, besides definitions."""
    passed = (*_FUNCTIONS, ClassDef, Import, ImportFrom)
    return [node for node in _checked().files[module].defs if not isinstance(node, passed)]


def _read(nodes: Iterable[Node], module: str) -> _Body:
    body = _Body()
    for node in nodes:
        collector = NameAndMemberCollector()
        node.accept(collector)
        for name in collector.name_exprs:
            if name.node is not None and not isinstance(name.node, MypyFile):
                body.named.append(name.node)
        for member in collector.member_exprs:
            _read_member(member, body)
        body.words |= _words(module, node)
    return body


def _read_member(member: MemberExpr, body: _Body) -> None:
    if member.node is not None and not isinstance(member.node, MypyFile):
        body.named.append(member.node)
    for info in _classes_of(member.expr):
        symbol = info.get(member.name)
        if not info.fullname.startswith(_STUBS):
            if symbol is not None and symbol.node is not None:
                body.named.append(symbol.node)
            continue
        service = info.fullname.split(".")[0].removeprefix(_STUBS)
        if info.name.endswith(_PAGINATOR) and member.name == "paginate":
            body.calls.add((service, info.name.removesuffix(_PAGINATOR)))
        elif info.name.endswith("Client") and member.name != "get_paginator":
            body.calls.add((service, member.name))


def _classes_of(expression: Expression) -> Iterator[TypeInfo]:
    """The classes that the expression's value, or the class that it names, can be of."""
    if isinstance(expression, NameExpr) and isinstance(expression.node, TypeInfo):
        yield expression.node
    known = get_proper_type(_checked().types.get(expression))
    for option in known.items if isinstance(known, UnionType) else [known]:
        kind = get_proper_type(option)
        if isinstance(kind, CallableType):
            kind = get_proper_type(kind.ret_type)
        if isinstance(kind, Instance):
            yield kind.type


def _words(module: str, node: Node) -> set[str]:
    """The strings and keywords in the lines of a piece of a module."""
    found = set()
    for part in ast.walk(_parsed(_checked().files[module].path)):
        line = getattr(part, "lineno", None)
        if line is None or not node.line <= line <= (node.end_line or node.line):
            continue
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            found.add(part.value)
        elif isinstance(part, ast.keyword) and part.arg:
            found.add(part.arg)
    return found


@cache
def _parsed(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _module_of(name: str) -> str:
    while name not in _checked().files:
        name = name.rpartition(".")[0]
    return name
