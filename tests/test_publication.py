"""What is said to others about the software is true: figures, citation, packages."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import biot
from benchmarks.reproduce.table import load_results, summary_of

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RESULTS = {result["set"]: result for result in load_results()}
AGAIN = "Run: python -m docs.figures.thirteen_sets"


@pytest.fixture(scope="module")
def figure() -> ModuleType:
    """The script that draws the picture and fills in the tables."""
    file = ROOT / "docs" / "figures" / "thirteen_sets.py"
    spec = importlib.util.spec_from_file_location("thirteen_sets", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_pages_show_the_figures_of_the_benchmark(figure: ModuleType) -> None:
    for page, names in figure.PAGES.items():
        shown = text_of(page).split(figure.BEGIN)[1].split(figure.END)[0]
        assert summary_of(RESULTS.values()) in shown, AGAIN
        rows = re.findall(
            r"^\| .*\| *([.\d]+) *\| *([.\d]+) *\| *([.\d]+) \[(.*)\] *\|$", shown, re.M
        )
        expected = []
        for name in names:
            scores = RESULTS[name]["scores"][RESULTS[name]["metric"]]
            means = [f"{scores[who]['mean']:.3f}"[1:] for who in ("chance", "ridge", "ours")]
            low, high = (f"{end:.3f}"[1:] for end in scores["ours"]["interval"])
            expected.append((*means, f"{low}, {high}"))
        assert rows == expected, AGAIN


def test_the_picture_shows_the_figures_of_the_benchmark(figure: ModuleType) -> None:
    picture = text_of("docs/figures/thirteen_sets.svg")
    shown = re.findall(r">(\.\d{3})</text>", picture)
    expected = []
    for name in reversed(figure.TASKS):
        scores = RESULTS[name]["scores"][RESULTS[name]["metric"]]
        expected += [f"{scores[who]['mean']:.3f}"[1:] for who in ("ours", "ridge")]
    assert shown == expected, AGAIN
    assert set(figure.TASKS) == set(RESULTS)
    assert len(picture) < 150_000


def test_the_paper_has_the_form_that_its_journal_wants() -> None:
    _, header, body = text_of("paper/paper.md").split("---\n", 2)
    fields = yaml.safe_load(header)
    assert {"title", "tags", "authors", "affiliations", "date", "bibliography"} <= set(fields)
    headings = re.findall(r"^# (.+)$", body, re.MULTILINE)
    needed = [
        "Summary",
        "Statement of need",
        "State of the field",
        "Acknowledgements",
        "References",
    ]
    assert [heading for heading in headings if heading in needed] == needed
    prose = re.sub(r"<!-- results: begin.*?results: end -->", "", body, flags=re.DOTALL)
    assert 750 <= len(re.findall(r"\w[\w'-]*", prose)) <= 1750
    cited = set(re.findall(r"@(\w+)", body))
    entries = set(re.findall(r"^@\w+\{(\w+),", text_of("paper/paper.bib"), re.MULTILINE))
    assert cited == entries
    for target in re.findall(r"!\[.*\]\((.+?)\)", body):
        assert (ROOT / "paper" / target).is_file()


def test_the_citation_has_what_its_format_requires() -> None:
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"authors", "cff-version", "message", "title"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert str(citation["version"]) == PROJECT["version"] == biot.__version__
    assert citation["license"] == PROJECT["license"]
    people = {"family-names", "given-names"}
    (paper,) = citation["references"]
    assert {"authors", "title", "type"} <= set(paper)
    for author in (*citation["authors"], *paper["authors"]):
        assert set(author) in ({"name"}, people)


def test_the_lowest_versions_are_those_that_the_project_declares() -> None:
    pins = dict(
        line.split("==")
        for line in text_of("constraints-lowest.txt").splitlines()
        if line and not line.startswith("#")
    )
    needed = [*PROJECT["dependencies"]]
    for extra in ("all", "dask", "openvino"):
        needed += requirements_of(extra)
    for requirement in needed:
        name, _, lowest = requirement.partition(">=")
        if name == "torch":  # its lowest version was not at hand
            continue
        assert pins[name] == lowest, requirement


def requirements_of(extra: str) -> list[str]:
    """What an extra installs, those that it is made of among them."""
    found = []
    for requirement in PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"biot\[(.+)\]", requirement)
        if inner is None:
            found.append(requirement)
        else:
            found += [one for name in inner[1].split(",") for one in requirements_of(name)]
    return found


def test_every_package_of_development_is_pinned() -> None:
    pins = {_plain(line.split("==")[0]) for line in text_of("constraints.txt").splitlines()}
    for requirement in (*PROJECT["dependencies"], *requirements_of("dev")):
        name = re.split(r"[><=\[ ]", requirement)[0]
        assert _plain(name) in pins, requirement


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
