"""Windows of different channels and lengths; several corpora as one; batches of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from biot.corpus import load_corpus
from biot.corpus.batch import collate
from biot.corpus.builder.writer import CorpusWriter
from biot.corpus.load import Corpora, Corpus
from biot.corpus.schema import MISSING, arrow_schema, encode, record_batch
from biot.errors import ConfigError, ContractError, CorpusError
from biot.preprocessing import Preprocessing
from biot.signals.resampling import resample
from biot.signals.scale import q95_scale

Recording = tuple[str, Sequence[str], int, str]


def noise(name: str, n_chans: int, n_times: int) -> np.ndarray:
    seed = sum(map(ord, name))
    return np.random.default_rng(seed).normal(size=(2, n_chans, n_times)) * 20 + 3


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A corpus whose recordings have two windows each, of their own channels and lengths."""
    pa = pytest.importorskip("pyarrow")

    def build(
        name: str, recordings: Sequence[Recording], labels: Sequence[str] = ("a", "b"), **changes
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        names = tuple(sorted({c for _, channels, _, _ in recordings for c in channels}))
        arguments = {"sfreq": 10.0, "window": 2.0, "ch_names": names, "units": ("µV",) * len(names)}
        contract = Preprocessing(**arguments | changes).with_labels(tuple(labels))
        writer = CorpusWriter(folder, {"source": "test"})
        writer.finish(contract)
        files = []
        for recording, channels, n_times, subject in recordings:
            windows = noise(recording, len(channels), n_times)
            batch = record_batch(
                encode(windows), q95=q95_scale(windows), ch_names=tuple(channels),
                units=("µV",) * len(channels), sfreq=contract.sfreq, subject=subject,
                recording=recording, starts=[0.0, 2.0], labels=list(labels[:2]),
            )  # fmt: skip
            path = folder / "shards" / f"{recording}.arrow"
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, arrow_schema()) as out:
                out.write_batch(batch)
            files.append({"filename": f"shards/{recording}.arrow", "n_windows": 2})
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        del state["_biot"]["sha256"]
        (folder / "state.json").write_text(json.dumps(state | {"_data_files": files}))
        return folder

    return build


@pytest.fixture
def mixed(write: Callable[..., Path]) -> Corpus:
    two = ("r1", ("C3", "C4"), 20, "s1")
    return load_corpus(write("mixed", [two, ("r2", ("CZ", "C3", "O1"), 15, "s2")]))


def test_shorter_windows_and_fewer_channels_are_padded_with_missing_samples(mixed: Corpus) -> None:
    rows = mixed.rows([3, 0])
    assert rows.digital.shape == (2, 3, 20)
    assert rows.n_times.tolist() == [15, 20]
    assert mixed.ch_names == ("C3", "C4", "CZ", "O1")
    assert rows.channel.tolist() == [[2, 0, 3], [0, 1, -1]]
    assert (rows.digital[0, :, 15:] == MISSING).all()
    assert (rows.digital[1, 2] == MISSING).all()
    decoded = rows.digital[0, :, :15] * rows.scale[0][:, None] + rows.offset[0][:, None]
    np.testing.assert_allclose(decoded, noise("r2", 3, 15)[1], atol=2e-3)
    assert mixed.rows([2]).digital.shape == (1, 3, 15), "no wider than its windows"


def test_windows_are_selected_by_name(mixed: Corpus) -> None:
    assert mixed.select(subject="s2").tolist() == [2, 3]
    assert mixed.select(recording=["r1", "r2"], label="b").tolist() == [1, 3]
    with pytest.raises(ConfigError, match="no window has the subject nobody"):
        mixed.select(subject="nobody")
    with pytest.raises(ConfigError, match="select knows subject, recording, label; got 'age'"):
        mixed.select(age="9")


def test_a_batch_meets_a_vocabulary_matched_derived_and_absent(mixed: Corpus) -> None:
    batch = collate(mixed, [0, 2], ("C4-CZ", "O1", "C3-CZ", "EEG C3-REF"))
    assert batch.channel_ids.tolist() == [[3, -1, -1], [1, 2, 3]]
    assert batch.lengths.tolist() == [20, 15]
    assert not batch.valid[0, 1:].any()
    assert not batch.valid[1, :, 15:].any()
    assert batch.valid[0, 0].all()
    assert batch.valid[1, :, :15].all()
    assert (batch.signal.isnan() == ~batch.valid).all()
    x = noise("r2", 3, 15)[0]
    for row, expected in enumerate((x[2], x[1] - x[0], x[1])):
        scaled = expected / np.quantile(np.abs(expected), 0.95)
        np.testing.assert_allclose(batch.signal[1, row, :15], scaled, atol=5e-4)


