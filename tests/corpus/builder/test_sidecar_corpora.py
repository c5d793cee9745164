"""From recordings with files of labels beside them to corpora."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import load_corpus, prepare
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
TSE = "version = tse_v1.0.0\n\n0.0000 8.0000 bckg 1.0000\n8.0000 20.0000 seiz 1.0000\n"


def prepared(path: Path, **changes: Any) -> Any:
    given = {"sfreq": 100, "window": 2, "labels": "sidecars"}
    return prepare(path, path.parent / "corpus", **(given | changes))


def noise() -> Any:
    return np.random.default_rng(1).integers(-200, 200, (2, 2000))


@pytest.fixture
def session(write_edf: WriteEdf) -> Path:
    """Two recordings of 20 s, both with annotations of their own, one with a .tse file."""
    notes = [(0.0, 20.0, "own")]
    first = write_edf("aaaaaaaa_s001_t000.edf", annotations=notes)
    write_edf("aaaaaaab_s001_t000.edf", noise(), annotations=notes)
    first.with_suffix(".tse").write_text(TSE)
    return first.parent


def test_a_file_beside_takes_the_place_of_annotations_and_that_is_told(session: Path) -> None:
    report = prepared(session, labels="annotations")
    assert report.labels == {"bckg": 4, "own": 10, "seiz": 6}
    assert report.notes[:2] == (
        "labels of 1 recording are from TUH .tse",
        "1 recording has no file of labels beside it; their own annotations count: "
        "aaaaaaab_s001_t000.edf",
    )


def test_background_of_recordings_without_a_file_is_told(session: Path) -> None:
    report = prepared(session, labels="annotations", background="rest")
    assert report.labels == {"bckg": 4, "own": 10, "seiz": 6}
    assert report.notes[1] == (
        "1 recording has no file of labels beside it; their own annotations count, and windows "
        "without one are background: aaaaaaab_s001_t000.edf"
    )


def test_only_files_beside_count_where_that_is_asked(session: Path) -> None:
    report = prepared(session)
    assert report.labels == {"bckg": 4, "seiz": 6}
    assert report.dropped == {"recordings without a file of labels beside them": 1}
    assert "and are left out: aaaaaaab_s001_t000.edf" in report.notes[1]


def test_a_changed_file_makes_its_recording_be_prepared_anew(session: Path) -> None:
    prepared(session, labels="annotations")
    file = session / "aaaaaaaa_s001_t000.tse"
    file.write_text(TSE.replace("8.0000", "10.0000"))
    report = prepared(session, labels="annotations")
    assert report.labels == {"bckg": 5, "own": 10, "seiz": 5}
    assert report.changes == (
        "aaaaaaaa_s001_t000.edf has another subject, labels or units and was prepared anew",
    )
    file.unlink()
    assert prepared(session, labels="annotations").labels == {"own": 20}


def test_a_damaged_file_sets_its_recording_aside(session: Path) -> None:
    (session / "aaaaaaab_s001_t000.tse").write_text(TSE + "what\n")
    report = prepared(session)
    assert report.labels == {"bckg": 4, "seiz": 6}
    ((name, reason),) = report.quarantined
    assert name == "aaaaaaab_s001_t000.edf"
    assert reason == (
        "aaaaaaab_s001_t000.tse, line 5: found 'what'; expected start, stop, label and probability."
    )


def test_what_says_nothing_is_counted(session: Path) -> None:
    rows = ["8 12 n/a 1", "n/a 12 seiz 1", "20 30 seiz 1", "25 30 seiz 1", "18 30 late 1"]
    (session / "aaaaaaaa_s001_t000.tse").write_text(f"{TSE[:-29]}\n" + "\n".join(rows))
    report = prepared(session)
    assert report.labels == {"bckg": 4, "late": 1}
    assert report.dropped == {
        "labels beside recordings, empty or n/a": 1,
        "labels beside recordings, beginning at or beyond the recording's end": 2,
        "labels beside recordings without a time": 1,
        "recordings without a file of labels beside them": 1,
        "windows without a label": 5,
    }


def test_a_file_of_another_recording_sets_it_aside(session: Path) -> None:
    (session / "aaaaaaab_s001_t000.tse").write_text(f"{TSE[:22]}100 200 seiz 1\n")
    ((_, reason),) = prepared(session).quarantined
    assert "found 1 label from 100 to 100 s, all outside the recording" in reason


def test_the_suffix_chooses_among_files(session: Path) -> None:
    binary = session / "aaaaaaaa_s001_t000.tse_bi"
    binary.write_text(TSE.replace("8.0000", "6.0000"))
    report = prepared(session)
    assert report.labels == {"bckg": 3, "seiz": 7}
    assert "1 recording also has TUH .tse, which --sidecar would choose" in report.notes
    shutil.rmtree(session.parent / "corpus")
    assert prepared(session, sidecar=".tse").labels == {"bckg": 4, "seiz": 6}


def test_words_that_contradict_each_other_are_refused(session: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"None of the 2 recordings has a file '.rec' beside it, but"
    ):
        prepared(session, sidecar=".rec")
    with pytest.raises(ConfigError, match=r"such as .tse_bi; got '.tse', but labels is 'f"):
        prepared(session, sidecar=".tse", labels="folder")
    with pytest.raises(ConfigError, match=r"files beside recordings give one at a time, got a, b"):
        prepared(session, label_columns=("a", "b"))
    (session / "aaaaaaaa_s001_t000.tse").unlink()
    with pytest.raises(CorpusError, match=r"None of the 2 recordings has files of labels that are"):
        prepared(session)


def test_windows_outside_seizures_are_background(write_edf: WriteEdf) -> None:
    folder = write_edf("chb01_01.edf").parent
    write_edf("chb01_03.edf", noise())
    (folder / "chb01-summary.txt").write_text(
        "File Name: chb01_01.edf\nNumber of Seizures in File: 0\n\n"
        "File Name: chb01_03.edf\nNumber of Seizures in File: 1\n"
        "Seizure Start Time: 6 seconds\nSeizure End Time: 14 seconds\n"
    )
    assert prepared(folder, background="bckg").labels == {"bckg": 16, "seizure": 4}
    shutil.rmtree(folder.parent / "corpus")
    report = prepared(folder)
    assert report.labels == {"seizure": 4}
    assert report.dropped == {"windows without a label": 16}
    assert (
        "CHB-MIT -summary.txt mark events only: windows outside get a label with --background, and "
        "are left out without it"
    ) in report.notes


def test_columns_of_a_file_are_chosen_by_name(write_edf: WriteEdf) -> None:
    path = write_edf("x.edf")
    rows = ["onset\tduration\ttrial_type\tside", "0\t8\tgo\tleft", "8\t12\trest\tn/a"]
    path.with_name("x_events.tsv").write_text("\n".join(rows))
    assert prepared(path.parent).labels == {"go": 4, "rest": 6}
    shutil.rmtree(path.parent.parent / "corpus")
    assert prepared(path.parent, label_columns=("side",)).labels == {"left": 4}
    shutil.rmtree(path.parent.parent / "corpus")
    with pytest.raises(CorpusError, match=r"has no column of labels called 'hand'.* it has label"):
        prepared(path.parent, label_columns=("hand",))


@pytest.mark.parametrize("label", ["BAD_blink", "boundary", "EDGE"])
def test_marks_of_bad_data_and_breaks_are_no_labels(session: Path, label: str) -> None:
    (session / "aaaaaaaa_s001_t000.tse").write_text(f"{TSE}2 4 {label} 1\n")
    report = prepared(session)
    assert report.labels == {"bckg": 4, "seiz": 6}
    assert report.dropped["labels beside recordings, marking bad data or breaks"] == 1


# reported inputs -------------------------------------------------------------------------------


@pytest.fixture
def reported(shared_reports: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a folder of inputs that were reported."""

    def copied(name: str) -> Path:
        if not (shared_reports / "read" / name).is_dir():
            pytest.skip(f"needs ../shared/reports/read/{name}, which is absent here")
        folder = shutil.copytree(shared_reports / "read" / name, tmp_path / "study" / name)
        for file in (folder, *folder.rglob("*")):
            file.chmod(0o755)
        return Path(folder)

    return copied


