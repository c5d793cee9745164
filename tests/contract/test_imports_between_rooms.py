"""Who may import whom: the table of docs/architecture.md, enforced."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"


@dataclass(frozen=True)
class Rule:
    """What the modules of a room may import, besides the standard library and each other."""

    ours: frozenset[str]
    """Our modules, without ``biot.``; what lies under them too."""
    packages: frozenset[str]
    """Other packages, anywhere."""
    in_functions: frozenset[str]
    """Other packages, inside functions only."""


def rule(ours: str = "", packages: str = "", in_functions: str = "") -> Rule:
    return Rule(*(frozenset(words.split()) for words in (ours, packages, in_functions)))


# The longest name that fits a module decides. docs/architecture.md shows the same table.
RULES = {
    "installation": rule(),
    "errors": rule("installation"),
    "choices": rule(),
    "lazy": rule(),
    "settings": rule("errors"),
    "locks": rule("errors"),
    "io": rule("errors locks"),
    "device": rule("errors choices", "torch"),
    "onednn": rule("", "torch"),
    "decision": rule("errors choices", "numpy"),
    "preprocessing": rule("errors choices decision events io", "numpy"),
    "plots": rule("errors io", "numpy", "matplotlib"),
    "provenance": rule("errors installation io"),
    "events": rule("errors settings io decision", "numpy", "edfio mne pandas wfdb"),
    "signals": rule("errors preprocessing", "numpy", "tabulate"),
    "signals.formats": rule(
        "errors installation signals",
        "numpy",
        "h5py mne pandas pyarrow pymatreader pyxdf wfdb",
    ),
    "signals.readers": rule("errors signals signals.formats"),
    "corpus": rule(
        "errors choices installation io preprocessing plots signals",
        "numpy",
        "datasets pyarrow tabulate",
    ),
    "corpus.batch": rule("errors signals corpus", "numpy torch"),
    "corpus.loader": rule("errors corpus corpus.batch", "numpy"),
    "corpus.builder": rule(
        "errors choices settings locks io preprocessing signals signals.formats "
        "signals.readers corpus events",
        "numpy",
        "distributed joblib pyarrow scipy tqdm",
    ),
    "model": rule(
        "errors choices io onednn preprocessing provenance signals.channels",
        "numpy torch",
        "huggingface_hub safetensors tabulate torchinfo",
    ),
    "evaluation": rule(
        "errors choices decision preprocessing evaluation.baselines evaluation.events",
        "numpy torch",
        "scipy sklearn tabulate",
    ),
    "evaluation.baselines": rule("errors decision evaluation", "numpy", "scipy sklearn"),
    "evaluation.events": rule("errors settings evaluation plots events", "numpy"),
    "training": rule(
        "errors choices decision settings locks io device preprocessing provenance corpus "
        "corpus.batch model evaluation evaluation.baselines evaluation.events",
        "numpy torch",
        "lightning_fabric tensorboard tqdm",
    ),
    "training.finetuning": rule(
        "errors choices settings decision events locks io preprocessing plots corpus model "
        "evaluation evaluation.baselines evaluation.events training signals.channels report",
        "numpy torch",
        "joblib peft pyarrow sklearn tqdm",
    ),
    "training.pretraining": rule(
        "errors choices settings io preprocessing plots corpus corpus.batch corpus.loader "
        "model evaluation evaluation.baselines training signals.channels report",
        "numpy torch",
        "matplotlib",
    ),
    "inference": rule(
        "errors choices decision events io device preprocessing plots signals "
        "signals.formats signals.readers model inference.explaining",
        "numpy torch",
        "joblib pandas pyarrow tqdm",
    ),
    "inference.exporting": rule(
        "errors installation io preprocessing corpus model evaluation training",
        "numpy torch",
        "onnx onnxruntime onnxscript",
    ),
    "runtime": rule("errors io preprocessing inference", "numpy", "onnxruntime"),
    "report": rule(
        "errors io decision preprocessing plots signals corpus evaluation events",
        "numpy",
        "jinja2 matplotlib pyarrow scipy",
    ),
    "inference.explaining": rule(
        "errors decision io preprocessing plots signals events inference",
        "numpy",
        "matplotlib mne pandas tabulate tqdm",
    ),
    "inference.scoring": rule(
        "errors choices io device plots preprocessing events evaluation evaluation.events "
        "signals corpus corpus.builder model training inference",
        "numpy",
    ),
    "inference.many": rule(
        "errors choices settings locks io decision preprocessing evaluation events signals "
        "corpus corpus.builder inference",
        "numpy",
        "pyarrow",
    ),
    "report.recording": rule(
        "errors events inference.explaining inference.predictions installation preprocessing "
        "report report.timeline signals",
    ),
    "report.timeline": rule(
        "errors events inference.explaining inference.predictions report signals",
        "numpy",
    ),
    "simulate": rule("errors signals", "numpy", "edfio"),
    "sklearn": rule(
        "errors choices device settings preprocessing signals signals.formats model "
        "evaluation training training.finetuning",
        "numpy sklearn torch",
    ),
    "cli": rule(
        "errors installation settings locks io preprocessing provenance plots signals "
        "signals.formats signals.readers corpus corpus.builder events model evaluation training "
        "training.finetuning training.pretraining inference inference.exporting inference.many "
        "inference.live runtime simulate __init__ evaluation.events inference.scoring report "
        "inference.explaining report.recording",
        "",
        "numpy sklearn tabulate torch",
    ),
    "inference.live": rule("errors preprocessing signals inference", "numpy", "mne_lsl"),
    "__init__": rule(),
}

# Import name of a package and what it is called in pyproject.toml, where the two differ.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "lightning_fabric": "lightning-fabric", "mne_lsl": "mne-lsl"
}  # fmt: skip


When = Literal["on import", "in a function", "for types"]


@dataclass(frozen=True)
class Import:
    """One import of one module."""

    source: str
    """Our module that imports, such as ``biot.corpus.load``."""
    line: int
    target: str
    """The module imported, in full."""
    when: When
    extra: str | None = None
    """The extra that `require` names."""

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}, imports {self.target}"


def modules() -> dict[str, Path]:
    """All modules of the package: dotted name to file."""
    files = sorted(SRC.glob("biot/**/*.py"))
    assert len(files) > 20, "the package is not where this test looks for it"
    return {dotted(file): file for file in files}


def dotted(file: Path) -> str:
    parts = file.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = modules()


def imports_of(
    source: str,
    node: ast.AST,
    when: When = "on import",
    loops: dict[str, ast.expr] | None = None,
) -> Iterator[Import]:
    """Every import in a module, wherever it stands."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(source, child.lineno, alias.name, when)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{source}, line {child.lineno}: imports are absolute"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                target = inner if inner in MODULES else str(child.module)
                yield Import(source, child.lineno, target, when)
        elif isinstance(child, ast.Call) and ast.unparse(child.func) == "require":
            extra = next(ast.literal_eval(k.value) for k in child.keywords if k.arg == "extra")
            for target in _values(child.args[0], loops or {}):
                yield Import(source, child.lineno, target, when, extra)
        inner_loops = dict(loops or {})
        if isinstance(child, ast.For):
            inner_loops[ast.unparse(child.target)] = child.iter
        yield from imports_of(source, child, _inside(child, when), inner_loops)


