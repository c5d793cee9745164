"""Units that are given for recordings which do not say theirs."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.corpus.builder.channels.given_units import GivenUnits
from biot.corpus.manifest import Manifest
from biot.errors import ConfigError, CorpusError
from biot.signals import Recording, read_recording

WriteEdf = Callable[..., Path]
HOW: dict[str, Any] = {"sfreq": 100, "window": 4, "scale": "none"}
NAMES = ("Fp1", "C3", "ECG")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def write(write_edf: WriteEdf) -> WriteEdf:
    """A file of whole numbers, without units unless they are given."""

    def other(name: str, units: tuple[str, ...] = ("", "", "")) -> Path:
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        data = [rng.integers(-most, most + 1, 2000) for most in (200, 1, 10)]  # plausible in mV
        return write_edf(name, np.stack(data), ch_names=NAMES, units=units)

    return other


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def written(text: str, name: str = "units.tsv") -> Path:
        path = tmp_path / name
        path.write_text(text.replace(",", "\t") if name.endswith(".tsv") else text, "utf-8")
        return path

    return written


def numbers(out: Path, recording: str) -> np.ndarray:
    """(n_chans, n_times) of the windows of a recording, end to end, by the channels' names."""
    corpus = load_corpus(out)
    rows = corpus.rows(np.flatnonzero(np.array(corpus.recordings) == recording))
    data = rows.digital * rows.scale[..., None] + rows.offset[..., None]
    return np.concatenate(list(data), axis=1)


def test_one_unit_is_for_all_channels_that_declare_none(write: WriteEdf, out: Path) -> None:
    folder = write("a.edf").parent
    write("b.edf", ("uV", "uV", ""))
    report = prepare(folder, out, **HOW, units="microvolts")
    assert report.quarantined == ()
    assert report.preprocessing.units == ("µV", "µV", "mV")
    for name in ("a.edf", "b.edf"):
        raw = read_recording(folder / name).data
        np.testing.assert_allclose(
            numbers(out, name), raw * np.array([[1], [1], [1e-3]]), atol=0.01
        )
    assert report.channels == (
        "ECG, Fp1, C3: without a unit, so microvolts as given, in 2 of 2 recordings",
    )
    manifest = Manifest.load(out)
    assert manifest is not None
    assert manifest.parameters["units"] == "microvolts"
    with pytest.raises(CorpusError, match=r"with units 'microvolts', not 'mV'"):
        prepare(folder, out, **HOW, units="mV")


def test_a_table_says_units_by_channel_and_by_file(
    write: WriteEdf, table: Callable[..., Path], out: Path
) -> None:
    folder = write("a.edf").parent
    write("sub/b.edf")
    rows = "channel,unit,file\neeg,uV,\necg,mV,\nC3,mV,sub/b\nEMG*,uV,\nCz,uV,gone.edf\n"
    report = prepare(folder, out, **HOW, units=table(rows))
    assert report.preprocessing.units == ("µV", "µV", "mV")
    raw = {name: read_recording(folder / name).data for name in ("a.edf", "sub/b.edf")}
    np.testing.assert_allclose(numbers(out, "a.edf"), raw["a.edf"], atol=0.01)
    np.testing.assert_allclose(
        numbers(out, "sub/b.edf"), raw["sub/b.edf"] * np.array([[1], [1e3], [1]]), atol=4
    )
    assert report.notes == ("1 named in units.tsv are not among the recordings: gone.edf",)
    assert "'EMG*' fits nothing in 2 of 2: a.edf, sub/b.edf" in report.channels


def test_a_declared_unit_stays_and_this_is_told_with_counts(
    write: WriteEdf, table: Callable[..., Path], out: Path
) -> None:
    folder = write("a.edf", ("uV", "uV", "uV")).parent
    write("b.edf", ("uV", "uV", ""))
    report = prepare(folder, out, **HOW, units=table("channel,unit\nECG,mV\nFp1,µV\n"))
    np.testing.assert_allclose(
        numbers(out, "a.edf")[2], read_recording(folder / "a.edf").data[2], atol=0.01
    )
    assert report.channels == (
        "ECG: declared in uV, which stays, not mV as given, in 1 of 2 recordings",
        "ECG: without a unit, so mV as given, in 1 of 2 recordings",
    )


def test_a_row_that_names_file_and_channel_counts_over_what_the_file_declares(
    write: WriteEdf, table: Callable[..., Path], out: Path
) -> None:
    folder = write("a.edf", ("nV", "uV", "uV")).parent  # the first is in µV in truth
    write("b.edf", ("uV", "uV", "uV"))
    rows = "file,channel,unit\na.edf,Fp1,uV\na.edf,ECG,mV\n"
    report = prepare(folder, out, **HOW, units=table(rows))
    raw = read_recording(folder / "a.edf").data
    np.testing.assert_allclose(
        numbers(out, "a.edf"), raw * np.array([[1e3], [1], [1e3]]), atol=0.01
    )
    assert report.channels == (
        "Fp1: declared in nV, but uV as given for this recording, in 1 of 2 recordings",
        "ECG: declared in uV, but mV as given for this recording, in 1 of 2 recordings",
    )