@pytest.mark.filterwarnings("ignore:.*signals have the rates")
def test_a_night_of_sleep_edf_has_its_twelve_windows(reported: Callable[[str], Path]) -> None:
    folder = reported("sleep-edf")
    table = (folder / "labels_from_hypnogram.tsv").read_text().splitlines()[1:]
    expected: Counter[str] = Counter()
    for _, onset, duration, label in (line.split("\t") for line in table):
        if float(onset) < 360:
            expected[label] += int(float(duration) // 30)
    report = prepared(folder, window=30, labels="annotations")
    assert report.labels == expected
    assert report.n_windows == 12
    assert report.notes[0] == (
        "1 of the files hold labels of others, and are not counted as recordings: "
        "SC4001EC-Hypnogram.edf"
    )


def test_a_table_of_labels_is_no_recording_where_tables_are_searched(session: Path) -> None:
    (session / "aaaaaaaa_s001_t000_hypno.csv").write_text("W\nN1\n")
    report = prepared(session, labels="none", search_tables=True)
    assert report.n_recordings == 2
    assert report.notes[0].endswith("not counted as recordings: aaaaaaaa_s001_t000_hypno.csv")


def test_a_scoring_without_its_recording_is_told(reported: Callable[[str], Path]) -> None:
    folder = reported("sleep-edf")
    (folder / "SC4001EC-Hypnogram.edf").rename(folder / "SC4112EC-Hypnogram.edf")
    with pytest.warns(UserWarning, match="signals have the rates"):
        report = prepared(folder, window=30, labels="none")
    ((name, reason),) = report.quarantined
    assert name == "SC4112EC-Hypnogram.edf"
    assert "holds annotations but no signal" in reason


def test_the_look_alike_of_tusz_has_bckg_seiz_bckg(
    reported: Callable[[str], Path], write_edf: WriteEdf
) -> None:
    folder = reported("tuh")
    path = write_edf("aaaaaaac_s001_t000.edf", seconds=40)
    shutil.copy(path, folder)
    report = prepared(folder, window=0.25)
    assert report.labels == {"bckg": 58 + 39, "seiz": 63}
    assert load_corpus(report.out).label_ids.tolist() == [0] * 58 + [1] * 63 + [0] * 39
    shutil.rmtree(folder.parent / "corpus")
    assert prepared(folder, window=1, sidecar=".rec").labels == {"bckg": 1, "spsw": 1}


@pytest.mark.filterwarnings("ignore:.*(ha(s|ve) no onset|lies? before or after)")
def test_of_the_reported_bids_events_four_and_two_remain(reported: Callable[[str], Path]) -> None:
    folder = reported("bids")
    report = prepared(folder, window=0.05, align="events", stride=100, labels="annotations")
    assert report.labels == {"go": 4, "rest": 2}
    assert report.dropped == {
        "labels beside recordings, empty or n/a": 1,
        "labels beside recordings, beginning at or beyond the recording's end": 1,
        "labels beside recordings without a time": 2,
    }


@pytest.mark.filterwarnings("ignore:.*highest frequency|.*slower")
def test_the_published_hypnogram_gives_as_many_windows_as_it_has_epochs(
    shared_data: Path, write_edf: WriteEdf
) -> None:
    mne = pytest.importorskip("mne")
    published = shared_data / "readers/edf/SC4001EC-Hypnogram.edf"
    path = write_edf("SC4001E0-PSG.edf", seconds=79500, sfreq=1)
    content = path.read_bytes()
    path.write_bytes(content[:168] + b"24.04.8916.13.00" + content[184:])
    shutil.copy(published, path.parent)
    expected: Counter[str] = Counter()
    for note in mne.read_annotations(published):
        inside = min(note["onset"] + note["duration"], 79500) - note["onset"]
        expected[note["description"]] += int(inside // 30)
    report = prepared(path.parent, sfreq=1, window=30, labels="annotations")
    assert report.labels == +expected
    assert report.n_windows == 2650
    assert report.dropped == {  # "Sleep stage ?", from the recording's end on
        "labels beside recordings, beginning at or beyond the recording's end": 1
    }


def test_stages_of_a_night_of_shhs_are_mapped(write_edf: WriteEdf, tmp_path: Path) -> None:
    name = "polysomnography/edfs/shhs1/shhs1-200001.edf"
    path = write_edf(name, seconds=300, sfreq=10)
    stages = ["Wake|0", "Stage 1 sleep|1", "Stage 4 sleep|4", "Stage 3 sleep|3", "REM sleep|5"]
    events = [
        f"<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{stage}</EventConcept>"
        f"<Start>{60 * place}</Start><Duration>60</Duration></ScoredEvent>"
        for place, stage in enumerate(stages)
    ]
    folder = path.parents[2] / "annotations-events-nsrr/shhs1"
    folder.mkdir(parents=True)
    (folder / "shhs1-200001-nsrr.xml").write_text(
        f"<?xml version='1.0'?><PSGAnnotation><ScoredEvents>{''.join(events)}</ScoredEvents>"
        "</PSGAnnotation>"
    )
    report = prepared(
        tmp_path / "recordings", sfreq=10, window=30,
        label_map="Wake=W,Stage 1 sleep=N1,Stage 3 sleep,Stage 4 sleep=N3,REM sleep=R",
    )  # fmt: skip
    assert report.labels == {"N1": 2, "N3": 4, "R": 2, "W": 2}


def test_workers_read_files_of_labels_as_one_process_does(session: Path) -> None:
    report = prepared(session, labels="annotations", workers=2)
    assert report.labels == {"bckg": 4, "own": 10, "seiz": 6}


@pytest.mark.parametrize("end", ["_annot.csv", ".txt", "-profusion.xml"])
def test_files_that_may_hold_labels_and_are_not_read_are_told(session: Path, end: str) -> None:
    (session / f"aaaaaaab_s001_t000{end}").write_text("onset,duration,description\n0,1,a\n")
    told = (
        f"files named {end!r} after their recordings may hold labels, but are of no kind that is "
        f"known and not read; --sidecar {end.lstrip('-_')} tries them, and a table of labels may "
        "say the same"
    )
    report = prepared(session, labels="annotations")
    assert f"{told}, in 1: aaaaaaab_s001_t000.edf" in report.notes
    (session / "aaaaaaaa_s001_t000.tse").unlink()
    with pytest.raises(CorpusError, match=rf"but labels is 'sidecars'\. There are {told}"):
        prepare(session, session.parent / "other", sfreq=100, window=2, labels="sidecars")
