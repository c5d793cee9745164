"""Files of labels beside recordings, each as its publisher writes it."""

from __future__ import annotations

import struct
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biot.corpus.builder.labels.sidecars import find_sidecar, find_sidecars, read_sidecar
from biot.corpus.builder.labels.sidecars.finding import KINDS
from biot.corpus.builder.labels.sidecars.sidecar import BEYOND, WITHOUT_LABEL, WITHOUT_TIME
from biot.corpus.builder.labels.sidecars.tuh import over_channels
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError
from biot.signals.recording import Recording

WriteEdf = Callable[..., Path]
Rows = list[tuple[float, float, str]]


def write_scoring(
    path: Path, notes: Sequence[tuple[float, float | None, str]], start: str = "01.01.8500.00.00"
) -> Path:
    """An EDF+ file of one data record that holds nothing but annotations."""
    lists = b"+0\x14\x14\0"
    for onset, length, text in notes:
        lasting = "" if length is None else f"\x15{length:g}"
        lists += f"+{onset:g}{lasting}\x14{text}\x14\0".encode()
    lists += b"\0" * (len(lists) % 2)

    def field(text: object, width: int) -> bytes:
        return str(text).ljust(width).encode()

    main = field(0, 8) + field("X X X X", 80) + field("Startdate X X X X", 80) + start.encode()
    main += field(512, 8) + field("EDF+C", 44) + field(1, 8) + field(0, 8) + field(1, 4)
    signal = field("EDF Annotations", 16) + field("", 80) + field("", 8) + field(-1, 8)
    signal += field(1, 8) + field(-32768, 8) + field(32767, 8) + field("", 80)
    signal += field(len(lists) // 2, 8) + field("", 32)
    path.write_bytes(main + signal + lists)
    return path


def begun(path: Path, start: str) -> Path:
    """The recording with another start in its header."""
    content = path.read_bytes()
    path.write_bytes(content[:168] + start.encode() + content[184:])
    return path


def write_wfdb(path: Path, marks: Sequence[tuple[int, int, str]]) -> Path:
    """A WFDB annotation file: pairs of bytes, a skip before each mark, notes behind some."""
    content, before = b"", 0
    for sample, code, note in marks:
        step = sample - before
        content += struct.pack("<HHH", 59 << 10, step >> 16, step & 0xFFFF)
        content += struct.pack("<H", code << 10)
        if note:
            text = note.encode()
            content += struct.pack("<H", 63 << 10 | len(text)) + text + b"\0" * (len(text) % 2)
        before = sample
    path.write_bytes(content + b"\0\0")
    return path


def labels_of(recording: Path, suffix: str | None = None) -> Rows:
    sidecar = find_sidecar(recording, suffix)
    assert sidecar is not None
    return [tuple(stretch) for stretch in read_sidecar(sidecar, recording).stretches]


# annotation-only EDF+ --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recording", "scoring"),
    [
        ("SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"),
        ("SC4362F0-PSG.edf", "SC4362FC-Hypnogram.edf"),
        ("ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf"),
        ("x.edf", "x_annotations.edf"),
        ("x.edf", "x-annotations.EDF"),
        ("x.bdf", "x_Hypnogram.bdf"),
        ("x-PSG.edf", "x-Hypnogram.edf"),
        ("SN001.edf", "SN001_sleepscoring.edf"),
        ("01-03-0001 PSG.edf", "01-03-0001 Base.edf"),
    ],
)
def test_a_scoring_is_found_by_the_names_that_are_published(
    tmp_path: Path, recording: str, scoring: str
) -> None:
    path = tmp_path / recording
    path.touch()
    (tmp_path / "SC4002E0-PSG.edf").touch()
    written = write_scoring(tmp_path / scoring, [(0, 30, "Sleep stage W")])
    assert find_sidecar(path) == written
    assert find_sidecar(tmp_path / "SC4002E0-PSG.edf") is None


