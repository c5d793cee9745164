"""Streams of a real outlet in another process, over the loopback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.errors import ChannelError, ConfigError, ContractError, RecordingError
from biot.inference import Predictor
from biot.inference.live.engine import LiveEngine
from biot.inference.live.lsl import LslStream, StreamLostError, described
from biot.inference.live.rows import LiveRow
from biot.inference.live.streaming import streamed
from biot.preprocessing import Preprocessing
from biot.signals import Recording

lsl = pytest.importorskip("mne_lsl.lsl", reason="needs mne-lsl")

Make = Callable[..., Any]
CH_NAMES = ("Fp1", "C3", "O1")
PATIENCE = 120.0  # seconds; only a machine that is stuck needs them


class Sender:
    """The process with the outlets."""

    def __init__(self, folder: Path) -> None:
        program = Path(__file__).with_name("outlet_server.py")
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(program)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._answer()

    def _answer(self) -> None:
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            pytest.skip("no outlet of LSL can be opened here")

    def tell(self, **words: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def do(self, **words: Any) -> None:
        self.tell(**words)
        self._answer()

    def open(self, name: str, sfreq: float = 50.0, **changes: Any) -> str:
        key = uuid.uuid4().hex
        how = {
            "ch_names": CH_NAMES, "dtype": "float32", "units": "microvolts", "source_id": key,
        }  # fmt: skip
        self.do(do="open", key=key, name=name, sfreq=sfreq, **how | changes)
        return key

    def pushing(self, key: str, data: np.ndarray, stamps: np.ndarray) -> dict[str, Any]:
        path = self._folder / f"{uuid.uuid4().hex}.npz"
        np.savez(path, data=np.ascontiguousarray(data.T), stamps=stamps)
        return {"do": "push", "key": key, "path": str(path)}

    def push(self, key: str, data: np.ndarray, stamps: np.ndarray) -> None:
        self.do(**self.pushing(key, data, stamps))

    def close(self, key: str) -> None:
        self.do(do="close", key=key)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    one = Sender(tmp_path_factory.mktemp("lsl"))
    yield one
    one.end()


@pytest.fixture
def name() -> str:
    return f"biot-test-{uuid.uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def short_resolving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of this machine answer at once; where they do not, they are asked again."""
    monkeypatch.setattr("biot.inference.live.lsl._RESOLVE", 0.4)


