"""Finds the AWS operations that a handler can reach, based on the types in the source.

mypy knows the type of every expression, so a call of `client("s3").get_object` is recognized as an
operation of S3. Only functions that the handler can reach are considered. A function that is named
counts as called.
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

SOURCE = Path(__file__).resolve().parents[3] / "src"

_OWN_PACKAGES = ("handlers.", "pipeline.", "contract.")
# Libraries that call AWS.
_LIBRARIES = ("aws_lambda_powertools.utilities.idempotency.persistence.",)
_STUBS = "types_boto3_"
_PAGINATOR = "Paginator"
# Members of every client that do not call AWS.
_NO_OPERATIONS = {"get_paginator", "meta"}
_FUNCTIONS = (FuncDef, Decorator, OverloadedFuncDef)


@dataclass(frozen=True)
class Operation:
    """A call of AWS.

    Attributes:
        service: The service, as boto3 names it.
        name: The method of the client, or the operation of the paginator.
        nearby_strings: The strings and keyword arguments in the same function and at module level.
    """

    service: str
    name: str
    nearby_strings: frozenset[str]


@dataclass
class _Body:
    """The content of a function or of the top level of a module.

    Attributes:
        calls: The calls of AWS, as service and name.
        strings: The strings and keyword arguments.
        references: The functions, classes, and variables that it names.
    """

    calls: set[tuple[str, str]] = field(default_factory=set)
    strings: set[str] = field(default_factory=set)
    references: list[Node] = field(default_factory=list)


@cache
def _check_types() -> build.BuildResult:
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
    """Return every AWS operation that the function `handler` of the module can reach."""
    start = _check_types().files[module].names["handler"].node
    assert start is not None
    bodies = _reachable_bodies(start)
    result = set()
    for name, body in bodies.items():
        nearby = frozenset(body.strings | bodies[_module_of(name)].strings)
        result |= {Operation(service, operation, nearby) for service, operation in body.calls}
    return result


def _reachable_bodies(start: Node) -> dict[str, _Body]:
    """Return the bodies of all reachable functions, library classes, and modules, by full name."""
    pending, bodies = [start], dict[str, _Body]()
    while pending:
        node = pending.pop()
        if isinstance(node, TypeInfo):
            pending += _special_methods(node)
        name = getattr(node, "fullname", "")
        if name in bodies or not name.startswith((*_OWN_PACKAGES, *_LIBRARIES)):
            continue
        module = _module_of(name)
        if module not in bodies:
            bodies[module] = _read(_top_level(module), module)
            pending += bodies[module].references
        if isinstance(node, TypeInfo) and name.startswith(_LIBRARIES):
            bodies[name] = _read([node.defn], module)  # all methods of the class
        elif isinstance(node, _FUNCTIONS) and name.startswith(_OWN_PACKAGES):
            bodies[name] = _read([node], module)
            pending += bodies[name].references
    return bodies


def _special_methods(info: TypeInfo) -> Iterator[Node]:
    """Yield the special methods of a class, which run without being named."""
    for name, symbol in info.names.items():
        if name.startswith("__") and symbol.node is not None:
            yield symbol.node


def _top_level(module: str) -> list[Node]:
    """Return the statements of a module other than definitions and imports."""
    excluded = (*_FUNCTIONS, ClassDef, Import, ImportFrom)
    return [node for node in _check_types().files[module].defs if not isinstance(node, excluded)]


def _read(nodes: Iterable[Node], module: str) -> _Body:
    body = _Body()
    for node in nodes:
        collector = NameAndMemberCollector()
        node.accept(collector)
        for name in collector.name_exprs:
            if name.node is not None and not isinstance(name.node, MypyFile):
                body.references.append(name.node)
        for member in collector.member_exprs:
            _read_member(member, body)
        body.strings |= _strings(module, node)
    return body


def _read_member(member: MemberExpr, body: _Body) -> None:
    if member.node is not None and not isinstance(member.node, MypyFile):
        body.references.append(member.node)
    for info in _classes_of(member.expr):
        symbol = info.get(member.name)
        if not info.fullname.startswith(_STUBS):
            if symbol is not None and symbol.node is not None:
                body.references.append(symbol.node)
            continue
        service = info.fullname.split(".")[0].removeprefix(_STUBS)
        if info.name.endswith(_PAGINATOR) and member.name == "paginate":
            body.calls.add((service, info.name.removesuffix(_PAGINATOR)))
        elif info.name.endswith("Client") and member.name not in _NO_OPERATIONS:
            body.calls.add((service, member.name))


def _classes_of(expression: Expression) -> Iterator[TypeInfo]:
    """Yield the possible classes of an expression's value, or the class that it names."""
    if isinstance(expression, NameExpr) and isinstance(expression.node, TypeInfo):
        yield expression.node
    inferred = get_proper_type(_check_types().types.get(expression))
    for item in inferred.items if isinstance(inferred, UnionType) else [inferred]:
        item_type = get_proper_type(item)
        if isinstance(item_type, CallableType):
            item_type = get_proper_type(item_type.ret_type)
        if isinstance(item_type, Instance):
            yield item_type.type


def _strings(module: str, node: Node) -> set[str]:
    """Return the strings and keyword arguments in the lines of a node."""
    strings = set()
    for part in ast.walk(_parse(_check_types().files[module].path)):
        line = getattr(part, "lineno", None)
        if line is None or not node.line <= line <= (node.end_line or node.line):
            continue
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            strings.add(part.value)
        elif isinstance(part, ast.keyword) and part.arg:
            strings.add(part.arg)
    return strings


@cache
def _parse(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _module_of(name: str) -> str:
    while name not in _check_types().files:
        name = name.rpartition(".")[0]
    return name
