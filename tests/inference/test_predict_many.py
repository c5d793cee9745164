"""`Predictor.predict_many`: the numbers of `predict`, the order given, failures told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pytest

from biot.errors import ConfigError
from biot.inference import Predictions, Predictor
from biot.inference.reading import PredictionFailure
from biot.signals import Recording

Make = Callable[..., Recording]


@pytest.fixture
def predictor(make_predictor: Callable[..., Predictor]) -> Predictor:
    return make_predictor()


@pytest.fixture
def files(tmp_path: Path, make_recording: Make) -> list[Path]:
    """Four recordings of different lengths and rates, and one that is none."""
    paths = []
    for i, (seconds, sfreq) in enumerate(((10, 50), (3, 100), (21, 50), (1, 50))):
        data = make_recording(seconds, sfreq=sfreq, seed=i).data
        path = tmp_path / f"r{i}.npz"
        names = np.array(["Fp1", "C3", "O1"])
        np.savez(path, data=data, ch_names=names, sfreq=sfreq, units="µV")
        paths.append(path)
    (tmp_path / "damaged.edf").write_bytes(b"no recording")
    return [*paths[:2], tmp_path / "damaged.edf", *paths[2:]]


def same(one: Predictions, other: Predictions) -> bool:
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)
    return (
        one.start.tolist() == other.start.tolist()
        and one.stop.tolist() == other.stop.tolist()
        and (one.name, one.path, one.duration, one.sfreq, one.notes)
        == (other.name, other.path, other.duration, other.sfreq, other.notes)
    )


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.filterwarnings("ignore::biot.inference.PredictionWarning")
def test_many_give_what_each_gives_alone_in_the_order_given(
    workers: int, predictor: Predictor, files: list[Path], make_recording: Make
) -> None:
    raw = mne.io.RawArray(
        1e-6 * make_recording(8, seed=7).data,
        mne.create_info(["Fp1", "C3", "O1"], 50, "eeg"),
        verbose="error",
    )
    long = make_recording(200, seed=9)  # more windows than a batch holds
    given = [*files[:4], long, raw, files[4]]
    found = list(predictor.predict_many(given, workers=workers, stride=1))
    assert len(found) == len(given)
    failure = found.pop(2)
    assert isinstance(failure, PredictionFailure)
    assert failure.name == "damaged.edf"
    assert "damaged.edf: " in failure.reason
    for one, source in zip(found, [g for g in given if g is not files[2]], strict=True):
        assert isinstance(one, Predictions)
        assert same(one, predictor.predict(source, stride=1))


def test_windows_of_several_recordings_share_a_batch(
    predictor: Predictor, make_recording: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    alone = predictor.probabilities

    def counted(windows: np.ndarray) -> np.ndarray:
        sizes.append(len(windows))
        return alone(windows)

    monkeypatch.setattr(predictor, "probabilities", counted)
    recordings = [make_recording(30, seed=i) for i in range(10)]  # of 15 windows
    assert [len(one) for one in predictor.predict_many(recordings)] == [15] * 10
    assert sizes == [64, 64, 22]


def test_a_recording_that_does_not_fit_is_a_failure_and_the_others_go_on(
    predictor: Predictor, make_recording: Make
) -> None:
    given = [make_recording(4), make_recording(4, ch_names=("X1", "X2", "X3")), make_recording(4)]
    one, failure, other = predictor.predict_many(given)
    assert isinstance(failure, PredictionFailure)
    assert failure.reason.startswith("<recording in memory>: No channel of the recording is in")
    assert one
    assert other
    assert not failure


def test_what_a_reader_warns_of_stands_in_the_notes(
    predictor: Predictor, tmp_path: Path, make_recording: Make
) -> None:
    quiet = make_recording(4, factor=1e-6)  # an amplitude that the unit makes implausible
    path = tmp_path / "quiet.npz"
    np.savez(path, data=quiet.data, ch_names=np.array(quiet.ch_names), sfreq=50, units="µV")
    (found,) = predictor.predict_many([path])
    assert isinstance(found, Predictions)
    assert any("quiet.npz" in note for note in found.notes)


def test_wrong_numbers_are_refused_at_the_call(predictor: Predictor, make_recording: Make) -> None:
    with pytest.raises(ConfigError, match="workers must be at least 1, got 0"):
        predictor.predict_many([make_recording()], workers=0)
    with pytest.raises(ConfigError, match=r"stride must be at least one sample"):
        predictor.predict_many([make_recording()], stride=0)


class _Killer:
    """Ends the process that opens it, unless that is this one."""

    def __init__(self) -> None:
        self.owner = os.getpid()

    def __call__(self) -> Recording:
        assert os.getpid() != self.owner
        os._exit(1)


def test_a_recording_that_ends_its_process_is_a_failure(
    predictor: Predictor, files: list[Path]
) -> None:
    from biot.inference.reading import Item, item_of
    from biot.inference.stream import Stream

    contract = predictor.preprocessing
    killer = Item(opened=_Killer(), name="killer.edf", path=files[0])
    items = [item_of(files[0], contract), killer, item_of(files[1], contract)]
    stream = Stream(contract, predictor.probabilities, step=contract.n_times, workers=2)
    one, failure, other = stream.predictions([items])
    assert one
    assert other
    assert isinstance(failure, PredictionFailure)
    assert failure.reason.startswith("killer.edf: the process that read it has died")


def test_a_notebook_shows_predictor_and_recording_in_a_line(
    predictor: Predictor, make_recording: Make
) -> None:
    assert repr(predictor) == (
        "Predictor(classes rest, event; windows of 2 s, 3 channels at 50 Hz; on cpu)"
    )
    assert repr(make_recording(4)) == (
        "Recording(<recording in memory>: 3 channels (Fp1, C3, O1) at 50 Hz, 4 s)"
    )


def test_a_process_that_reads_ends_with_the_one_that_started_it() -> None:
    reader = (
        "import os, time; from biot.inference import reading; reading._end_with(os.getppid()); "
        "print('up', flush=True); time.sleep(60)"
    )
    starter = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"
    with subprocess.Popen(
        [sys.executable, "-c", starter, reader], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        parent.kill()
        assert parent.communicate(timeout=30)[0] == ""  # the reader has closed it too