def _values(word: ast.expr, loops: dict[str, ast.expr]) -> Sequence[str]:
    """What an argument of `require` is: a literal, or the variable of a loop over literals."""
    if isinstance(word, ast.Name):
        return tuple(ast.literal_eval(loops[word.id]))
    return (ast.literal_eval(word),)


def _inside(node: ast.AST, when: When) -> When:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return "for types"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return "in a function"
    return when


IMPORTS = [
    found
    for name, file in MODULES.items()
    for found in imports_of(name, ast.parse(file.read_text(encoding="utf-8")))
]


def row_of(module: str) -> str:
    """The row of the table that decides for a module of ours."""
    name = "__init__" if module == "biot" else module.removeprefix("biot.")
    rows = [row for row in RULES if name == row or name.startswith(f"{row}.")]
    assert rows, f"{module} is in no room of the table; every module belongs to one"
    return max(rows, key=len)


def breach(found: Import) -> str | None:
    """What an import breaks, or None."""
    row = row_of(found.source)
    package = found.target.partition(".")[0]
    if package in sys.stdlib_module_names:
        return None
    if package == "biot":
        name = "__init__" if found.target == "biot" else found.target.removeprefix("biot.")
        # A row of its own is an exception within a room, and has to be named itself.
        allowed = {name, row_of(found.target)} & {row, *RULES[row].ours}
        return None if allowed else f"{row} keeps off {name}"
    if package in RULES[row].packages:
        return None
    if package not in RULES[row].in_functions:
        return f"{row} does not use {package}"
    return f"{package} is for functions only" if found.when == "on import" else None


FACES = {name for name, file in MODULES.items() if "= attach(" in file.read_text(encoding="utf-8")}
"""Packages that show names of their modules, and import them when they are asked."""


def test_every_import_is_one_that_the_table_allows():
    inner = [found for found in IMPORTS if found.source not in FACES]
    breaches = [f"{found}: {why}" for found in inner if (why := breach(found))]
    assert not breaches, "\n".join(breaches)


def test_no_module_imports_the_face_of_a_package():
    found = [
        str(found)
        for found in IMPORTS
        if found.target in FACES and not found.source.startswith("biot.cli")  # it shows the version
    ]
    assert found == []