def answers_of_both(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Streams are asked until both answer, however busy the machine is."""
    ask, found = LslStream._named, {}
    until = time.monotonic() + PATIENCE
    while len(found) < 2 and time.monotonic() < until:
        found |= {one.uid: one for one in lsl.resolve_streams(0.4, name=name, minimum=2)}

    def both(seconds: float, **how: Any) -> list[Any]:
        return list(found.values())

    assert len(found) == 2
    stand_in = SimpleNamespace(resolve_streams=both)

    def named(stream: LslStream) -> list[Any]:
        real, stream._lsl = stream._lsl, stand_in
        try:
            return ask(stream)
        finally:
            stream._lsl = real

    monkeypatch.setattr(LslStream, "_named", named)


def waiting(seconds: float = PATIENCE) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() < until


def rows_of(
    engine: LiveEngine, stream: LslStream, n: int, tell: Callable[[str], None] = lambda text: None
) -> list[LiveRow]:
    found: list[LiveRow] = []
    for some in streamed(engine, stream, seconds=PATIENCE, tell=tell):
        found += some
        if len(found) >= n:
            break
    return found


def assert_same(
    rows: list[LiveRow], predictor: Predictor, recording: Recording, stride: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = predictor.predict(recording, stride=stride)
    found = np.array([list(row.probabilities.values()) for row in rows])
    np.testing.assert_allclose([row.start for row in rows], expected.start, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found, expected.probabilities, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "sfreq", "declared", "dtype"),
    [
        ({}, 50.0, ("microvolts", 1.0), "float32"),
        ({"l_freq": 1.0, "h_freq": 20.0, "causal": True}, 128.0, ("volts", 1e-6), "float64"),
    ],
)
def test_rows_of_a_stream_are_those_of_the_file(
    sender: Sender, name: str, make_model: Make, make_recording: Make, how: dict[str, Any],
    sfreq: float, declared: tuple[str, float], dtype: str,
) -> None:  # fmt: skip
    contract = Preprocessing(
        sfreq=50, window=2, ch_names=CH_NAMES, units=("µV",) * 3, label_names=("a", "b"), **how
    )
    predictor = Predictor(make_model(contract), contract, device="cpu")
    recording = make_recording(8.0, sfreq=sfreq)
    unit, factor = declared
    key = sender.open(name, sfreq, units=unit, dtype=dtype)
    stream = LslStream(name)
    found = stream.find(waiting())
    assert found is not None
    assert (found.ch_names, found.sfreq, found.units) == (CH_NAMES, sfreq, ("µV",) * 3)
    engine = LiveEngine(predictor, found, stride=0.5, queue=None, clock=stream.clock)
    stamps = stream.clock() + np.arange(recording.n_times) / sfreq
    sender.push(key, recording.data.astype(dtype) * factor, stamps)
    assert_same(rows_of(engine, stream, 13), predictor, recording, 0.5)
    assert engine.n_lost == 0
    sender.close(key)


def test_a_stream_that_begins_later_is_waited_for_and_jitter_is_no_loss(
    sender: Sender, name: str, make_predictor: Make, make_recording: Make
) -> None:
    predictor, recording, keys = make_predictor(), make_recording(8.0), []
    stream, goes_on = LslStream(name), waiting()

    def not_there_at_first() -> bool:
        keys.append(sender.open(name) if len(keys) == 1 else None)
        return goes_on()

    found = stream.find(not_there_at_first)
    assert found is not None
    engine = LiveEngine(predictor, found, queue=None, clock=stream.clock)
    jitter = np.random.default_rng(0).uniform(-0.03, 0.03, 400)
    sender.push(keys[1], recording.data, stream.clock() + np.arange(400) / 50 + jitter)
    assert_same(rows_of(engine, stream, 4), predictor, recording, 2.0)
    assert engine.n_lost == 0
    sender.close(keys[1])


def test_what_is_lost_while_the_sender_is_away_is_missing_data(
    sender: Sender, name: str, make_predictor: Make, make_recording: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    predictor, recording = make_predictor(), make_recording(12.0)
    held = recording.data.copy()
    held[:, 150:170], held[:, 300:420] = np.nan, np.nan
    expected = Recording.from_array(held, ch_names=CH_NAMES, sfreq=50.0, units=("µV",) * 3)
    for attempt in range(4):  # LSL may drop samples that are pushed while an inlet connects
        rows, told, n_lost = away_and_back(
            sender, f"{name}-{attempt}", predictor, recording, monkeypatch
        )
        if rows and rows[-1].start == 10.0:
            break
    assert_same(rows, predictor, expected, 1.0)
    assert n_lost == 140
    assert [text.split(": ")[0] for text in told] == [f"{name}-{attempt}"] * 2
    assert told[1] == f"{name}-{attempt}: is back."


def away_and_back(
    sender: Sender, name: str, predictor: Predictor, recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[list[LiveRow], list[str], int]:  # fmt: skip
    """A sender skips 20 samples, is closed after 300, and goes on 120 later under the same name."""
    silent = "biot.inference.live.lsl._SILENT"
    monkeypatch.setattr(silent, PATIENCE)
    key = sender.open(name, source_id="amplifier")
    stream = LslStream(name)
    found = stream.find(waiting())
    assert found is not None
    engine = LiveEngine(predictor, found, stride=1.0, queue=None, clock=stream.clock)
    stamps = stream.clock() + np.arange(600) / 50
    rows: list[LiveRow] = []
    told: list[str] = []
    keys: list[str] = []
    first = np.r_[0:150, 170:300]
    sender.push(key, recording.data[:, first], stamps[first])

    def tell(text: str) -> None:
        told.append(text)
        if "was lost" in text:
            monkeypatch.setattr(silent, PATIENCE)
            keys.append(sender.open(name, source_id="amplifier"))
        else:
            sender.push(keys[0], recording.data[:, 420:], stamps[420:])

    for some in streamed(engine, stream, seconds=PATIENCE / 4, tell=tell):
        rows += some
        if rows and key and rows[-1].start == 4.0:  # all of the first part has come
            sender.close(key)
            key = ""
            monkeypatch.setattr(silent, 0.5)  # LSL does not always close the connection
        if rows and rows[-1].start == 10.0:
            break
    for left in [key, *keys]:
        if left:
            sender.close(left)
    return rows, told, engine.n_lost


def test_a_silent_stream_is_lost_when_twice_it_is_not_announced_and_only_then(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, asked = LslStream(name), []
    answers = iter(([], ["this one"], [], []))
    stream._inlet = SimpleNamespace(pull_sample=lambda timeout: ([], None))
    stream._uid, stream._heard = "this one", time.monotonic()

    def named() -> list[Any]:
        asked.append(time.monotonic())
        return [SimpleNamespace(uid=uid) for uid in next(answers)]

    monkeypatch.setattr(stream, "_named", named)
    monkeypatch.setattr("biot.inference.live.lsl._SILENT", 3600.0)
    assert len(stream.pull()[1]) == 0
    assert asked == []  # it is not silent for long enough
    monkeypatch.setattr("biot.inference.live.lsl._SILENT", 0.0)
    for _ in range(3):  # absent, there, absent
        assert len(stream.pull()[1]) == 0
    with pytest.raises(StreamLostError) as caught:
        stream.pull()
    assert len(asked) == 4
    assert str(caught.value) == (
        f"{name}: the stream was lost (nothing came for 0 s, and it is not announced any longer)."
    )


def test_two_streams_of_one_name_are_listed_and_told_apart_by_their_source(
    sender: Sender, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [sender.open(name, source_id=source) for source in ("left", "right")]
    answers_of_both(monkeypatch, name)
    with pytest.raises(ConfigError) as caught:
        LslStream(name).find(waiting())
    assert f"{name}: 2 streams have this name: source_id 'left'" in str(caught.value)
    assert "; source_id 'right'" in str(caught.value)
    assert str(caught.value).endswith("Say which one with source_id=.")
    assert LslStream(name, source_id="right").find(waiting()) is not None
    with pytest.raises(ConfigError, match=r"^source_id=middle: no stream '.*' has it; there is "):
        LslStream(name, source_id="middle").find(waiting())
    for key in keys:
        sender.close(key)


def test_streams_without_signals_or_rate_or_known_channels_are_refused(
    sender: Sender, name: str, make_predictor: Make
) -> None:
    for changes, message in (
        ({"dtype": "string", "sfreq": 50.0}, "is a stream of text"),
        ({"sfreq": 0.0}, "has no regular rate"),
    ):
        key = sender.open(name, **changes)
        with pytest.raises(RecordingError, match=f"^{name}: {message}"):
            LslStream(name).find(waiting())
        sender.close(key)
        while LslStream(name)._named():  # until it is forgotten
            pass
    key = sender.open(name, 32.0, ch_names=["X1", "C3", "X2"], units="")
    found = LslStream(name).find(waiting())
    assert found is not None
    assert found.units == ("", "", "")
    with pytest.raises(ContractError, match=rf"^{name}: C3 must be in 'µV'.*Say it with units="):
        LiveEngine(make_predictor(), found)
    with pytest.raises(ChannelError, match=f"^{name}: "):
        LiveEngine(make_predictor(ch_names=("F7", "F8")), found)
    sender.close(key)


def test_the_command_prints_and_records_rows_and_ends_by_itself(
    sender: Sender, name: str, model_folder: Path, make_recording: Make, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recording, out = make_recording(7.0), tmp_path / "rows.jsonl"
    key = sender.open(name)
    stamps = lsl.local_clock() + np.arange(350) / 50
    sender.tell(**sender.pushing(key, recording.data, stamps))  # as soon as somebody listens
    words = ["live", str(model_folder), "--lsl", name, "--out", str(out), "--device", "cpu"]
    assert main([*words, "--count", "3", "--duration", str(PATIENCE), "--outlet"]) == 0
    sender._answer()
    shown = capsys.readouterr().out
    assert f"{name}: found, 50 Hz, 3 channels." in shown
    assert f"Predictions are sent as the stream {name}-biot." in shown
    assert "latency, from a window's last sample to its prediction  p50 " in shown
    assert f"3 windows -> {out}" in shown
    expected = Predictor.from_pretrained(model_folder, device="cpu").predict(recording)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["start"] for row in rows] == [0, 2, 4]
    assert [row["label"] for row in rows] == list(expected.labels[:3])
    for row, values in zip(rows, expected.probabilities, strict=False):
        assert list(row["p"].values()) == pytest.approx(values, abs=1e-5)
    sender.close(key)


def test_the_command_says_when_there_is_no_stream_and_which_option_tells_two_apart(
    sender: Sender, name: str, model_folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    words = ["live", str(model_folder), "--lsl", name, "--device", "cpu", "--duration", "0.5"]
    assert main(words) == 1
    assert f"--lsl {name}: no stream of this name in 0.5 s" in capsys.readouterr().err
    keys = [sender.open(name) for _ in range(2)]
    answers_of_both(monkeypatch, name)
    assert main(words) == 1
    assert "Say which one with --source-id." in capsys.readouterr().err
    for key in keys:
        sender.close(key)


def test_predictions_are_a_stream_with_labels(name: str) -> None:
    from biot.inference.live.outlet import Outlet

    outlet = Outlet(name, ("rest", "event"))
    (info,) = lsl.resolve_streams(10.0, name=name)
    inlet = lsl.StreamInlet(info)
    inlet.open_stream(10.0)
    assert outlet._outlet.wait_for_consumers(60)
    full = inlet.get_sinfo(10.0)
    assert (full.get_channel_names(), full.sfreq) == (["rest", "event"], 0.0)
    assert full.get_channel_units() == ["probability"] * 2
    common = {"start": 0.0, "stop": 2.0, "latency": 0.1, "lost": 0, "dropped": 0}
    outlet.send(
        LiveRow(label="rest", probabilities={"rest": 0.75, "event": 0.25}, stamp=12.5, **common)
    )  # type: ignore[arg-type]
    sample, stamp = inlet.pull_sample(60.0)
    assert (list(sample), stamp) == ([0.75, 0.25], 12.5)
    inlet._del()


def test_a_player_of_mne_sends_volts(name: str) -> None:
    mne = pytest.importorskip("mne")
    player_of = pytest.importorskip("mne_lsl.player").PlayerLSL
    info = mne.create_info(["Fp1", "ECG", "Status"], 50.0, ["eeg", "ecg", "stim"])
    raw = mne.io.RawArray(np.zeros((3, 500)), info, verbose="error")
    with player_of(raw, chunk_size=10, name=name, source_id=name):
        stream = LslStream(name)
        found = stream.find(waiting())
        assert found is not None
        assert found.units == ("µV", "mV", "")
        np.testing.assert_allclose(stream._factors_C, [1e6, 1e3, 1])


def test_channels_without_names_are_counted_and_other_descriptions_are_read() -> None:
    head = "<info><name>a/b</name><type>EEG</type><channel_count>2</channel_count>"
    rate = "<nominal_srate>100</nominal_srate>"
    found, factors = described(f"{head}{rate}<desc/></info>")
    assert (found.ch_names, found.units, found.name) == (("EEG 1", "EEG 2"), ("", ""), "a_b")
    rows = "<channel><name>C3</name><unit>mV</unit></channel><channel><label>C4</label></channel>"
    found, factors = described(f"{head}{rate}<desc><channels>{rows}</channels></desc></info>")
    assert (found.ch_names, found.units) == (("C3", "C4"), ("µV", ""))
    np.testing.assert_allclose(factors, [1000, 1])


def test_repeated_and_nameless_channels_of_a_stream_are_treated_as_those_of_a_file(
    make_predictor: Make, make_recording: Make
) -> None:
    from biot.inference.live.streaming import _Feed

    names = "".join(f"<channel><label>{n}</label></channel>" for n in ("X", "Fp1", "X", "-", "O1"))
    found, _ = described(
        "<info><name>s</name><channel_count>5</channel_count><nominal_srate>50</nominal_srate>"
        f"<desc><channels>{names}</channels></desc></info>"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from biot.signals.units import with_units

        engine = LiveEngine(make_predictor(), with_units(found, "mV"))
    seen: list[np.ndarray] = []
    engine.push = lambda data, stamps: seen.append(data)  # type: ignore[method-assign]
    _Feed(engine).push(np.arange(10.0, dtype=np.float32).reshape(5, 2), np.zeros(2))
    row = dict(zip(engine.recording.ch_names, seen[0], strict=True))
    np.testing.assert_allclose(row["Fp1"], [2000, 3000])  # µV
    np.testing.assert_allclose(row["O1"], [8000, 9000])
