"""Every file that is read, damaged at random: read, told or refused by name, and nothing else.

``pytest tests/fuzz --fuzz-cases 1000`` tries more; ``python tests/fuzz/warden.py`` shows the table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mutations import MUTATIONS, mutated
from own_files import OWN_FILES
from recordings import RECORDINGS

if sys.platform != "linux":
    pytest.skip("limits of time and memory are those of Linux", allow_module_level=True)
for package in (
    "mne",
    "wfdb",
    "edfio",
    "pyxdf",
    "pyarrow",
    "lightning_fabric",
    "matplotlib",
    "sklearn",
):
    pytest.importorskip(package)

WARDEN = Path(__file__).with_name("warden.py")


def test_damaged_files_are_read_or_told_or_refused_by_name(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """One test, as several processes that test would each open all files."""
    n_cases = request.config.getoption("--fuzz-cases", 6)
    words = [sys.executable, str(WARDEN), "--cases", str(n_cases), "--json", str(tmp_path / "j")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cases: dict[str, list[dict[str, str]]] = json.loads((tmp_path / "j").read_text())
    assert set(cases) == {*RECORDINGS, *OWN_FILES}
    every = [case for found in cases.values() for case in found]
    assert [case for case in every if case["outcome"] == "other"] == []
    counts = Counter(case["outcome"] for case in every)
    assert counts["refused"] > 0.3 * len(every), counts
    assert len(every) - counts["refused"] > 0.1 * len(every), counts
    for kind in ("corpus shard", "pretraining checkpoint", "model pytorch_model.bin"):
        assert [case for case in cases[kind] if case["outcome"] == "silent"] == []  # checksums


def test_the_same_seed_damages_in_the_same_way() -> None:
    content = bytes(range(256)) * 4
    ways = {mutated(content, f"x {i}")[1] for i in range(300)}
    assert ways == set(MUTATIONS)
    assert mutated(content, "x 7") == mutated(content, "x 7")
    assert len({mutated(content, f"x {i}")[0] for i in range(50)}) > 40
