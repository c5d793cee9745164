"""Hostile and broken files: a clear error that names the file, no code run, no memory taken."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import write_published
from hostile_configs import CONFIGS
from hostile_pickles import CANARY, PICKLES
from hostile_safetensors import SAFETENSORS
from torch import Tensor

from biot import BIOT
from biot.errors import CheckpointError

HOSTILE = {**SAFETENSORS, **PICKLES, **CONFIGS}
OPEN_THEM = """
import json, resource, sys, warnings
from pathlib import Path
from biot import BIOT

folder, *names = json.loads(sys.argv[1])
warnings.simplefilter("error")
BIOT.from_pretrained(Path(folder) / "good")  # imports all that is needed
events = []
harmful = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen")
sys.addaudithook(lambda event, _: events.append(event) if event in harmful else None)
in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 3 * 2**30,) * 2)
results = {}
for name in names:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        BIOT.from_pretrained(Path(folder) / name)
        kind, message = "", "opened"
    except BaseException as error:
        kind, message = type(error).__name__, str(error)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    results[name] = {"kind": kind, "message": message, "grown": grown / 1024}
print(json.dumps({"results": results, "events": events}))
"""
"""Opens each folder in a process that may take 3 GB more, and tells what came of it."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of opening every hostile file, all in one process of its own."""
    folder = tmp_path_factory.mktemp("hostile")
    write_published(folder / "good")
    for name, (make, _) in HOSTILE.items():
        assert make(folder / name) == folder / name
    words = json.dumps([str(folder), *HOSTILE])
    done = subprocess.run(
        [sys.executable, "-c", OPEN_THEM, words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert not (folder / CANARY).exists()
    return {"folder": folder, **json.loads(done.stdout)}


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) >= 100


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_by_name(opened: dict[str, Any], name: str) -> None:
    result = opened["results"][name]
    assert result["kind"] == "CheckpointError", result["message"]
    assert re.search(HOSTILE[name][1], result["message"])
    assert str(opened["folder"] / name) in result["message"]
    assert "MemoryError" not in result["message"]
    assert len(result["message"]) < 6000


def test_the_bombs_are_live(tmp_path: Path) -> None:
    make, _ = PICKLES["bin bomb in a dictionary"]
    path = make(tmp_path / "m") / "pytorch_model.bin"
    with contextlib.suppress(Exception):
        torch.load(path, weights_only=False)
    assert (tmp_path / CANARY).exists()


def test_no_code_was_run_and_little_memory_taken(opened: dict[str, Any]) -> None:
    assert opened["events"] == []
    grown = {name: result["grown"] for name, result in opened["results"].items()}
    assert max(grown.values()) < 50, grown  # MiB
    assert sum(grown.values()) < 100, grown


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_flipped_bit_is_refused_or_changes_nothing(
    tmp_path: Path, x: Tensor, weights: str
) -> None:
    """Every byte that is not a weight; of a safetensors file nothing tells a wrong weight."""
    folder = write_published(tmp_path / "m", weights=weights)
    path = folder / weights
    data = path.read_bytes()
    expected = BIOT.from_pretrained(folder)(x)
    size = 8 + int.from_bytes(data[:8], "little") if weights.endswith("safetensors") else len(data)
    draw = torch.Generator().manual_seed(0)
    unharmed = 0
    for position in torch.randint(size, (100,), generator=draw).tolist():
        flip = 1 << int(torch.randint(8, (1,), generator=draw))
        path.write_bytes(data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :])
        with contextlib.suppress(CheckpointError):
            found = BIOT.from_pretrained(folder)(x)
            torch.testing.assert_close(found, expected, atol=0, rtol=0)
            unharmed += 1
    assert unharmed < 30
