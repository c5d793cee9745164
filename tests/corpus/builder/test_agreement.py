"""Which recordings go together: the majority decides over units, names and order."""

from __future__ import annotations

import itertools
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.channels.agreement import difference_lines, layout_of
from biot.corpus.manifest import Manifest, Record
from biot.errors import CorpusError
from biot.signals import read_recording

WriteEdf = Callable[..., Path]
HOW: dict[str, Any] = {"sfreq": 100, "window": 4}
MUTE = ("", "")


@pytest.fixture
def write(write_edf: WriteEdf) -> WriteEdf:
    """As the fixture it uses; the samples differ between files of all names."""

    def other(name: str, *, ch_names: tuple[str, ...] = ("C3", "C4"), **how: Any) -> Path:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        data = rng.integers(-200, 200, (len(ch_names), 2000))
        return write_edf(name, data, ch_names=ch_names, **how)

    return other


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


def prepared(folder: Path, out: Path, **how: Any) -> dict[str, str]:
    """Prepare, and give the recordings that are set aside with their reasons."""
    return dict(prepare(folder, out, **{**HOW, **how}).quarantined)


def record(units: dict[str, str], **more: Any) -> Record:
    return Record(
        size=1, sha256="0", subject="s", shard="shards/x", n_windows=1,
        ch_names=tuple(units), units=tuple(units.values()), **more,
    )  # fmt: skip


def recordings_of(out: Path) -> set[str]:
    return set(load_corpus(out).recordings.tolist())


def test_the_file_without_a_unit_that_sorts_first_is_the_one_set_aside(
    write: WriteEdf, out: Path
) -> None:
    folder = write("a_first.edf", units=MUTE).parent
    write("b.edf")
    write("c.edf")
    reasons = prepared(folder, out)
    assert reasons == {
        "a_first.edf": "a_first.edf: C3, C4 have no unit, but are in µV in 2 of 3 recordings. Say "
        "its unit with units=, or prepare it apart."
    }
    assert recordings_of(out) == {"b.edf", "c.edf"}
    assert load_corpus(out).preprocessing.units == ("µV", "µV")
    assert (out / "quarantine.tsv").read_text().count("a_first.edf\t") == 1
    shutil.rmtree(out)
    assert prepared(folder, out, units="uV") == {}
    assert recordings_of(out) == {"a_first.edf", "b.edf", "c.edf"}


def test_of_equally_many_the_declared_unit_stays_then_the_first_by_name(
    write: WriteEdf, out: Path
) -> None:
    folder = write("a.edf", units=MUTE).parent
    write("b.edf")
    assert list(prepared(folder, out)) == ["a.edf"]
    (folder / "a.edf").unlink()
    write("c.edf", units=("degC", "degC"))
    reasons = prepared(folder, out)
    assert list(reasons) == ["c.edf"]
    assert (
        "C3, C4 are in °C, but are in µV in 1 of 2 recordings. Convert it, or" in (reasons["c.edf"])
    )


def test_where_most_say_no_unit_the_others_are_set_aside_with_the_way_out(
    write: WriteEdf, out: Path
) -> None:
    folder = write("a.edf").parent
    write("b.edf", units=MUTE)
    write("c.edf", units=MUTE)
    assert prepared(folder, out) == {
        "a.edf": "a.edf: C3, C4 are in µV, but have no unit in 2 of 3 recordings. Say the unit of "
        "the others with units=, or prepare it apart."
    }


def test_recordings_that_are_added_may_turn_the_majority(write: WriteEdf, out: Path) -> None:
    folder = write("a.edf", units=("degC", "degC")).parent
    write("b.edf", units=("degC", "degC"))
    write("c.edf")
    assert list(prepared(folder, out)) == ["c.edf"]
    write("d.edf")
    write("e.edf")
    reasons = prepared(folder, out)
    assert list(reasons) == ["a.edf", "b.edf"]
    assert all("in µV in 3 of 5 recordings" in reason for reason in reasons.values())
    assert recordings_of(out) == {"c.edf", "d.edf", "e.edf"}
    manifest = Manifest.load(out)
    assert manifest is not None
    assert {n for n, r in manifest.recordings.items() if r.clash} == {"a.edf", "b.edf"}
    assert len(list((out / "shards").iterdir())) == 3
    fresh = out.with_name("fresh")
    prepared(folder, fresh)
    names = sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file())
    for name in names:  # a corpus brought up to date is the one made at once
        assert (out / name).read_bytes() == (fresh / name).read_bytes()
    report = prepare(folder, out, **HOW)
    assert report.changes == ("none: the corpus is as these recordings and parameters make it",)
    for name in ("d.edf", "e.edf"):
        (folder / name).unlink()
    assert list(prepared(folder, out)) == ["c.edf"]
    assert recordings_of(out) == {"a.edf", "b.edf"}


