"""The page of a report: one HTML file that loads nothing and runs no script but its own.

Its content security policy allows exactly the inlined scripts and styles, by their hashes. Vega
needs `ast` for that, and Vega-Embed must not add styles of its own (`page/page.js`):
https://vega.github.io/vega/usage/interpreter
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from report import formats
from report.inputs import ReportInputs
from report.model import build_report

_FOLDER = Path(__file__).resolve().parent
_PAGE_FOLDER = _FOLDER / "page"
VEGA_FOLDER = _FOLDER / "vega"
_VEGA_FILES = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js")
_SOURCE_MAP = "//# sourceMappingURL="
# JSON in a script element must not contain the end of the element, or the beginning of a comment.
_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


@dataclass(frozen=True)
class _Inlined:
    """A script or a style sheet within the page, and the hash by which the policy allows it."""

    content: Markup
    source: str


def render_page(inputs: ReportInputs) -> str:
    """Return the HTML page of a report."""
    scripts = [_inline(VEGA_FOLDER / name) for name in _VEGA_FILES]
    scripts.append(_inline(_PAGE_FOLDER / "page.js"))
    style = _inline(_PAGE_FOLDER / "page.css")
    return (
        _create_environment()
        .get_template("page.html")
        .render(
            report=build_report(inputs),
            data=inputs.to_dict(),
            policy=_build_policy(scripts, style),
            scripts=scripts,
            style=style,
            licenses=(VEGA_FOLDER / "LICENSES.txt").read_text("utf-8"),
        )
    )


def render_content(inputs: ReportInputs) -> str:
    """Return what a reader sees of the page, without its scripts, styles, and data."""
    return _create_environment().get_template("content.html").render(report=build_report(inputs))


def to_script_json(value: Any) -> Markup:
    """Return a value as JSON that is safe within a script element, whatever its texts contain."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    for character, escape in _JSON_ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # noqa: S704 - the characters that HTML interprets are escaped above


@cache
def _create_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_PAGE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = to_script_json
    environment.filters["time"] = formats.time
    return environment


@cache
def _inline(path: Path) -> _Inlined:
    """Read a file of ours, or one that Vega publishes, without its reference to a source map."""
    content = path.read_text("utf-8").partition(_SOURCE_MAP)[0].rstrip()
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return _Inlined(Markup(content), f"'sha256-{digest}'")  # noqa: S704 - no text of the input


def _build_policy(scripts: list[_Inlined], style: _Inlined) -> str:
    directives = {
        "default-src": "'none'",
        "script-src": " ".join(script.source for script in scripts),
        "style-src": style.source,
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())
