"""Whose a recording is: what names the subjects, and what is said of it."""

from __future__ import annotations

import json
import re
import string
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.corpus.builder.sources import subject_of
from biot.corpus.subjects import OWN
from biot.corpus.summary import overview
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
HOW: dict[str, Any] = {"sfreq": 100, "window": 4}
REST_AND_TASK = [(0.0, 4.0, "rest"), (4.0, 4.0, "task")]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def folder_of(write_edf: WriteEdf) -> Callable[..., Path]:
    """A folder of recordings of 8 s, each a moment of rest and one of a task."""

    def make(*names: str, notes: Any = REST_AND_TASK) -> Path:
        for name in names:
            data = np.random.default_rng(list(name.encode())).integers(-200, 200, (2, 800))
            path = write_edf(name, data, annotations=notes)
        return path.parents[name.count("/")]

    return make


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "labels.tsv") -> Path:
        (tmp_path / name).write_text(text.replace("|", "\t"))
        return tmp_path / name

    return write


def subjects(out: Path) -> dict[str, str]:
    """Subject of each recording."""
    corpus = load_corpus(out)
    return dict(zip(corpus.recordings.tolist(), corpus.subjects.tolist(), strict=True))


# names and folders --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recordings", "subject", "origin"),
    [
        (("P00_rest.edf", "P00_arithmetic.edf"), "P00", "the file names"),
        (("S001/S001R04.edf", "S001/S001R08.edf"), "S001", "the file names (PhysioNet, eegmmidb)"),
        (("chb01_03.edf", "chb01/chb01_04+.edf"), "chb01", "the file names (CHB-MIT)"),
        (("SC4001E0-PSG.edf", "SC4002E0-PSG.edf"), "SC400", "the file names (Sleep-EDF)"),
        (
            ("train/aaaaaaac/s001_2002/02_tcp_le/aaaaaaac_s001_t000.edf", "aaaaaaac_s002_t001.edf"),
            "aaaaaaac",
            "the file names (TUH)",
        ),
        (("aaaaaaac/s001_2002/one.edf", "aaaaaaac/s002/two.edf"), "aaaaaaac", "the folder (TUH)"),
        (("aaaaaaar_00000001.edf", "aaaaaaar_00000002.edf"), "aaaaaaar", "the file names (TUEV)"),
        (("A01T.gdf", "A01E.gdf"), "A01", "the file names (BCI Competition IV)"),
        (("B0101T.gdf", "B0104E.gdf"), "B01", "the file names (BCI Competition IV)"),
        (("PN00/PN00-1.edf", "PN00-2.edf"), "PN00", "the file names (Siena)"),
        (("shhs1-200001.edf", "shhs2-200001.edf"), "200001", "the file names (SHHS)"),
        (
            ("sub-01/ses-1/eeg/sub-01_ses-1_eeg.edf", "sub-01/ses-2/eeg/sub-01_ses-2_eeg.edf"),
            "01",
            "the file names (BIDS)",
        ),
        (("subject_03/a.edf", "subject_03/S01_rest.edf"), "subject_03", "the folder"),
        (("patient001/s0010_re.hea", "patient001/s0014lre.hea"), "patient001", "the folder"),
        (("P01/S01/rest.edf", "P01/S02_rest.edf"), "P01", "the folder"),
        (("S1/P00_rest.edf", "S2/P00_rest.edf"), "P00", "the file names"),
        (("subject1-10/subject3.edf", "subject3_rest.edf"), "subject3", "the file names"),
        (("acc_exp01_user01.csv", "gyro_exp02_user01.csv"), "user01", "the file names"),
        (("patient_B/night.edf", "patient_B/day.edf"), "patient_B", "the folder"),
    ],
)
def test_what_names_and_folders_say_of_one_subject(
    recordings: tuple[str, str], subject: str, origin: str
) -> None:
    found = [subject_of(recording) for recording in recordings]
    assert [one.name for one in found] == [subject, subject]
    assert found[0].origin == origin


@pytest.mark.parametrize(
    "recording",
    [
        "P300/one.edf", "records500/00000/00001_hr.hea", "session1/one.edf", "patient_data/one.edf",
        "subject_info.edf", "recorded_20200101.edf", "A00056.mat", "night_2.edf", "mysub-3.edf",
    ],
)  # fmt: skip
def test_other_names_say_nothing_of_a_subject(recording: str) -> None:
    assert subject_of(recording) == (Path(recording).stem, OWN)


def test_a_folder_that_is_a_label_is_no_subject() -> None:
    assert subject_of("S2/one.edf").name == "S2"
    assert subject_of("S2/one.edf", labelled_by_folder=True).name == "one"
    assert subject_of("P01/S2/one.edf", labelled_by_folder=True).name == "P01"


