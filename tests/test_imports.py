"""What `import biot` brings along, and what it must not."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import biot
from biot import cli

HEAVY = (
    *("mne", "wfdb", "edfio", "datasets", "pyarrow", "pandas", "joblib", "sklearn"),
    *("lightning", "lightning_fabric", "matplotlib", "scipy", "onnx", "onnxruntime"),
)


def modules_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running some code."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return {name.partition(".")[0] for name in result.stdout.split()}


def test_importing_every_module_imports_no_optional_package():
    # The package itself, `import biot`, is among them: each of these runs its __init__.py.
    names = [m.name for m in pkgutil.walk_packages(biot.__path__, "biot.")]
    names = [name for name in names if not name.startswith("biot.sklearn")]  # is made of it
    assert len(names) > 20
    assert modules_after("\n".join(f"import {name}" for name in names)) & set(HEAVY) == set()


def test_signals_and_corpus_do_without_torch():
    # Importing a module runs biot/__init__.py first, which imports the model: leave it out.
    code = (
        "import types, importlib.machinery as m\n"
        "spec = m.PathFinder.find_spec('biot')\n"
        "package = sys.modules['biot'] = types.ModuleType('biot')\n"
        "package.__path__ = list(spec.submodule_search_locations)\n"
        "import biot.signals, biot.corpus, biot.plots, biot.simulate"
    )
    assert "torch" not in modules_after(code)


def after_command(*words: str) -> set[str]:
    """Modules that a command leaves imported, whatever it prints."""
    quiet = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    "
    return modules_after(f"{quiet}from biot.cli import main; assert main({list(words)!r}) == 0")


COMMANDS = (
    *("prepare", "info", "corpus", "pretrain", "finetune", "evaluate", "predict", "convert"),
    *("export", "demo", "layouts", "labels", "explain", "szcore", "live", "report"),
)


def test_the_list_of_commands_is_whole():
    assert set(COMMANDS) == set(cli._COMMANDS)


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join
)
def test_no_help_imports_torch_or_numpy(words: list[str]):
    assert after_command(*words) & {"torch", "numpy", *HEAVY} == set()


def test_a_help_imports_the_parser_of_its_command_alone():
    code = "from biot.cli import main; main(['evaluate', '--help'])"
    program = f"import sys\n{code}\nprint(*[m for m in sys.modules if m.startswith('biot.cli.')])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    last = result.stdout.splitlines()[-1].split()
    of_evaluate = ("models", "models.evaluate", "models.event_scores", "options", "terminal")
    assert set(last) == {f"biot.cli.{name}" for name in of_evaluate}


@pytest.mark.parametrize(
    "module",
    [
        "biot.settings",
        "biot.choices",
        "biot.training.finetuning.config",
        "biot.training.pretraining.config",
        "biot.corpus.builder.settings",
    ],
)
def test_settings_need_neither_torch_nor_numpy(module: str):
    assert modules_after(f"import {module}") & {"torch", "numpy"} == set()


def test_info_of_a_recording_does_without_torch(tmp_path: Path):
    table = tmp_path / "night.csv"
    table.write_text("Fp1,C3\n1,2\n3,4\n", encoding="utf-8")
    used = after_command("info", str(table), "--table-sfreq", "2")
    assert "numpy" in used
    assert "torch" not in used


def faces() -> list[str]:
    """Packages of ours that show names of their modules."""
    packages = [m.name for m in pkgutil.walk_packages(biot.__path__, "biot.") if m.ispkg]
    return ["biot", *packages]


@pytest.mark.parametrize("package", faces())
def test_no_name_of_a_face_is_that_of_a_module_beside_it_unless_it_is_that_module(package: str):
    face = importlib.import_module(package)
    modules = {m.name for m in pkgutil.iter_modules(face.__path__)}
    for name in modules & set(getattr(face, "__all__", ())):
        assert getattr(face, name) is importlib.import_module(f"{package}.{name}")


def test_a_function_is_never_imported_as_a_module():
    for name in ("biot.training.finetune", "biot.training.pretrain", "biot.corpus.prepare"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)


def test_dir_shows_what_one_types_and_no_helper():
    assert dir(biot) == sorted([*biot.__all__, "__version__"])
    assert set(biot.__all__) == {
        *("BIOT", "read_recording", "from_mne", "Recording", "prepare", "from_arrays"),
        *("load_corpus", "pretrain", "finetune", "evaluate", "Predictor", "Preprocessing"),
        *("Event", "Events", "EventRules", "Explanation", "simulate", "sklearn"),
    }


def test_every_public_name_is_there():
    assert [name for name in biot.__all__ if not hasattr(biot, name)] == []


def test_rooms_are_attributes_of_the_package():
    rooms = ("corpus", "inference", "model", "plots", "signals", "simulate", "training")
    assert [room for room in rooms if getattr(biot, room).__name__ != f"biot.{room}"] == []