def test_strict_refuses_recordings_in_other_units_at_once(write: WriteEdf, out: Path) -> None:
    folder = write("a.edf", units=MUTE).parent
    write("b.edf")
    for _ in range(2):
        with pytest.raises(CorpusError, match=r"1 of 2 recordings cannot be used, and strict"):
            prepare(folder, out, strict=True, **HOW)
    assert not out.exists()


def test_order_and_spelling_are_those_of_most_recordings(write: WriteEdf, out: Path) -> None:
    folder = write("a.edf", ch_names=("C4", "C3")).parent
    for name in ("b.edf", "c.edf"):
        write(name, ch_names=("EEG C3-REF", "EEG C4-REF"))
    prepared(folder, out)
    corpus = load_corpus(out)
    assert corpus.preprocessing.ch_names == ("EEG C3-REF", "EEG C4-REF")
    row = int(np.flatnonzero(np.array(corpus.recordings) == "a.edf")[0])
    rows = corpus.rows([row])
    data = read_recording(folder / "a.edf").read(0, 400)
    stored = rows.digital[0] * rows.scale[0][:, None] + rows.offset[0][:, None]
    np.testing.assert_allclose(stored, data[::-1], atol=0.01)


def test_recordings_with_other_channels_than_most_are_kept_and_told(
    write: WriteEdf, out: Path
) -> None:
    folder = write("x.edf", ch_names=("C3", "Pz")).parent
    for name in ("a.edf", "b.edf", "c.edf"):
        write(name, ch_names=("C3", "C4", "O1"))
    report = prepare(folder, out, **HOW)
    assert report.n_recordings == 4
    assert report.channels == (
        "1 of 4 recordings has other channels than most:",
        "  x.edf lacks C4, O1 and has PZ besides",
    )


def test_without_a_most_frequent_set_of_channels_that_is_told() -> None:
    records = {name: record({name: "µV"}) for name in "abc"}
    assert list(difference_lines(records)) == [
        "3 recordings have 3 sets of channels; none is that of most"
    ]
    del records["c"]
    assert list(difference_lines(records)) == []


def test_a_rate_ten_times_off_is_told() -> None:
    rates = {"a": 256.0, "b": 0.256, "c": 256.0, "d": 512.0}
    records = {name: record({"C3": "µV"}, sfreq=rate) for name, rate in rates.items()}
    assert list(difference_lines(records)) == [
        "1 of 4 recordings has a rate far from that of most, 256 Hz, which may be wrong: "
        "b at 0.256 Hz"
    ]


def test_each_odd_in_one_channel_does_not_empty_the_corpus() -> None:
    odd = {"a": ("mV", "g", "g"), "b": ("g", "mV", "g"), "c": ("g", "g", "mV")}
    records = {name: record(dict(zip("XYZ", units, strict=True))) for name, units in odd.items()}
    layout = layout_of(records)
    assert set(layout.clashes) == {"b", "c"}
    assert layout.units == ("mV", "g", "g")


UNITS = st.dictionaries(st.sampled_from("ABC"), st.sampled_from(("", "µV", "mV")), min_size=1)


@given(st.lists(UNITS, min_size=1, max_size=6))
def test_what_is_kept_agrees_and_nothing_more_could_be_kept(own: list[dict[str, str]]) -> None:
    records = {f"r{i}": record(units) for i, units in enumerate(own)}
    layout = layout_of(records)
    kept = {name: each for name, each in records.items() if name not in layout.clashes}
    assert kept
    units: dict[str, str] = {}
    for each in kept.values():
        for channel, unit in zip(each.ch_names, each.units, strict=True):
            assert units.setdefault(channel, unit) == unit
    for name, reason in layout.clashes.items():
        pairs = zip(records[name].ch_names, records[name].units, strict=True)
        assert any(units.get(channel, unit) != unit for channel, unit in pairs)
        assert " in  in " not in reason
    assert layout_of(kept).clashes == {}
    for order in itertools.islice(itertools.permutations(records), 6):
        assert layout_of({name: records[name] for name in order}) == layout


def test_the_reported_folder_keeps_all_but_the_odd_one(shared_reports: Path, out: Path) -> None:
    folder = shared_reports / "read" / "unit-order"
    with pytest.warns(UserWarning, match=r"same recording|counts as a subject of its own"):
        assert list(prepared(folder, out)) == ["a_first.edf"]
    assert recordings_of(out) == {"b1.edf", "b2.edf"}