def test_another_night_s_scoring_is_not_taken(tmp_path: Path) -> None:
    paths = [tmp_path / f"SC40{night}E0-PSG.edf" for night in ("01", "02", "11")]
    for path in paths:
        path.touch()
    scorings = {
        path: write_scoring(tmp_path / f"{path.name[:7]}C-Hypnogram.edf", []) for path in paths
    }
    assert {p: found.path for p, found in find_sidecars(paths).items()} == scorings


def test_a_file_with_signals_is_no_scoring(write_edf: WriteEdf) -> None:
    path = write_edf("x.edf")
    write_edf("x_annotations.edf")
    assert find_sidecar(path) is None


@pytest.mark.parametrize(
    ("of_recording", "of_scoring", "shift"),
    [
        ("24.04.8916.13.00", "24.04.8916.13.00", 0),
        ("24.04.8916.13.00", "24.04.8916.13.05", 5),
        ("24.04.8916.13.05", "24.04.8916.13.00", -5),
        ("24.04.8923.59.58", "25.04.8900.00.03", 5),
        ("01.01.8516.13.00", "24.04.8916.13.05", 5),  # the date hidden, as EDF+ does
        ("24.04.8923.59.58", "01.01.8500.00.03", 5),
        ("24.04.8916.13.00", "01.01.8500.00.00", 0),  # nothing is said
        ("01.01.8522.13.00", "01.01.8500.00.00", 0),
        ("01.01.0000.00.00", "24.04.8916.13.00", 0),
        ("01.01.0216.13.00", "24.04.8916.13.00", 0),  # one of the dates was changed
        ("01.01.0216.13.00", "24.04.8916.13.05", 5),
        ("xx.xx.xxyy.yy.yy", "24.04.8916.13.05", 0),
    ],
)
def test_the_starts_of_both_files_count(
    write_edf: WriteEdf, of_recording: str, of_scoring: str, shift: float
) -> None:
    path = begun(write_edf("x.edf"), of_recording)
    write_scoring(path.with_name("x_annotations.edf"), [(6, 4, "a")], of_scoring)
    sidecar = read_sidecar(path.with_name("x_annotations.edf"), path)
    assert sidecar.stretches == [(6 + shift, 4, "a")]
    assert bool(sidecar.told) == (of_recording != of_scoring)


def test_a_scoring_under_another_date_goes_by_the_times_of_day(write_edf: WriteEdf) -> None:
    path = begun(write_edf("SC4001E0-PSG.edf"), "01.01.0223.59.55")
    notes = [(0, 10, "W"), (10, 10, "N1"), (20, 300, "?")]
    scoring = write_scoring(path.with_name("SC4001EC-Hypnogram.edf"), notes, "25.04.8900.00.00")
    sidecar = read_sidecar(scoring, path)
    assert sidecar.stretches == [(5, 10, "W"), (15, 10, "N1"), (25, 300, "?")]
    assert sidecar.told == (
        "files of labels with another date than their recordings, by which no label lies in these: "
        "the times of day count, by which labels do",
    )


def test_a_scoring_that_begins_late_in_a_long_recording_under_a_hidden_date(
    write_edf: WriteEdf,
) -> None:
    path = begun(write_edf("x.edf", seconds=52_000, sfreq=1), "24.04.8908.00.00")
    write_scoring(path.with_name("x_scoring.edf"), [(60, 30, "W")], "01.01.8522.00.00")
    assert labels_of(path) == [(14 * 3600 + 60, 30, "W")]


def test_a_scoring_of_another_day_is_refused(write_edf: WriteEdf) -> None:
    path = begun(write_edf("x.edf"), "24.04.8916.13.00")
    scoring = write_scoring(path.with_name("x_scoring.edf"), [(6, 4, "a")], "26.04.8917.13.00")
    message = (
        r"x_scoring.edf: found 1 label from 176406 to 176406 s, all outside the recording; "
        r"expected labels within its 20 s. By the headers it starts \+176400 s from x.edf: correct"
    )
    with pytest.raises(RecordingError, match=message):
        read_sidecar(scoring, path).within(20)


