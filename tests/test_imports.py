"""What `import biot` brings along, and what it must not."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import biot

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


def test_every_public_name_is_there():
    assert [name for name in biot.__all__ if not hasattr(biot, name)] == []


def test_rooms_are_attributes_of_the_package():
    rooms = ("corpus", "inference", "model", "plots", "signals", "simulate", "training")
    assert [room for room in rooms if getattr(biot, room).__name__ != f"biot.{room}"] == []
