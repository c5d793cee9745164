"""The site describes every public name, every kind of error and warning, and leaves out no page."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import biot.corpus
from biot import cli

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
API = (DOCS / "api.rst").read_text(encoding="utf-8")
TREES = [
    ast.parse(file.read_text(encoding="utf-8")) for file in sorted((ROOT / "src").rglob("*.py"))
]
MODULES_OF_THE_FACE = ("biot.errors", "biot.plots", "biot.preprocessing", "biot.simulate")
"""Single files that users import from, besides the packages."""


def _faces() -> list[str]:
    """Packages that say what is public in them, and the files that users import from."""
    faces = list(MODULES_OF_THE_FACE)
    for file in sorted((ROOT / "src").rglob("__init__.py")):
        if re.search(r"^__all__\b.*= [\[(]\s*\"", file.read_text(encoding="utf-8"), re.MULTILINE):
            faces.append(".".join(file.parent.relative_to(ROOT / "src").parts))
    return faces


def _sections() -> dict[str, str]:
    """Text of the reference about each module."""
    parts = re.split(r"^\.\. currentmodule:: (\S+)$", API, flags=re.MULTILINE)
    sections = {}
    for above, name, below in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        introduction = above.rpartition("\n---")[2]
        sections[name] = introduction + re.split(r"^\S.*\n-+$", below, flags=re.MULTILINE)[0]
    return sections


def _described(text: str) -> dict[str, str]:
    """Names of a section, and the place that describes each; itself where that is here."""
    listed = re.findall(r"^   ([A-Za-z]\w*)$", text, flags=re.MULTILINE)
    elsewhere = re.findall(r":obj:`(\w+) <([\w.]+)>`", text)
    return {**dict.fromkeys(listed, ""), **dict(elsewhere)}


@pytest.mark.parametrize("face", _faces())
def test_the_reference_has_every_public_name(face):
    module = importlib.import_module(face)
    public = {name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)}
    found = _described(_sections().get(face, ""))
    assert set(found) == public, f"docs/api.rst: the section of {face} lists other names"
    for name, place in found.items():
        if place:
            home, _, original = place.rpartition(".")
            there = getattr(importlib.import_module(home), original)
            assert there is getattr(module, name)
            assert original in _described(_sections()[home])


def test_the_reference_lists_what_exists():
    for name, text in _sections().items():
        module = importlib.import_module(name)
        assert set(_described(text)) <= set(module.__all__), name


def test_troubleshooting_has_every_kind_of_error_and_warning():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    explained = re.findall(r"^`(\w+)`\n: .*?\*What to\s+do:\*", page, flags=re.M | re.S)
    assert set(explained) == _kinds({"BiotError"}) | _kinds({"UserWarning", "FutureWarning"})


def _kinds(known: set[str]) -> set[str]:
    """These classes, and the public ones that are made from them anywhere in the package."""
    classes = [node for tree in TREES for node in tree.body if isinstance(node, ast.ClassDef)]
    while True:
        more = {
            node.name
            for node in classes
            if not node.name.startswith("_") and known & {ast.unparse(base) for base in node.bases}
        }
        if more <= known:
            return known
        known = known | more


def test_every_page_is_in_the_contents():
    pages = {file.stem for file in DOCS.glob("*.md")} | {"api"}
    text = "".join(file.read_text(encoding="utf-8") for file in DOCS.glob("*.md"))
    listed = {
        re.sub(r"^.*<(\w+)>$", r"\1", line)
        for contents in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, flags=re.M | re.S)
        for line in contents.splitlines()
    }
    assert pages - {"index"} <= listed


def test_the_gallery_has_a_title_for_every_script():
    scripts = sorted((ROOT / "examples").glob("*.py"))
    assert len(scripts) >= 8
    for script in scripts:
        doc = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
        title, line, *_ = doc.splitlines()
        assert line == "=" * len(title), script.name


def test_no_part_of_a_script_ends_in_a_value_that_the_gallery_would_print():
    found = []
    for script in sorted((ROOT / "examples").glob("*.py")):
        for part in re.split(r"^# %%.*$", script.read_text(encoding="utf-8"), flags=re.MULTILINE):
            last = ast.parse(part).body[-1:]
            if (
                last
                and isinstance(last[0], ast.Expr)
                and not isinstance(last[0].value, ast.Constant)
            ):
                shown = ast.unparse(last[0])
                if not shown.startswith(("print(", "plt.show(")):
                    found.append(f"{script.name}: {shown}")
    assert found == []


def test_defaults_that_are_no_python_do_not_break_a_signature(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    spec = importlib.util.spec_from_file_location("conf_of_docs", DOCS / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        spec.loader.exec_module(conf)
    for thing in (biot.BIOT, biot.corpus.PrepareReport):
        shown, _ = conf._parsable("class", "name", thing, {}, str(inspect.signature(thing)), "")
        ast.parse(f"def f{shown.replace('~', '')}: ...")
    assert conf._parsable("class", "name", dict, {}, None, None) is None


PAGES = [*sorted(DOCS.glob("*.md")), *(ROOT / name for name in ("README.md", "SECURITY.md"))]
OF_OTHER_PROGRAMS = {"--build-arg", "--signal"}
"""Options of docker and SLURM that pages name."""


def _options() -> dict[str, set[str]]:
    """Options of each command, those of its sub-commands among them."""

    def of(parser):
        found = {word for action in parser._actions for word in action.option_strings}
        below = [action.choices for action in parser._actions if isinstance(action.choices, dict)]
        return found.union(*(of(one) for choices in below for one in choices.values()))

    places = {name: f"biot.cli.{cli._ROOMS.get(name, '')}{name}" for name in cli._COMMANDS}
    return {name: of(importlib.import_module(place).parser()) for name, place in places.items()}


def test_pages_name_options_that_exist_and_give_commands_only_their_own():
    options = _options()
    words = "|".join(options)
    wrong = []
    for page in PAGES:
        text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
        for line in re.findall(rf"(?:^|`|\s)biot ((?:{words})\b[^`\n|]*)", text):
            own = options[line.split()[0]]
            given = re.findall(r"(?<!\S)(--[a-z][\w-]*)", line)
            wrong += [f"{page.name}: biot {line}" for option in given if option not in own]
        known = OF_OTHER_PROGRAMS.union(*options.values())
        named = set(re.findall(r"`(--[a-z][\w-]*)", text))
        wrong += [f"{page.name}: {option}" for option in sorted(named - known)]
    assert not wrong


def _exists(name: str) -> bool:
    """Whether a dotted name leads to a module, and what follows stands in it."""
    place = ROOT / "src"
    parts = name.split(".")
    for number, part in enumerate(parts):
        if (place / part).is_dir():
            place /= part
            continue
        file, rest = place / f"{part}.py", parts[number + 1 :]
        if not file.is_file():
            file, rest = place / "__init__.py", [part]
        text = file.read_text(encoding="utf-8")
        return all(re.search(rf"\b{word}\b", text) for word in rest)
    return True


def test_pages_name_modules_and_functions_that_exist():
    rooms = "corpus|evaluation|inference|signals|training"
    wrong = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found = set(re.findall(r"\b(biot(?:\.[A-Za-z_]\w*)+)", text))
        found |= {f"biot.{name}" for name in re.findall(rf"`((?:{rooms})\.[\w.]+)`", text)}
        wrong += [f"{page.name}: {name}" for name in sorted(found) if not _exists(name)]
    assert not wrong


def _callables() -> list[tuple[str, Callable[..., object]]]:
    """Every public function, and every public method of a public class, once."""
    found: dict[int, tuple[str, Callable[..., object]]] = {}
    for place in _sections():
        module = importlib.import_module(place)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                found.setdefault(id(value), (f"{place}.{name}", value))
            elif inspect.isclass(value):
                for own, method in vars(value).items():
                    plain = getattr(method, "__func__", method)
                    if not own.startswith("_") and inspect.isfunction(plain):
                        found.setdefault(id(plain), (f"{place}.{name}.{own}", plain))
    return list(found.values())


KEPT = {"biot.Recording.from_array.path"}
"""Where a path is kept as it is given, and nothing is opened."""


def test_public_functions_take_a_path_as_text_too():
    wrong = []
    for name, function in _callables():
        for argument in inspect.signature(function).parameters.values():
            said = str(argument.annotation)
            if re.search(r"\bPath\b", said) and not re.search(r"\bstr\b", said):
                wrong.append(f"{name}.{argument.name}")
    assert set(wrong) == KEPT


def test_the_page_of_layouts_has_all_of_them():
    from biot.corpus.builder.layouts import layouts

    page = (DOCS / "layouts.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w[\w-]*)` \|", page, flags=re.M) == list(layouts())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(layouts()) == 15
    assert "of the fifteen that `biot layouts` lists" in readme


def test_no_two_pages_of_the_site_have_one_title():
    titles: dict[str, list[str]] = {}
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        included = re.search(r"^```\{include\} (\S+)\n```$", text, flags=re.M)
        if not text.startswith("# ") and included is not None:
            text = (DOCS / included[1]).read_text(encoding="utf-8")
        titles.setdefault(text.splitlines()[0], []).append(page.name)
    assert [names for names in titles.values() if len(names) > 1] == []