def test_the_published_hypnogram_has_its_stages(shared_data: Path, write_edf: WriteEdf) -> None:
    mne = pytest.importorskip("mne")
    published = shared_data / "readers/edf/SC4001EC-Hypnogram.edf"
    path = begun(write_edf("SC4001E0-PSG.edf", seconds=79500, sfreq=1), "24.04.8916.13.00")
    path.with_name(published.name).write_bytes(published.read_bytes())
    expected = mne.read_annotations(published)
    found = labels_of(path)
    assert len(found) == len(expected) == 154
    assert found == [(note["onset"], note["duration"], note["description"]) for note in expected]


# TUH -------------------------------------------------------------------------------------------

CSV = """# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 20.0000 secs
# montage_file = $NEDC_NFC/lib/nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
"""
CSV_BI = f"{CSV}TERM,0.0000,4.5000,bckg,1.0000\nTERM,4.5000,20.0000,seiz,1.0000\n"
TSE = "version = tse_v1.0.0\n\n0.0000 4.5000 bckg 1.0000\n4.5000 20.0000 seiz 1.0000\n"
LBL = """version = lbl_v1.0.0
montage = 0, FP1-F7: EEG FP1-REF -- EEG F7-REF
montage = 1, F7-T3: EEG F7-REF -- EEG T3-REF
number_of_levels = 1
level[0] = 1
symbols[0] = {0: '(null)', 1: 'bckg', 2: 'seiz'}
label = {0, 0, 0.0000, 4.5000, 0, [0.0, 1.0, 0.0]}
label = {0, 0, 4.5000, 20.0000, 0, [0.0, 0.0, 1.0]}
label = {0, 0, 0.0000, 6.0000, 1, [0.0, 1.0, 0.0]}
label = {0, 0, 6.0000, 20.0000, 1, [0.0, 0.0, 1.0]}
"""


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".csv_bi", CSV_BI), (".tse_bi", TSE), (".tse", TSE), (".lbl", LBL),
        (".csv", CSV_BI),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_labels_of_tuh_are_read(
    tmp_path: Path, suffix: str, text: str, ends: str, mark: bytes
) -> None:
    path = tmp_path / "aaaaaaac_s001_t000.edf"
    path.touch()
    path.with_suffix(suffix).write_bytes(mark + text.replace("\n", ends).encode())
    assert labels_of(path) == [(0, 4.5, "bckg"), (4.5, 15.5, "seiz")]


def test_labels_of_channels_count_where_any_channel_has_them(tmp_path: Path) -> None:
    path = tmp_path / "aaaaaaac_s001_t000.edf"
    path.touch()
    rows = ["FP1-F7,1,5,fnsz,1", "F7-T3,3,8,fnsz,1", "FP1-F7,10,12,fnsz,1", "F7-T3,4,5,cpsz,1"]
    path.with_suffix(".csv").write_text(CSV + "\n".join(rows))
    assert labels_of(path) == [(1, 7, "fnsz"), (4, 1, "cpsz"), (10, 2, "fnsz")]
    sidecar = read_sidecar(path.with_suffix(".csv"), path)
    assert sidecar.told == (
        "labels of channels count for the recording where any channel has them, bckg where none "
        "has another",
    )


def test_background_of_one_channel_leaves_no_rest_beside_a_seizure_of_another(
    tmp_path: Path,
) -> None:
    path = tmp_path / "aaaaaaac_s001_t000.edf"
    path.touch()
    rows = [
        "FP1-F7,0.0,36.8868,bckg,1", "FP1-F7,36.8868,183.3055,fnsz,1",
        "FP1-F7,183.3055,301.0,bckg,1", "F7-T3,0.0,301.0,bckg,1",
    ]  # fmt: skip
    path.with_suffix(".csv").write_text(CSV + "\n".join(rows))
    found = labels_of(path)
    assert [label for *_, label in found] == ["bckg", "fnsz", "bckg"]
    assert [onset for onset, *_ in found] == pytest.approx([0, 36.8868, 183.3055])


