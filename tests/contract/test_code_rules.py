"""Habits that hold in every file of the project, and that a machine can see."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    str(file.relative_to(ROOT)): file.read_text(encoding="utf-8")
    for file in sorted((ROOT / "src").rglob("*.py"))
}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}

MOST_LINES = 600
"""Of a file."""
MOST_FILES = 16
"""Of ours in one folder; the aim is 15."""
MOST_LINES_OF_CODE = 45
"""Of a function, without signature and docstring; the aim is 40."""
LONGER_FUNCTIONS = {
    "src/biot/model/biot.py: __init__",  # one check a parameter
    "src/biot/cli/corpora/prepare.py: add_to",  # one call an option
}
NO_PLACE_IN_A_LIBRARY = {"print", "exit", "quit", "input", "breakpoint"}
TOO_VAGUE = {"ValueError", "RuntimeError", "Exception", "KeyError", "OSError", "ImportError"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_files_are_short():
    lengths = {name: len(source.splitlines()) for name, source in SOURCES.items()}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_folders_are_small():
    folders = Counter(
        str(Path(name).parent) for name in SOURCES if not name.endswith("__init__.py")
    )
    assert {name: n for name, n in folders.items() if n > MOST_FILES} == {}


def test_no_two_public_classes_have_one_name():
    homes: dict[str, list[str]] = {}
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(name)
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_functions_are_short():
    lengths = [
        (f"{name}: {function.name}", _lines_of_code(function))
        for name, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, Function)
    ]
    long = [(name, n) for name, n in lengths if n > MOST_LINES_OF_CODE]
    assert [(name, n) for name, n in long if name not in LONGER_FUNCTIONS] == []


def _lines_of_code(function: Function) -> int:
    documented = ast.get_docstring(function) is not None and len(function.body) > 1
    first = function.body[1] if documented else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_a_library_neither_prints_nor_exits():
    found = [
        f"{name}, line {node.lineno}: {ast.unparse(node)}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if not name.startswith("src/biot/cli/")
        if (isinstance(node, ast.Call) and ast.unparse(node.func) in NO_PLACE_IN_A_LIBRARY)
        or (isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.exit", "os._exit"))
    ]
    assert found == []


def test_errors_are_of_our_kinds():
    found = [
        f"{name}, line {node.lineno}: raise one of biot.errors, so that callers can tell"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and ast.unparse(node.exc.func) in TOO_VAGUE
    ]
    assert found == []


def test_what_is_public_is_documented():
    undocumented = [name for name, tree in TREES.items() if ast.get_docstring(tree) is None]
    for name, tree in TREES.items():
        public = _public_names(tree)
        undocumented += [
            f"{name}: {label}"
            for label, node in _definitions(tree)
            if label.partition(".")[0] in public and ast.get_docstring(node) is None
        ]
    assert undocumented == []


def test_every_module_says_what_is_public():
    silent = [
        name
        for name, tree in TREES.items()
        if not _public_names(tree)
        and any(not label.startswith("_") for label, _ in _definitions(tree))
    ]
    assert silent == []


def _public_names(tree: ast.Module) -> set[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def _definitions(tree: ast.Module) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    """Functions and classes of a module, and the methods that callers use, by name."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            yield node.name, node
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, Function) and not method.name.startswith("_"):
                    yield f"{node.name}.{method.name}", method


def project_lines() -> Iterator[tuple[str, str]]:
    """Every line of text that we wrote, with the place where it stands."""
    folders = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*")]
    for file in [*files, *ROOT.iterdir()]:
        hidden = {part for part in file.relative_to(ROOT).parts if part.startswith((".m", ".r"))}
        if not hidden and file.suffix in (".py", ".md", ".toml", ".txt") and file.is_file():
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                yield f"{file.relative_to(ROOT)}, line {number}", line


def test_nothing_names_a_place_on_one_machine():
    homes = re.compile(r"(?<![\w.~])/(?:work|root|home|Users|opt|mnt)/|\b[A-Z]:\\\w")
    assert [f"{place}: {line}" for place, line in project_lines() if homes.search(line)] == []


def test_nothing_is_left_to_be_done():
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    assert [f"{place}: {line}" for place, line in project_lines() if marks.search(line)] == []