@pytest.mark.parametrize("vocabulary", [None, ("C3", "C4", "O1"), ("C3-CZ", "C3")])
def test_integers_scaled_on_the_device_are_the_float_batch(
    mixed: Corpus, vocabulary: tuple[str, ...] | None
) -> None:
    for indices in ([0, 1], [3, 0, 2]):
        floats = collate(mixed, indices, vocabulary)
        integers = collate(mixed, indices, vocabulary, "int16")
        assert integers.signal.dtype == torch.int16
        scaled = integers.scaled("cpu")
        torch.testing.assert_close(
            scaled.signal, floats.signal, rtol=1e-6, atol=1e-6, equal_nan=True
        )
        for name in ("valid", "channel_ids", "lengths", "label", "corpus", "index"):
            assert torch.equal(getattr(scaled, name), getattr(floats, name)), name


def test_a_mixed_batch_goes_through_a_model_and_padding_changes_nothing(mixed: Corpus) -> None:
    from biot.model import BIOT

    vocabulary = ("C3", "C4", "O1")
    torch.manual_seed(0)
    model = BIOT(n_chans=3, n_times=20, sfreq=10, n_outputs=2, hop_length=5).eval()
    with torch.no_grad():
        together, alone = (
            torch.cat([
                model(b.signal, valid=b.valid, channel_ids=b.channel_ids, lengths=b.lengths)
                for b in (collate(mixed, part, vocabulary, tokens=(10, 5)) for part in parts)
            ])
            for parts in ([[0, 3]], [[0], [3]])
        )  # fmt: skip
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_a_window_without_a_whole_patch_is_named(mixed: Corpus) -> None:
    collate(mixed, [0, 3], tokens=(15, 5))
    with pytest.raises(CorpusError, match=r"window 3, of recording r2 from 2 s.*16 samples"):
        collate(mixed, [0, 3], tokens=(16, 4))


def test_corpora_are_joined_and_labels_merged_by_name(write: Callable[..., Path]) -> None:
    one = write("one", [("r", ("C3", "C4"), 20, "s1"), ("q", ("C3", "C4"), 20, "s2")])
    two = write("two", [("r", ("O1", "EEG C3-REF"), 20, "s1")], labels=("b", "c"))
    both = load_corpus(one, two)
    assert isinstance(both, Corpora)
    assert (len(both), both.names, both.ch_names) == (6, ("one", "two"), ("C3", "C4", "O1"))
    assert both.label_names == ("a", "b", "c")
    assert both.label_ids.tolist() == [0, 1, 0, 1, 1, 2]
    assert sorted(set(both.subjects.tolist())) == ["one/s1", "s2", "two/s1"]
    assert both.select(corpus="two", label="c").tolist() == [5]
    batch = collate(both, [5, 0], ("C3",))
    assert batch.corpus.tolist() == [1, 0]
    assert batch.label.tolist() == [2, 0]
    alone = collate(load_corpus(two), [1], ("C3",))
    assert torch.equal(batch.signal[0], alone.signal[0])
    assert both.rows([4]).channel.tolist() == [[2, 0]]
    with pytest.raises(IndexError):
        both.rows([6])


def test_corpora_of_other_rates_are_refused_or_resampled(write: Callable[..., Path]) -> None:
    one = write("one", [("r", ("C3",), 20, "s1")])
    two = write("two", [("q", ("C3",), 40, "s1")], sfreq=20.0)
    with pytest.raises(ContractError, match=r"sfreq is 10.0 and 20.0.*resample=True"):
        load_corpus(one, two)
    both = load_corpus(one, two, resample=True, sfreq=10.0)
    batch = collate(both, [2, 0])
    expected = resample(noise("q", 1, 40)[0], 20, 10)[0]
    expected /= np.quantile(np.abs(expected), 0.95)
    np.testing.assert_allclose(batch.signal[0, 0], expected, atol=1e-3)
    other = write("other", [("q", ("C3",), 20, "s1")], scale="none")
    with pytest.raises(ContractError, match="scale is 'q95' and 'none'"):
        load_corpus(one, other)