def test_events_of_tuev_have_their_six_names(tmp_path: Path) -> None:
    path = tmp_path / "aaaaaaar_00000001.edf"
    path.touch()
    rows = [f"{code},{code}.5,{code + 1}.5,{code}" for code in range(1, 7)]
    rows.append(rows[0].replace("1,", "9,", 1))  # another channel has the first one, too
    path.with_suffix(".rec").write_text("\n".join(rows))
    names = ["spsw", "gped", "pled", "eyem", "artf", "bckg"]
    expected = [(n + 1.5, 1.0, name) for n, name in enumerate(names)]
    assert labels_of(path) == [*expected, expected[0]]


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from(["a", "b", "bckg"])),
        max_size=12,
    )
)
def test_the_union_over_channels_covers_the_same_seconds(rows: list[tuple[int, int, str]]) -> None:
    joined = over_channels(Stretch(*row) for row in rows)
    seconds = {
        label: {s for on, n, one in rows if one == label for s in range(on, on + n)}
        for label in ("a", "b", "bckg")
    }
    seconds["bckg"] -= seconds["a"] | seconds["b"]
    for label, covered in seconds.items():
        found = [range(int(s[0]), int(s[0] + s[1])) for s in joined if s[2] == label]
        assert sorted(s for each in found for s in each) == sorted(covered)