def test_a_face_imports_for_types_only():
    eager = [
        str(found)
        for found in IMPORTS
        if found.source in FACES and found.when == "on import" and found.target != "biot.lazy"
        if found.target.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert eager == []


def circles(imports: Sequence[Import]) -> list[list[str]]:
    """Modules of ours that import each other in a ring, whenever and for whatever they do so."""
    targets: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in imports:
        if found.target in MODULES and found.target != found.source:
            targets[found.source].add(found.target)
    left = dict(targets)
    while removable := [name for name, used in left.items() if not used & left.keys()]:
        for name in removable:
            del left[name]
    # What remains is on a ring or leads to one; now drop what no ring leads back to.
    while removable := [n for n in left if not any(n in targets[other] for other in left)]:
        for name in removable:
            del left[name]
    return [sorted(left)] if left else []


def test_no_modules_import_each_other_in_a_circle():
    assert circles([found for found in IMPORTS if found.source not in FACES]) == []


def test_a_circle_is_found_also_where_one_side_is_for_types():
    there = imports_of("biot.io", ast.parse("from biot.errors import BiotError"))
    back = imports_of(
        "biot.errors", ast.parse("if TYPE_CHECKING:\n    from biot.io import read_json")
    )
    assert circles([*there, *back]) == [["biot.errors", "biot.io"]]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("biot.signals.readers", "import torch"),
        ("biot.signals.readers", "def f():\n    import torch"),
        ("biot.signals.readers", "import mne"),
        ("biot.signals.readers", "mne = require('mne', extra='signals')"),
        ("biot.plots", "def f():\n    for p in ('mne',):\n        require(p, extra='signals')"),
        ("biot.corpus.builder.prepare", "import torch"),
        ("biot.corpus.builder.prepare", "from biot.corpus.batch import collate"),
        ("biot.corpus.builder.prepare", "def f():\n    from biot.model.biot import BIOT"),
        ("biot.corpus.corpus", "from biot.corpus.builder.writer import write_shard"),
        ("biot.model.biot", "from biot.signals import canonical"),
        ("biot.model.biot", "if TYPE_CHECKING:\n    from biot.corpus import Corpus"),
        ("biot.training.trainer", "from biot import cli"),
        ("biot.inference.predictor", "from biot.training import evaluate"),
        ("biot.inference.predictor", "from biot.corpus import load_corpus"),
        ("biot.errors", "import numpy"),
    ],
)
def test_the_walk_sees_a_forbidden_import(source, code):
    (found,) = imports_of(source, ast.parse(code))
    assert breach(found)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("biot.signals.formats.mne", "def f():\n    mne = require('mne', extra='signals')"),
        ("biot.corpus.batch", "import torch"),
        ("biot.plots", "if TYPE_CHECKING:\n    from matplotlib.axes import Axes"),
        ("biot.model.biot", "from biot.signals.channels import canonical"),
        ("biot.inference.predictor", "from biot.signals.scale import scaled_window"),
        ("biot.cli.demo", "def f():\n    from biot.simulate import write_study"),
        ("biot.errors", "import importlib"),
    ],
)
def test_the_walk_lets_an_allowed_import_pass(source, code):
    (found,) = imports_of(source, ast.parse(code))
    assert breach(found) is None


def test_only_named_modules_import_by_name():
    users = {name for name, file in MODULES.items() if "import_module" in file.read_text()}
    assert users == {"biot.lazy", "biot.errors", "biot.cli"}, (
        "others use require, which this test sees"
    )


def test_require_names_the_extra_that_installs_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for found in IMPORTS:
        if found.extra is not None:
            package = found.target.partition(".")[0]
            name = DISTRIBUTIONS.get(package, package)
            installed = _installed_by(found.extra, extras)
            assert name in installed, f"{found}, but the extra {found.extra!r} lacks {name}"


def _installed_by(extra: str, extras: dict[str, list[str]]) -> set[str]:
    names: set[str] = set()
    for requirement in extras[extra]:
        inner = re.fullmatch(r"biot\[(.*)\]", requirement)
        if inner:
            names.update(*(_installed_by(e, extras) for e in inner[1].split(",")))
        else:
            names.update(re.findall(r"^[A-Za-z0-9_.-]+", requirement))
    return names


def test_packages_that_are_imported_plainly_are_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core = {re.findall(r"^[A-Za-z0-9_.-]+", text)[0] for text in project["dependencies"]}
    for found in IMPORTS:
        package = found.target.partition(".")[0]
        ours = package == "biot" or package in sys.stdlib_module_names
        if not ours and found.extra is None and found.when != "for types":
            assert package in core, f"{found}, which `pip install biot` does not install"


def test_the_table_in_the_documentation_is_this_one():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|$", text, flags=re.MULTILINE)
    documented = {
        room: Rule(*(frozenset(re.findall(r"`([\w.]+)`", cell)) for cell in cells))
        for room, *cells in rows
    }
    assert documented == RULES