def test_what_is_said_of_one_recording_prepares_that_one_anew(
    write: WriteEdf, table: Callable[..., Path], out: Path
) -> None:
    folder = write("a.edf").parent
    write("b.edf", ("uV", "uV", "mV"))
    rows = "channel,unit,file\nECG,mV,\n,uV,a.edf\n"
    assert prepare(folder, out, **HOW, units=table(rows)).n_recordings == 2
    again = prepare(folder, out, **HOW, units=table(rows + "Fp1,nV,a.edf\n"))
    assert again.changes == ("a.edf has another subject, labels or units and was prepared anew",)
    # of rows that fit, those of the recording go before, then the one further up
    np.testing.assert_allclose(
        numbers(out, "a.edf"), read_recording(folder / "a.edf").data * [[1], [1], [1e-3]], atol=0.01
    )


@pytest.mark.parametrize("suffix", [".csv", ".npz"])
def test_tables_and_archives_need_not_say_units_then(
    tmp_path: Path, out: Path, suffix: str
) -> None:
    data = np.random.default_rng(0).integers(-100, 100, (2, 800)).astype(float)
    path = tmp_path / f"a{suffix}"
    if suffix == ".csv":
        rows = "\n".join(f"{a},{b}" for a, b in data.T)
        path.write_text(f"Fp1,ECG (uV)\n{rows}\n", encoding="utf-8")
    else:
        np.savez(path, data=data, ch_names=["Fp1", "ECG"], sfreq=100.0)
    report = prepare(path, out, **HOW, units="uV", table_sfreq=100)
    assert report.preprocessing.units == ("µV", "mV")
    np.testing.assert_allclose(numbers(out, path.name), data * [[1], [1e-3]], atol=0.01)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yV", r"units must be a unit or a table \(\.tsv, \.csv\); got 'yV'\. Known are V, mV, µV"),
        ("microvots", r"got 'microvots'"),
        ("", "got ''"),
    ],
)
def test_a_word_that_is_no_unit_is_refused_with_those_that_are(
    write: WriteEdf, out: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(write("a.edf"), out, **HOW, units=text)
    assert not out.exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("name,unit\nFp1,uV\n", r"columns? .*channel, file or both; .*it has name, unit"),
        ("unit\nuV\n", "the column unit, and channel, file or both"),
        ("channel,unit\nFp1,yV\n", r"units\.tsv, line 2: unit must be one; got 'yV'"),
        ("channel,unit\nFp1,uV\nFp1,mV\n", r"line 3: Fp1 is to be in mV, but .* above says uV"),
        ("file,unit\nb,uV\n", r"line 2: 'b' may be x/b\.edf, y/b\.edf\. Give the path"),
    ],
)
def test_a_table_of_units_that_is_not_clear_is_refused(
    write: WriteEdf, table: Callable[..., Path], out: Path, rows: str, message: str
) -> None:
    folder = write("x/b.edf").parents[1]
    write("y/b.edf")
    with pytest.raises(ConfigError, match=message):
        prepare(folder, out, **HOW, units=table(rows))


def test_where_the_declared_unit_is_not_known_it_stays() -> None:
    found = Recording.from_array(np.ones((1, 4)), ch_names=("Cz",), sfreq=2, units=("µV",))
    rows = GivenUnits.read("uV", {}).rows
    given = GivenUnits(of_recordings={"a": (rows[0]._replace(channel="Cz", unit="g"),)})
    same, done = given.said_of(found, "a")
    assert same.units == ("µV",)
    assert done == {"declared in µV, which stays, not g as given": ["Cz"]}


def test_the_command_line_takes_units_and_its_messages_name_the_option(
    write: WriteEdf, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write("a.edf").parent
    write("b.edf", ("uV", "uV", "mV"))
    words = ["prepare", str(folder), "--sfreq", "100", "--window", "4", "--out"]
    assert main([*words, str(out)]) == 0
    assert "Say its unit with --units, or prepare it apart." in capsys.readouterr().out
    assert main([*words, str(out.with_name("other")), "--units", "yV"]) == 1
    assert "--units must be a unit or a table" in capsys.readouterr().err
    assert main([*words, str(out.with_name("other")), "--units", "uV"]) == 0
    capsys.readouterr()
    assert main(["info", str(folder / "a.edf")]) == 0
    assert capsys.readouterr().out.count("no unit") == 3
    assert main(["info", str(folder / "a.edf"), "--units", "uV"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Fp1, C3, ECG: without a unit, so uV as given.\n")
    assert "no unit" not in shown


def test_units_of_brainvision_are_overruled_as_those_of_its_header(shared_data: Path) -> None:
    found = read_recording(shared_data / "readers/brainvision/test.vhdr")  # in µV
    row = GivenUnits.read("nV", {}).rows[0]._replace(channel="FP1")
    given = GivenUnits(of_recordings={"test.vhdr": (row,)})
    changed, done = given.said_of(found, "test.vhdr")
    assert done == {"declared in µV, but nV as given for this recording": ["FP1"]}
    np.testing.assert_allclose(changed.read(0, 99)[0], found.read(0, 99)[0] * 1e-3, rtol=1e-6)
    np.testing.assert_array_equal(changed.read(0, 99)[1:], found.read(0, 99)[1:])
    assert (changed.units, changed.declared[0]) == (found.units, "nV")