NAMES = st.text(string.ascii_letters + string.digits + "_- .", min_size=1, max_size=12)


@given(NAMES, NAMES, st.sampled_from(["subject_{}", "patient{}", "Participant-{}", "user {}"]))
def test_renaming_recordings_in_folders_of_subjects_merges_and_splits_none(
    one: str, other: str, pattern: str
) -> None:
    folders = [pattern.format(f"{number:02d}") for number in (1, 2)]
    found = [subject_of(f"{folder}/{name}.edf").name for folder in folders for name in (one, other)]
    is_bids = any(re.search(r"(?:^|_)sub-[A-Za-z0-9]", name) for name in (one, other))
    assert found == [folders[0]] * 2 + [folders[1]] * 2 or is_bids


@given(
    st.integers(1, 109), st.integers(1, 109), st.integers(1, 14), st.integers(1, 14),
    st.sampled_from(["S{s:03d}/S{s:03d}R{r:02d}.edf", "chb{s:03.0f}".replace("03.0f", "02d")
                     + "_{r:02d}.edf", "P{s}_run{r}.edf", "SC4{s:02d}{r:d}E0-PSG.edf"]),
)  # fmt: skip
def test_two_recordings_share_a_subject_only_if_their_numbers_do(
    one: int, other: int, run: int, second: int, pattern: str
) -> None:
    if pattern.startswith(("SC4", "chb")):
        one, other, run, second = one % 100, other % 100, run % 10, second % 10
    first = subject_of(pattern.format(s=one, r=run)).name
    assert (first == subject_of(pattern.format(s=other, r=second)).name) == (one == other)


# what is said and kept ----------------------------------------------------------------------


def test_what_named_the_subjects_is_said_and_kept(
    folder_of: Callable[..., Path], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of("subject_03/a.edf", "subject_04/b.edf", "sub-09_eeg.edf", "odd.edf")
    said = (
        "recordings that are their own subject: 1 (odd.edf)",
        "subjects from the file names (BIDS): 1",
        "subjects from the folder: 2",
    )
    report = prepare(folder, out, **HOW)
    assert (report.n_subjects, sorted(report.subjects_from)) == (4, sorted(said))
    assert "\n            subjects from the folder: 2\n" in str(report)
    assert sorted(overview(out).subjects_from) == sorted(said)
    records = json.loads((out / "manifest.json").read_text())["recordings"]
    assert records["subject_03/a.edf"]["subject_from"] == "the folder"
    assert main(["info", str(out)]) == 0
    assert all(line in capsys.readouterr().out for line in said[1:2])


def test_a_corpus_without_word_of_its_subjects_is_told_at_the_next_run(
    folder_of: Callable[..., Path], out: Path
) -> None:
    folder = folder_of("subject_03/a.edf", "subject_04/b.edf")
    prepare(folder, out, **HOW)
    manifest = json.loads((out / "manifest.json").read_text())
    for record in manifest["recordings"].values():
        del record["subject_from"]  # as an older release wrote it
    (out / "manifest.json").write_text(json.dumps(manifest))
    state = json.loads((out / "state.json").read_text())
    del state["_biot"]["sha256"]
    (out / "state.json").write_text(json.dumps(state))
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("shards/*")}
    assert overview(out).subjects_from == ()
    report = prepare(folder, out, **HOW)
    assert report.subjects_from == ("subjects from the folder: 2",)
    assert report.changes == ("what names the subjects of 2 recordings was written down anew",)
    assert {path.name: path.stat().st_mtime_ns for path in out.glob("shards/*")} == before
    assert prepare(folder, out, **HOW).changes[0].startswith("none")