@given(st.lists(st.floats(0.0001, 999).map(lambda x: round(x, 4)), min_size=1, max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_tse_file_comes_back_as_it_was_written(tmp_path: Path, lengths: list[float]) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    ends = [round(sum(lengths[:n]), 4) for n in range(len(lengths) + 1)]
    rows = [f"{a:.4f} {b:.4f} l{n} 1.0" for n, (a, b) in enumerate(pairwise(ends))]
    path.with_suffix(".tse").write_text("version = tse_v1.0.0\n" + "\n".join(rows))
    expected = [(a, b - a, f"l{n}") for n, (a, b) in enumerate(pairwise(ends))]
    assert labels_of(path) == expected


# seizures --------------------------------------------------------------------------------------

SUMMARY = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb01_01.edf
File Start Time: 11:42:54
File End Time: 12:42:54
Number of Seizures in File: 0

File Name: chb01_03.edf
File Start Time: 13:43:04
File End Time: 14:43:04
Number of Seizures in File: 1
Seizure Start Time: 5 seconds
Seizure End Time: 12 seconds

Channels changed:
Channel 1: FP1

File Name: chb24_04.edf
Number of Seizures in File: 2
Seizure 1 Start Time: 3 seconds
Seizure 1 End Time: 6 seconds
Seizure 2 Start Time:10 seconds
Seizure 2 End Time: 11 seconds
"""


def test_the_summary_of_chb_mit_tells_of_each_recording(tmp_path: Path) -> None:
    (tmp_path / "chb01-summary.txt").write_text(SUMMARY)
    paths = [tmp_path / f"{name}.edf" for name in ("chb01_01", "chb01_03", "chb24_04", "chb01_99")]
    for path in paths:
        path.touch()
    assert labels_of(paths[0]) == []
    assert labels_of(paths[1]) == [(5, 7, "seizure")]
    assert labels_of(paths[2]) == [(3, 3, "seizure"), (10, 1, "seizure")]
    assert find_sidecar(paths[3]) is None


def test_the_seizures_file_of_chb_mit_says_the_same(write_edf: WriteEdf) -> None:
    path = write_edf("chb01_03.edf", sfreq=256)
    write_wfdb(Path(f"{path}.seizures"), [(5 * 256, 32, ""), (12 * 256, 33, "")])
    assert labels_of(path) == [(5, 7, "seizure")]


SIENA = """Subject ID:PN00
Data Sampling Rate: 512 Hz
*******
Seizure n 1
File name: PN00-1.edf
Registration start time: 19.39.33
Registration end time:  19.59.53
Seizure start time: 19.58.36
Seizure end time: 19.59.46

Seizure n 2 (in hospital)
File name: PN00-2.edf
Registration start time: 23:59:50
Registration end time: 00:00:30
Start time: 00:00:05
End time: 00.00.15

Seizure n 3
Seizure start time: 00.00.20
Seizure end time: 00.00.22
"""


def test_clock_times_of_siena_count_from_the_registration_s_start(write_edf: WriteEdf) -> None:
    first = write_edf("PN00-1.edf", seconds=1220, sfreq=10)
    second = write_edf("PN00-2.edf", seconds=40, sfreq=10)
    other = write_edf("PN01-1.edf", seconds=40, sfreq=10)
    first.with_name("Seizures-list-PN00.txt").write_text(SIENA)
    assert labels_of(first) == [(1143, 70, "seizure")]
    assert labels_of(second) == [(15, 10, "seizure"), (30, 2, "seizure")]
    assert find_sidecar(other) is None


@pytest.mark.parametrize("name", ["PN06.edf", "PN06-.edf", "PNO6-1.edf", "pn06_1"])
def test_names_that_siena_misspells_are_understood_and_told(write_edf: WriteEdf, name: str) -> None:
    path = write_edf("PN06-1.edf", seconds=60, sfreq=10)
    text = (
        f"File name: {name}\nRegistration start time: 10.00.00\n"
        "Seizure start time: 10.00.20\nSeizure end time: 10.00.30\n"
    )
    path.with_name("Seizures-list-PN06.txt").write_text(text)
    sidecar = read_sidecar(path.with_name("Seizures-list-PN06.txt"), path)
    assert sidecar.stretches == [(20, 10, "seizure")]
    assert sidecar.told == (f"Seizures-list-PN06.txt names {name}, taken for PN06-1.edf",)


def test_an_end_that_is_an_hour_late_is_put_right_and_told(write_edf: WriteEdf) -> None:
    path = write_edf("PN00-3.edf", seconds=60, sfreq=10)
    text = (
        "File name: PN00-3.edf\nRegistration start time: 18.15.44\n"
        "Seizure start time: 18.15.54\nSeizure end time: 19.16.14\n"
    )
    path.with_name("Seizures-list-PN00.txt").write_text(text)
    sidecar = read_sidecar(path.with_name("Seizures-list-PN00.txt"), path)
    assert sidecar.stretches == [(10, 20, "seizure")]
    assert "its end was taken an hour earlier, 20 s after its start" in sidecar.told[0]


# events.tsv ------------------------------------------------------------------------------------

SZCORE = (
    "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
    "2.0\t3.0\tsz_foc_ia\tn/a\tn/a\t2016-11-06 13:43:04\t20.00\n"
    "n/a\t3.0\tsz\tn/a\tn/a\tn/a\t20.00\n"
    "7\t1\tn/a\thigh\tn/a\tn/a\t20.00\n"
    "30\t1\tbckg\tlow\tn/a\tn/a\t20.00\n"
)


@pytest.mark.parametrize("name", ["x_events.tsv", "x.tsv", "x-events.TSV"])
def test_events_of_szcore_are_read_by_column(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    (tmp_path / name).write_text(SZCORE)
    sidecar = read_sidecar(tmp_path / name, path)
    assert find_sidecar(path) == tmp_path / name
    kept, left_out = sidecar.within(20)
    assert kept == [(2, 3, "sz_foc_ia")]
    assert left_out == {WITHOUT_TIME: 1, WITHOUT_LABEL: 1, BEYOND: 1}
    assert sidecar.within(20, "Confidence")[0] == [(7, 1, "high")]
    with pytest.raises(RecordingError, match=r"no column of labels called 'type'.* it has label, "):
        sidecar.within(20, "type")


# hypnograms ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x_hypno.txt", "x-hypno.csv", "x.hyp", "x_hypnogram.txt", "x.txt", "x.csv"]
)
@pytest.mark.parametrize("header", ["", "Stage\n"])
def test_a_stage_a_line_is_thirty_seconds(write_edf: WriteEdf, name: str, header: str) -> None:
    path = write_edf("x.edf", seconds=125, sfreq=10)
    (path.parent / name).write_text(f"{header}W\nN1\nN2\nR\n")
    assert labels_of(path) == [(0, 30, "W"), (30, 30, "N1"), (60, 30, "N2"), (90, 30, "R")]


def test_numbers_of_stages_stay_as_they_are(write_edf: WriteEdf) -> None:
    path = write_edf("x.edf", seconds=120, sfreq=10)
    path.with_name("x_hypno.txt").write_text("0\r\n-1\r\n2.0\r\n5")
    assert [label for _, _, label in labels_of(path)] == ["0", "-1", "2", "5"]


def test_numbers_in_a_file_of_any_name_count_only_where_there_are_no_other_labels(
    write_edf: WriteEdf,
) -> None:
    path = write_edf("x.edf", seconds=120, sfreq=10)
    for text in ("R\nW\nR\nR\n", "label\n1\n2\n1\n", "0\n1\n2\n3\n"):
        path.with_suffix(".txt").write_text(text)
        assert find_sidecars([path], own=False) == {}
    assert [label for _, _, label in labels_of(path)] == ["0", "1", "2", "3"]
    assert labels_of(path, ".txt") == labels_of(path)
    path.with_suffix(".txt").rename(path.with_name("x_hypno.txt"))
    assert path in find_sidecars([path], own=False)


def test_a_hypnogram_of_another_length_is_refused(write_edf: WriteEdf) -> None:
    path = write_edf("x.edf", seconds=120, sfreq=10)
    path.with_name("x_hypno.txt").write_text("W\n" * 6)
    message = (
        r"x_hypno.txt: found 6 stages, at 30 s a line 180 s long \(they would fit at 20 s a "
        r"line\); expected as many as fit the 120 s of x.edf, within one"
    )
    with pytest.raises(RecordingError, match=message):
        labels_of(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.txt", "Patient was calm.\nNothing to report.\n"),
        ("x.csv", "time,C3,C4\n0.0,1.5,2.5\n0.1,1.4,2.2\n"),
        ("x.csv", "a,b\n1,2\n"),
        ("x.tsv", "name\tunits\nC3\tuV\n"),
        ("x.rec", "0       X X X X"),
        ("x.xml", "<?xml version='1.0'?>\n<settings/>"),
    ],
)
def test_files_of_the_same_name_that_are_no_labels_are_not_taken(
    tmp_path: Path, name: str, text: str
) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    (tmp_path / name).write_text(text)
    assert find_sidecar(path) is None
    asked = find_sidecar(path, Path(name).suffix)
    assert asked == tmp_path / name
    with pytest.raises(
        RecordingError, match=rf"{name}: is no file of labels of x.edf that is known"
    ):
        read_sidecar(asked, path)


# NSRR ------------------------------------------------------------------------------------------


def scored(kind: str, concept: str, start: float, duration: float) -> str:
    return (
        f"<ScoredEvent>\n<EventType>{kind}</EventType>\n<EventConcept>{concept}</EventConcept>\n"
        f"<Start>{start}</Start>\n<Duration>{duration}</Duration>\n</ScoredEvent>\n"
    )


NSRR = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<PSGAnnotation>\n'
    "<SoftwareVersion>Compumedics</SoftwareVersion>\n<EpochLength>30</EpochLength>\n<ScoredEvents>"
    + "<ScoredEvent>\n<EventType/>\n<EventConcept>Recording Start Time</EventConcept>\n"
    "<Start>0</Start>\n<Duration>120.0</Duration>\n</ScoredEvent>\n"
    + scored("Respiratory|Respiratory", "SpO2 desaturation|SpO2 desaturation", 5.0, 10.5)
    + scored("Stages|Stages", "Wake|0", 0, 60.0)
    + scored("Stages|Stages", "Stage 1 sleep|1", 60, 30.0)
    + scored("Arousals|Arousals", "Arousal|Arousal ()", 70.0, 3.0)
    + scored("Stages|Stages", "REM sleep|5", 90, 30.0)
    + "</ScoredEvents>\n</PSGAnnotation>\n"
)


@pytest.mark.parametrize(
    ("of_recording", "of_labels"),
    [
        ("shhs1-200001.edf", "shhs1-200001-nsrr.xml"),
        (
            "polysomnography/edfs/shhs1/shhs1-200001.edf",
            "polysomnography/annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml",
        ),
    ],
)
def test_stages_of_nsrr_are_read_and_other_events_by_column(
    tmp_path: Path, of_recording: str, of_labels: str
) -> None:
    path, labels = tmp_path / of_recording, tmp_path / of_labels
    for file in (path, labels):
        file.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    labels.write_text(NSRR)
    assert labels_of(path) == [(0, 60, "Wake"), (60, 30, "Stage 1 sleep"), (90, 30, "REM sleep")]
    events, _ = read_sidecar(labels, path).within(120, "event")
    assert events == [(5, 10.5, "SpO2 desaturation"), (70, 3, "Arousal")]


def test_entities_in_xml_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    bomb = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n'
    path.with_suffix(".xml").write_text(NSRR.replace("<PSGAnnotation>", f"{bomb}<PSGAnnotation>"))
    with pytest.raises(RecordingError, match=r"x.xml: found a document type or entities; expected"):
        labels_of(path)


# WFDB ------------------------------------------------------------------------------------------


def test_an_annotator_beside_any_recording_is_read(write_edf: WriteEdf) -> None:
    path = write_edf("x.edf", sfreq=100)
    write_wfdb(path.with_suffix(".atr"), [(50, 1, ""), (150, 28, "(AFIB"), (900, 5, "")])
    write_wfdb(path.with_suffix(".xyz"), [(100, 1, "")])
    assert labels_of(path) == [(0.5, 0, "N"), (9, 0, "V")]
    assert labels_of(path, ".xyz") == [(1, 0, "N")]


def test_marks_are_as_wfdb_reads_them(write_edf: WriteEdf) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = write_edf("x.edf", sfreq=100)
    write_wfdb(path.with_suffix(".qrs"), [(n * 90_000 + 7, 1, "") for n in range(5)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about how wfdb uses it
        expected = wfdb.rdann(str(path.with_suffix("")), "qrs").sample
    assert [onset * 100 for onset, _, _ in labels_of(path, "qrs")] == pytest.approx(list(expected))


def test_names_of_physionet_keep_the_suffix_of_the_recording(write_edf: WriteEdf) -> None:
    path = write_edf("r01.edf", sfreq=100)
    write_wfdb(Path(f"{path}.qrs"), [(50, 1, "")])
    write_wfdb(Path(f"{path}.event"), [(100, 22, "T0")])
    assert labels_of(path) == [(0.5, 0, "N")]
    assert labels_of(path, ".event") == labels_of(path, "edf.event") == [(1, 0, "T0")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_wfdb_record_s_own_annotations_are_one_of_its_files(tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    samples = np.arange(1000.0)[:, np.newaxis] / 100
    wfdb.wrsamp("r1", 100, ["mV"], ["II"], samples, fmt=["16"], write_dir=str(tmp_path))
    path = write_wfdb(tmp_path / "r1.atr", [(50, 1, "")]).with_suffix(".hea")
    write_wfdb(tmp_path / "r1.qrs", [(70, 1, "")])
    assert labels_of(path) == [(0.5, 0, "N")]
    assert labels_of(path, ".qrs") == [(0.7, 0, "N")]
    assert find_sidecars([path], own=False) == {}


# choosing, and damage --------------------------------------------------------------------------


def test_of_several_files_the_order_of_preference_decides_unless_one_is_named(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    for suffix, text in ((".csv", CSV_BI), (".csv_bi", CSV_BI), (".tse", TSE), (".tse_bi", TSE)):
        path.with_suffix(suffix).write_text(text)
    found = find_sidecars([path])[path]
    assert found.path.suffix == ".csv_bi"
    assert found.others == ("TUH .tse_bi", "TUH .csv", "TUH .tse")
    for suffix in (".csv", "tse", ".tse_bi", ".TSE"):
        asked = find_sidecar(path, suffix)
        assert asked is not None
        assert asked.suffix == f".{suffix.lower().removeprefix('.')}"
    assert find_sidecar(path, ".rec") is None


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".csv_bi", f"{CSV}TERM,0.0,four,bckg,1\n", "line 7: found the stop 'four'; expected a nu"),
        (".csv_bi", f"{CSV}TERM,1e300,2e300,bckg,1\n", "line 7: found the start '1e300'; expected"),
        (".csv_bi", f"{CSV}TERM,4.0,2.0,bckg,1\n", "line 7: found the stop 2.0 before the start"),
        (".csv_bi", f"{CSV}TERM,0.0,4.0\n", "line 7: found 3 cells; expected 5"),
        (".csv_bi", "", "found 'nothing'; expected the columns channel,start_time"),
        (".tse", "0.0 4.0 bckg 1\n", "line 1: found '0.0 4.0 bckg 1'; expected 'version = tse"),
        (".tse", f"{TSE}4.0 bckg\n", "line 5: found '4.0 bckg'; expected start, stop, label"),
        (".tse", "\0\0", "found zero bytes; expected text"),
        (".lbl", LBL.replace("{0, 0, 6", "{7, 0, 6"), "line 10: found '7,0,6.0000,20.0000,1'"),
        (".rec", "0,1.0,2.0,6\n0,1.0,2.0,9\n", "line 2: found the code '9'; expected one of 1 sp"),
        (".atr", "abcdef", "truncated, or no WFDB annotation file"),
        ("_events.tsv", f"{SZCORE}x\t1\ta\ta\ta\ta\t1\n", "line 6: found the onset 'x'; expected"),
        ("_events.tsv", f"{SZCORE}1\t1\n", "line 6: found 2 cells; expected 7"),
        ("_hypno.txt", "W\nW\nW\nW\nW\nW\nW?", "line 7: found 'W\\?'; expected a stage of sleep"),
        ("-nsrr.xml", NSRR[:-40], "line 40: found no XML .*; expected the XML of NSRR"),
        ("-summary.txt", SUMMARY.replace("01_03", "x"), "x"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_line_and_what_was_found(
    write_edf: WriteEdf, suffix: str, text: str, message: str
) -> None:
    path = write_edf("x.edf")
    if suffix == "-summary.txt":
        text = text.replace("chbx.edf", "x.edf").replace("Seizure End Time: 12 seconds\n", "")
        message = "line 13: found 1 starts and 0 ends of seizures, and 1 by their number"
    sidecar = path.with_name(f"x{suffix}")
    sidecar.write_text(text)
    with pytest.raises(RecordingError, match=rf"{sidecar.name}(?:, |: ).*{message}"):
        read_sidecar(sidecar, path)


def test_text_in_latin_1_and_utf_16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.edf"
    path.touch()
    for encoding in ("latin-1", "utf-16"):
        path.with_suffix(".tse").write_bytes(TSE.replace("seiz", "Anfälle").encode(encoding))
        assert Counter(label for *_, label in labels_of(path)) == {"bckg": 1, "Anfälle": 1}


def test_every_kind_of_file_is_documented(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs/labels.md").read_text(encoding="utf-8")
    assert [kind.name for kind in KINDS if kind.name not in text] == []


_PUBLISHED = {
    ".csv_bi": CSV_BI, ".csv": CSV_BI, ".tse": TSE, ".lbl": LBL, ".rec": "0,5.0,6.0,6\n",
    "-summary.txt": SUMMARY.replace("chb01_03", "x"), "_seizures_list.txt": SIENA,
    "_events.tsv": SZCORE, "_hypno.txt": "W\nN1\n", "-nsrr.xml": NSRR,
}  # fmt: skip


@given(st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_any_damage_is_read_or_refused_by_its_name(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "x.edf"
    recording = Recording.from_array(
        np.zeros((1, 600)), ch_names=["C3"], sfreq=10, units=["µV"], path=path
    )
    suffix = data.draw(st.sampled_from([*_PUBLISHED, ".atr", ".edf.seizures"]))
    content = _PUBLISHED.get(suffix, "").encode() or bytes.fromhex("00ec0000320004100000")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 9))
        content = content[:place] + data.draw(st.binary(max_size=9)) + content[place + length :]
    sidecar = tmp_path / f"x{suffix}"
    sidecar.write_bytes(content)
    found, left_out, refusal = [], Counter(), sidecar.name
    try:
        found, left_out = read_sidecar(sidecar, recording).within(recording.duration)
    except RecordingError as error:
        refusal = str(error)
    finally:
        assert refusal.startswith(sidecar.name)
        assert all(0 <= onset < 60 and length >= 0 and label for onset, length, label in found)
        assert all(left_out.values())
