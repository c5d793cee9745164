"""A recording that hangs or kills whatever reads it costs that recording, and no other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import prepare
from biot.corpus.manifest import Manifest

HOW: dict[str, Any] = {"sfreq": 64, "window": 2.0}
wfdb = pytest.importorskip("wfdb")
scipy_io = pytest.importorskip("scipy.io")

KILLER = """
import os, signal
from biot.corpus.builder import worker
real = worker._prepared

def _prepared(job, recipe, folder):
    if "killer" in job.source.recording:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(job, recipe, folder)

worker._prepared = _prepared

def prepare_recording(job, recipe, folder):
    return worker.prepare_recording(job, recipe, folder)
"""


def write_looping_record(folder: Path) -> Path:
    """A WFDB record; of its annotation file one byte is changed, and wfdb reads it for ever."""
    data = np.random.default_rng(0).normal(size=(1000, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb's own, about pandas
        wfdb.wrsamp(
            "loops", fs=100, units=["mV"], sig_name=["I"], p_signal=data, fmt=["16"],
            write_dir=str(folder),
        )  # fmt: skip
        wfdb.wrann(
            "loops", "atr", np.arange(50, 1000, 50), ["N"] * 19, fs=100, write_dir=str(folder)
        )
    notes = folder / "loops.atr"
    notes.write_bytes(notes.read_bytes().replace(b"## time", b"## tome"))
    return folder / "loops.hea"


def write_crashing_set(folder: Path) -> Path:
    """An EEGLAB file; one byte of it is changed, and scipy crashes with the whole process."""
    eeg = {
        "data": np.random.default_rng(1).normal(size=(2, 500)).astype("f4"),
        "nbchan": 2,
        "pnts": 500,
        "trials": 1,
        "srate": 100.0,
        "xmin": 0.0,
        "xmax": 4.99,
        "setname": "x",
        "chanlocs": np.array([("C3",), ("C4",)], dtype=[("labels", "O")]),
        "event": np.array([], dtype=[("type", "O"), ("latency", "O")]),
        **{name: [] for name in ("icawinv", "icasphere", "icaweights", "icaact")},
    }
    path = folder / "crashes.set"
    scipy_io.savemat(path, {"EEG": eeg})
    content = bytearray(path.read_bytes())
    content[4617] = 0x9C
    path.write_bytes(content)
    return path


@pytest.fixture
def folder(write_edf: Callable[..., Path]) -> Path:
    for number in range(3):
        path = write_edf(f"sub-0{number}.edf", seconds=20 + number)
    return path.parent


@pytest.mark.parametrize("workers", [1, 2])
def test_a_parser_that_hangs_or_crashes_costs_its_recording_only(
    folder: Path, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mne")
    write_looping_record(folder)
    write_crashing_set(folder)
    monkeypatch.setenv("BIOT_PARSER_SECONDS", "1")
    report = prepare(folder, tmp_path / "corpus", workers=workers, **HOW)
    reasons = dict(report.quarantined)
    assert (report.n_recordings, list(reasons)) == (3, ["crashes.set", "loops.hea"])
    assert re.search("its parser was ended after . s of processor time", reasons["loops.hea"])
    assert "its parser crashed: it ended its process (SIG" in reasons["crashes.set"]
    manifest = Manifest.load(tmp_path / "corpus")
    assert manifest is not None
    # the limit may be raised, so the next run tries again; the crash needs another file
    assert manifest.recordings["loops.hea"].sha256 is None
    assert manifest.recordings["crashes.set"].sha256 is not None


@pytest.fixture
def killer(folder: Path, write_edf: Callable[..., Path], tmp_path: Path) -> Path:
    """The folder of a module that kills each process that prepares the recording killer.edf."""
    write_edf("killer.edf", seconds=30)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/killing_module.py").write_text(KILLER)
    return tmp_path / "modules"


def prepared(folder: Path, out: Path, killer: Path, workers: int) -> tuple[int, str]:
    """Exit code and output of a command whose processes may be killed."""
    code = (
        f"import sys; sys.path[:] = [{str(killer)!r}, *{sys.path!r}]\n"
        "import killing_module\n"
        "from biot.corpus.builder import runner\n"
        "runner.prepare_recording = killing_module.prepare_recording\n"
        "from biot.cli import run; run()"
    )
    words = ["--out", str(out), "--sfreq", "64", "--window", "2", "--workers", str(workers)]
    done = subprocess.run(
        [sys.executable, "-c", code, "prepare", str(folder), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(killer), *sys.path])},
    )
    return done.returncode, done.stdout + done.stderr


def test_a_recording_that_kills_its_worker_is_found_and_the_others_go_on(
    folder: Path, tmp_path: Path, killer: Path
) -> None:
    code, said = prepared(folder, tmp_path / "corpus", killer, 2)
    assert code == 0, said
    assert "A worker process has died" in said
    assert "killer.edf: the process that prepared it has died, and so has one of its own" in said
    assert len(Manifest.load(tmp_path / "corpus").recordings) == 4  # type: ignore[union-attr]
    assert not (tmp_path / "corpus/begun").exists()


def test_a_recording_that_kills_the_command_is_found_by_the_next(
    folder: Path, tmp_path: Path, killer: Path
) -> None:
    code, _ = prepared(folder, tmp_path / "corpus", killer, 1)
    assert code == -9
    code, said = prepared(folder, tmp_path / "corpus", killer, 1)
    assert code == 0, said
    assert "killer.edf: the process that prepared it has died, and so has one of its own" in said