def test_other_options_for_subjects_are_refused(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("a.edf", "b.edf")
    path = table("file|label|who|whose\na|x|1|1\nb|y|2|2\n")
    prepare(folder, out, **HOW, labels=path, subject_column="who")
    with pytest.raises(CorpusError, match=r"with subject_column 'who', not 'whose'\."):
        prepare(folder, out, **HOW, labels=path, subject_column="whose")
    with pytest.raises(CorpusError, match=r"with file_column None, not 'file'\."):
        prepare(folder, out, **HOW, labels=path, subject_column="who", file_column="file")
    with pytest.raises(CorpusError, match=r"subject None, not '\(\.\)'; .*subject_column 'who'"):
        prepare(folder, out, **HOW, labels=path, subject="(.)")


# columns of subjects ------------------------------------------------------------------------


def test_a_pattern_goes_before_a_column_that_is_not_called_subject(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("P01_a.edf", "P02_a.edf")
    path = table("file|label|patient_id\nP01_a|x|7\nP02_a|y|7\n")
    report = prepare(folder, out, **HOW, labels=path, subject=r"(P\d+)")
    assert set(subjects(out).values()) == {"P01", "P02"}
    assert report.subjects_from == ("subjects from --subject: 2",)
    assert report.notes[0] == (
        "labels.tsv: the column 'patient_id' is not used, as --subject is given"
    )


@pytest.mark.parametrize("column", ["Patient ID", "participant", "subjectID", "nsrrid", "User"])
def test_a_known_column_names_the_subjects(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path], column: str
) -> None:
    folder = folder_of("a.edf", "b.edf")
    report = prepare(folder, out, **HOW, labels=table(f"file|label|{column}\na|x|7\nb|y|7\n"))
    assert report.n_subjects == 1
    assert report.subjects_from == (f"subjects from the column {column!r} of labels.tsv: 1",)


def test_a_column_of_any_name_may_name_the_subjects(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("a.edf", "b.edf")
    path = table("what|label|Whose|patient\na|x|7|yes\nb|y|7|no\n")
    report = prepare(folder, out, **HOW, labels=path, subject_column="whose", file_column="What")
    assert set(subjects(out).values()) == {"7"}
    assert report.subjects_from == ("subjects from the column 'Whose' of labels.tsv: 1",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"subject_column": "patiant"}, r"no column 'patiant', as subject_column says; it has "
         r".*Did you mean 'patient'\?"),
        ({"file_column": "fil", "subject_column": "gap"},
         r"no column 'fil', as file_column says.*Did you mean 'file'\?"),
        ({}, "patient and subject_id both may name the subject, and divide the rows differently"),
        ({"subject_column": "gap", "subject": "(.)"}, "both name the subjects; leave one of them"),
        ({"subject_column": "gap", "labels": "annotations"}, "subject_column goes with a table"),
        ({"file_column": "file", "labels": "none"}, "file_column goes with a table of labels"),
        ({"subject_column": "gap"}, r"line 3: the column gap is 'n/a', so nothing says whose b is"),
    ],
)  # fmt: skip
def test_a_column_that_cannot_be_is_refused(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path],
    given: dict[str, Any], message: str,
) -> None:  # fmt: skip
    folder = folder_of("a.edf", "b.edf")
    path = table("file|label|patient|subject_id|gap\na|x|1|1|1\nb|y|1|2|n/a\n")
    with pytest.raises((ConfigError, CorpusError), match=message):
        prepare(folder, out, **(HOW | {"labels": path} | given))
    assert not out.exists()


