"""The page of a report: one file, safe whatever the input contains."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from report.inputs import ReportInputs
from report.page import VEGA_FOLDER, render_page, to_script_json
from tests.support.reports import HOSTILE_TEXTS, build_inputs, spoil_texts

# SHA-256 of the files in the packages that npm publishes: vega 6.4.0, vega-lite 6.5.0, and
# vega-embed 7.3.0.
VEGA_HASHES = {
    "vega.min.js": "8f6a3587cf8d4f42c7e08120e3eb05d067e746d554e39d2dcf52acc0bd5ba28f",
    "vega-lite.min.js": "83e215e84e308ee8688fa6503ba0f1cf8a3c05c0d61df2841a0b92bf86809e00",
    "vega-embed.min.js": "b1455caba2fb1a72fb46025ba0ba1316e2dbc7f0dd40a3f6040172bf9c08ba91",
}
MAX_PAGE_BYTES = 1_300_000


class Elements(HTMLParser):
    """The elements of a page, with their attributes and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] in ("script", "style") and data.strip():
            self.texts.append((self.found[-1][0], data))


@pytest.fixture(scope="module")
def page() -> str:
    return render_page(build_inputs())


@pytest.fixture(scope="module")
def hostile_page() -> str:
    return render_page(spoil_texts(build_inputs()))


@pytest.mark.parametrize("name", VEGA_HASHES)
def test_vega_is_what_npm_publishes(name: str) -> None:
    content = (VEGA_FOLDER / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == VEGA_HASHES[name]
    assert b"</script" not in content.lower()
    assert b"<!--" not in content


def test_licenses_of_vega_are_kept() -> None:
    assert {path.name for path in VEGA_FOLDER.iterdir()} == {*VEGA_HASHES, "LICENSES.txt"}
    text = (VEGA_FOLDER / "LICENSES.txt").read_text("utf-8")
    assert text.count("University of Washington Interactive Data Lab") == 3
    for package in ("vega 6.4.0", "vega-lite 6.5.0", "vega-embed 7.3.0", "d3", "topojson-client"):
        assert package in text


def test_policy_allows_exactly_the_scripts_and_styles_of_the_page(page: str) -> None:
    elements = Elements(page)
    (policy,) = (
        str(attributes["content"])
        for tag, attributes in elements.found
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    executed = [
        text
        for (tag, attributes), (_, text) in zip(
            [each for each in elements.found if each[0] in ("script", "style")],
            elements.texts,
            strict=True,
        )
        if attributes.get("type") != "application/json" and tag == "script"
    ]
    styles = [text for tag, text in elements.texts if tag == "style"]
    assert directives["default-src"] == "'none'"
    assert directives["script-src"].split() == [_hash(text) for text in executed]
    assert directives["style-src"].split() == [_hash(text) for text in styles]
    assert len(executed) == 4
    assert set(directives) == {
        *("default-src", "script-src", "style-src", "base-uri", "form-action")
    }


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@pytest.mark.parametrize("fixture", ["page", "hostile_page"])
def test_page_loads_nothing_and_has_no_inline_handlers(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    for tag, attributes in Elements(request.getfixturevalue(fixture)).found:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base", "form")
        assert not {"src", "style", "srcset"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert str(attributes.get("href", "#")).startswith("#")


def test_texts_of_the_input_add_no_element(page: str, hostile_page: str) -> None:
    tags = {tag for tag, _ in Elements(page).found}
    assert {tag for tag, _ in Elements(hostile_page).found} <= tags | {"small"}
    assert "\u202e" not in hostile_page
    assert "\x1b" not in hostile_page
    assert "a" * 100 not in Elements(hostile_page).rawdata.split('id="report-data"')[0]
    assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", hostile_page)


def test_page_carries_its_inputs(hostile_page: str) -> None:
    (text,) = re.findall(r'id="report-data">(.*?)</script>', hostile_page)
    assert ReportInputs.from_dict(json.loads(text)) == spoil_texts(build_inputs())


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_json_in_a_script_has_no_markup(text: str) -> None:
    escaped = to_script_json({"name": text})
    assert not re.search(r"[<>&\u2028\u2029]", escaped)
    assert json.loads(escaped) == {"name": text}


def test_each_chart_has_text_in_its_place_and_a_table(page: str) -> None:
    figures = re.findall(r'<figure class="chart.*?</figure>', page, re.DOTALL)
    assert len(figures) == 8
    for figure in figures:
        assert "This chart needs JavaScript" in figure
        assert 'role="img"' in figure
        assert "<table" in figure


def test_page_is_small(page: str) -> None:
    assert len(page.encode()) < MAX_PAGE_BYTES
