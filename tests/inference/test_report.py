"""The report: one HTML file that needs no other."""

from __future__ import annotations

import base64
from html.parser import HTMLParser
from pathlib import Path

from biot.cli.reports.demo import Section, Table, write_report

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Outline(HTMLParser):
    """Collects the tags and the text, and checks that tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.sources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


def test_a_report_holds_its_text_tables_and_figures_and_points_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "figure.png").write_bytes(PNG)
    path = write_report(
        tmp_path / "report.html",
        title="A < B & C",
        summary="First.\n\nSecond.",
        sections=[
            Section(
                title="Scores",
                text="Of all.",
                table=Table(headers=("score", "value"), rows=[("kappa", "0.500")]),
                figures=[tmp_path / "figure.png"],
            ),
            Section(title="By hand", code="biot predict <model>"),
        ],
    )
    outline = Outline()
    outline.feed(path.read_text(encoding="utf-8"))
    assert outline.open == []
    for text in ("A < B & C", "First.", "Second.", "Scores", "kappa", "0.500"):
        assert text in outline.text
    assert "biot predict <model>" in outline.text
    (source,) = outline.sources
    assert base64.b64decode(source.removeprefix("data:image/png;base64,")) == PNG
    assert "://" not in path.read_text(encoding="utf-8")