def test_columns_that_divide_the_rows_alike_are_told(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("a.edf", "b.edf")
    path = table("file|label|patient|subj|user\na|x|1|u|me\nb|y|1|u|you\n")
    report = prepare(folder, out, **HOW, labels=path)
    told = "labels.tsv: subjects are those of the column 'patient'; subj would give the same"
    assert told in report.notes


def test_a_column_that_contradicts_the_names_is_told(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("S001R04.edf", "S001R08.edf", "S002R04.edf", "other.edf")
    path = table("file|label|patient\nS001R04|x|yes\nS001R08|x|no\nS002R04|y|yes\nother|y|no\n")
    notes = prepare(folder, out, **HOW, labels=path).notes
    column = "the column 'patient' of labels.tsv has"
    assert notes[:2] == (
        f"{column} one subject where the names of files or folders have several: yes (S001, S002)",
        f"{column} several subjects where the names of files or folders have one: S001 (no, yes)",
    )


def test_a_table_of_subjects_may_have_any_known_column(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("Subject00_1.edf", "Subject00_2.edf", "Subject01_1.edf")
    path = table("Subject|Gender\nSubject00|F\nSubject01|M\nSubject02|F\n")
    report = prepare(folder, out, **HOW, labels=path, label_columns=["Gender"])
    assert report.labels == {"F": 4, "M": 2}
    assert "1 named in labels.tsv are not among the recordings: Subject02" in report.notes


# what is told of tables and labels ----------------------------------------------------------


def test_rows_without_recordings_and_recordings_without_rows_are_told(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("a.edf", "b.edf", "c.edf")
    path = table("file|label\na|x\nb|y\nlost.edf|x\ngone|\nlost.edf|y\n")
    report = prepare(folder, out, **HOW, labels=path)
    assert report.notes[:2] == (
        "2 named in labels.tsv are not among the recordings: lost.edf, gone",
        "1 recording has no row in labels.tsv: c.edf",
    )
    assert report.dropped == {"recordings without a row in labels.tsv": 1}
    assert prepare(folder, out, **HOW, labels=path).notes == report.notes
    with pytest.raises(CorpusError, match=r"lost\.edf, gone, and strict forbids that\. Remove"):
        prepare(folder, out.with_name("strict"), **HOW, labels=path, strict=True)


def test_subjects_of_one_class_are_told(folder_of: Callable[..., Path], out: Path) -> None:
    folder_of("P2_x.edf", notes=REST_AND_TASK[:1])
    report = prepare(folder_of("P1_x.edf", "P3_x.edf"), out, **HOW, labels="annotations")
    assert report.notes == ("1 of 3 subjects hold one class only: P2 (rest)",)


def test_what_a_class_of_subjects_means_for_the_split_is_told(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of(*(f"P{n}_{run}.edf" for n in range(5) for run in "ab"))
    path = table("participant|label\n" + "".join(f"P{n}|{'ill' if n < 3 else 'well'}\n"
                                                 for n in range(5)))  # fmt: skip
    (note,) = prepare(folder, out, **HOW, labels=path).notes
    assert note == (
        "every subject holds one class only (ill: 3, well: 2): scores rest on the number of "
        "subjects, not on that of windows; fewer than 3 have well, too few for training, "
        "validation and test"
    )


def test_labels_that_differ_by_case_or_space_are_warned_of(
    folder_of: Callable[..., Path], out: Path, table: Callable[..., Path]
) -> None:
    folder = folder_of("P1_a.edf", "P1_b.edf", "P1_c.edf")
    path = table("file|label\nP1_a|Rest\nP1_b|rest\nP1_c|eyes open\n")
    message = (
        r"The labels 'Rest' \(2 windows\) and 'rest' \(2 windows\) differ by case or white space "
        r"only, and count as 2\. If they mean the same, spell them alike in labels\.tsv, and"
    )
    for _ in range(2):  # what is there is doubtful still
        with pytest.warns(UserWarning, match=message):
            assert prepare(folder, out, **HOW, labels=path).labels["Rest"] == 2


def test_subjects_that_differ_by_case_or_space_are_warned_of(
    folder_of: Callable[..., Path], out: Path
) -> None:
    folder = folder_of("p01_a.edf", "P01_b.edf", "P01_c.edf")
    with pytest.warns(
        UserWarning, match=r"'P01' \(2 recordings\) and 'p01' \(1 recording\) differ.*count as 2\."
    ):
        prepare(folder, out, **HOW)


# recordings that are their own subjects -----------------------------------------------------


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("night_1.edf", "night_2.edf", "anna.edf"), r"names begin alike \(night_1\.edf, night_2"),
        (("A00056.edf", "A00156.edf"), r"Each of 2 recordings .* \(A00056\.edf, A00156\.edf\)"),
        (("00002_hr.edf", "00003_hr.edf"), r"names begin with numbers \(00002_hr\.edf, 00003"),
        (("anna/one.edf", "anna/two.edf"), r"a folder holds several \(anna/one\.edf, anna/two"),
        (("anna/rest.edf", "berta/rest.edf"), r"count as one subject, .*: rest \(anna/rest\.edf"),
    ],
)
def test_recordings_that_may_share_a_person_are_warned_of(
    folder_of: Callable[..., Path], out: Path, names: tuple[str, ...], message: str
) -> None:
    folder = folder_of(*names)
    with pytest.warns(UserWarning, match=rf"{message}.*with --subject REGEX.*--subject-column"):
        prepare(folder, out, **HOW)
    with pytest.warns(UserWarning, match=message):
        prepare(folder, out, **HOW)


def test_recordings_of_different_names_are_not_doubted(
    folder_of: Callable[..., Path], out: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = folder_of("x/anna.edf", "y/berta.edf")
        report = prepare(folder, out, **HOW)
        prepare(folder_of("x/carla.edf", "y/dora.edf"), out.with_name("b"), **HOW,
                labels="folder")  # fmt: skip
    assert report.subjects_from == ("every recording is its own subject: 2",)


def test_settings_that_no_recording_allows_are_told_once_by_their_option(
    folder_of: Callable[..., Path], out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(*(f"P{n}_x.edf" for n in range(5)))
    words = ["prepare", str(folder), "--out", str(out), "--sfreq", "200", "--window", "4"]
    assert main([*words, "--h-freq", "90"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("biot: error: --h-freq must lie above 0 and below 50 Hz for a signal")
    assert (line.count("--h-freq"), "h_freq" in line) == (1, False)
    assert "(P0_x.edf, P1_x.edf, P2_x.edf and 2 more). No window could be prepared." in line
    assert main([*words[:-1], "60"]) == 1
    line = capsys.readouterr().err
    assert "a window; --window must be less than 60 s, or --keep-short be set." in line
