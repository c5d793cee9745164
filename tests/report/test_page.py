"""The base of all reports: one HTML file that needs no other, and shows text as text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from biot import plots
from biot.errors import MissingDependencyError
from biot.report.drawing import drawn
from biot.report.page import asset, render_page, write_page
from biot.report.parts import Code, Drawing, More, Pairs, Section, Table, Text, png_drawing

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HOSTILE = '<script>alert(1)</script> $\\frac{1}$ "Größe" ü {{ 7 * 7 }}'
VOID = ("meta", "img", "link")


class Outline(HTMLParser):
    """Collects the tags and the text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes.append((tag, given))
        self.sources += [given[name] for name in ("src", "href") if name in given]
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def sections(*parts, title: str = "Part", **given) -> str:
    return render_page(
        "sections.html", title="Page", summary=["First."], sections=[Section(title, parts)], **given
    )


def figure(label: str) -> Drawing:
    return drawn(
        lambda: plots.confusion(np.eye(2, dtype=int), [label, "other"], title=label),
        caption=label,
        alt=label,
    )


def test_a_page_holds_its_text_tables_and_figures_and_points_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(PNG)
    path = write_page(
        tmp_path / "report.html",
        "sections.html",
        title="A < B & C",
        summary=["First.", "Second."],
        sections=[
            Section(
                "Scores",
                [
                    Text("Of all.\n\nOf some."),
                    Table(caption="Test", headers=("score", "value"), rows=[("kappa", "0.500")]),
                    png_drawing(tmp_path / "figure.png", caption="Dots", alt="one dot"),
                    More("Details", [Pairs([("seed", "3")])]),
                ],
            ),
            Section("By hand", [Code("biot predict <model>")]),
        ],
    )
    found = outline(path.read_text(encoding="utf-8"))
    for text in ("A < B & C", "First.", "Second.", "Of some.", "Scores", "kappa", "0.500", "3"):
        assert text in found.text
    assert "biot predict <model>" in found.text
    pictures = [source for source in found.sources if source.startswith("data:image")]
    assert base64.b64decode(pictures[0].removeprefix("data:image/png;base64,")) == PNG
    assert "://" not in path.read_text(encoding="utf-8")


def test_a_page_says_its_language_and_has_landmarks_and_a_way_past_the_links() -> None:
    found = outline(sections(Text("x")))
    assert ("html", {"lang": "en"}) in found.attributes
    assert {"header", "nav", "main", "footer"} <= set(found.tags)
    assert "#main" in found.sources
    assert "main" in found.ids
    assert all(one[1:] in found.ids for one in found.sources if one.startswith("#"))


@pytest.mark.parametrize(
    "part",
    [
        Text(HOSTILE),
        Pairs([(HOSTILE, HOSTILE)]),
        Table(caption=HOSTILE, headers=(HOSTILE, "n"), rows=[(HOSTILE, HOSTILE)]),
        Code(HOSTILE),
        More(HOSTILE, [Text(HOSTILE)]),
        figure(HOSTILE),
    ],
    ids=lambda part: part.kind,
)
def test_hostile_text_is_shown_as_text_wherever_it_stands(part) -> None:
    found = outline(sections(part, title=HOSTILE))
    assert "script" not in found.tags
    assert HOSTILE in found.text
    assert "49" not in "".join(found.text)


def test_characters_that_act_are_spelled_out() -> None:
    page = sections(Text("a\x00b \u202e evil \ud800"), figure("c\x07 \ud800 \ufffe"))
    for spelled in ("a\\x00b", "\\u202e", "\\ud800", "c\\x07", "\\ufffe"):
        assert spelled in page


def test_only_the_scripts_given_may_run() -> None:
    script = 'const closed = "</script>";'
    page = sections(Text("x"), scripts=[script])
    (inner,) = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert inner == 'const closed = "<\\/script>";'
    digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
    policy = next(
        given["content"]
        for tag, given in outline(page).attributes
        if given.get("http-equiv") == "Content-Security-Policy"
    )
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "script-src 'none'" in sections(Text("x")).replace("&#39;", "'")


def test_figures_hold_their_text_and_share_no_names() -> None:
    found = outline(sections(figure("Größe $x$"), figure("Größe $x$")))
    assert len(found.ids) == len(set(found.ids))
    assert found.text.count("Größe $x$") >= 4
    assert "metadata" not in found.tags
    svgs = [given for tag, given in found.attributes if tag == "svg"]
    assert [given["role"] for given in svgs] == ["img", "img"]
    used = [source[1:] for source in found.sources if source.startswith("#g")]
    assert set(used) <= set(found.ids)


def test_a_name_in_a_figure_that_looks_like_a_pointer_stays_as_it_is() -> None:
    assert "url(#p1) id=&quot;x&quot;" in figure('url(#p1) id="x"').svg.replace('"', "&quot;")


def test_columns_of_numbers_stand_to_the_right() -> None:
    table = Table(
        caption="",
        headers=("name", "value", "interval", "of"),
        rows=[("3", "0.5", "0.1 to 0.7", "a"), ("4", "undefined", "", "7")],
    )
    assert table.is_number == [False, True, True, False]


def test_what_a_template_names_must_be_given() -> None:
    with pytest.raises(Exception, match="'summary' is undefined"):
        render_page("sections.html", title="Page", sections=[])


def test_without_jinja2_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[report\]'"):
        sections(Text("x"))


def test_assets_are_read_from_the_package() -> None:
    assert "prefers-color-scheme: dark" in asset("page.css")
