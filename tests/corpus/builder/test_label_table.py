"""Tables of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from biot.corpus.builder.labels.table import LabelTable
from biot.corpus.builder.windows.events import Stretch
from biot.errors import CorpusError, RecordingError

RECORDINGS = ["a/one.edf", "a/two.edf", "b/two.edf", "three.edf", "three.bdf"]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., LabelTable]:
    def make(text: str, name: str = "labels.tsv") -> LabelTable:
        path = tmp_path / name
        path.write_bytes(text.replace("|", "\t").encode())
        return LabelTable.read(path, RECORDINGS)

    return make


@pytest.mark.parametrize(
    ("named", "recording"),
    [
        ("a/one.edf", "a/one.edf"),
        ("one.edf", "a/one.edf"),
        ("one", "a/one.edf"),
        ("a\\two.edf", "a/two.edf"),
        ("three.bdf", "three.bdf"),
        ("./b/two.edf", "b/two.edf"),
    ],
)
def test_a_row_names_a_recording_by_path_name_or_stem(
    read: Callable[..., LabelTable], named: str, recording: str
) -> None:
    table = read(f"file|label\n{named}|rest\n")
    assert table.stretches(recording, 9.0) == [Stretch(0.0, 9.0, "rest")]
    assert set(table.rows) == {recording}


@pytest.mark.parametrize("column", ["file", "filename", "recording", "path", "File"])
def test_the_recording_may_stand_under_several_headings(
    read: Callable[..., LabelTable], column: str
) -> None:
    assert set(read(f"age|{column}|Label\n30|one|x\n").rows) == {"a/one.edf"}


def test_rows_with_onset_and_duration_are_events(read: Callable[..., LabelTable]) -> None:
    table = read("file|onset|duration|label\none|1.5|2|x\none|4|0|y\n")
    assert table.stretches("a/one.edf", 10.0) == [
        Stretch(1.5, 2.0, "x"),
        Stretch(4.0, 0.0, "y"),
    ]
    assert table.stretches("a/two.edf", 10.0) == []
    assert table.has_events


def test_a_csv_with_semicolons_is_read(read: Callable[..., LabelTable]) -> None:
    table = read("file;label;note\none;x, y;1,5\n", "labels.csv")
    assert table.stretches("a/one.edf", 3.0) == [Stretch(0.0, 3.0, "x, y")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "file\tlabel\tnote\none\tx\t1\n"),
        ("labels.tsv", "file;label;note\none;x;1\n"),
        ("labels.csv", "sep=;\nfile;label;a, b\none;x;1\n"),
        ("labels.tsv", "file\tlabel\ta, b, c, d\none\tx\t1\n"),
    ],
)
def test_the_delimiter_that_is_there_counts(
    read: Callable[..., LabelTable], name: str, text: str
) -> None:
    assert read(text, name).stretches("a/one.edf", 3.0) == [Stretch(0.0, 3.0, "x")]


def test_a_csv_from_a_spreadsheet_is_read(read: Callable[..., LabelTable]) -> None:
    text = '\ufefffile,label,subject\r\n"one.edf","eyes, open",S 1\r\n\r\n'
    table = read(text, "labels.csv")
    assert table.stretches("a/one.edf", 3.0)[0].label == "eyes, open"
    assert table.subject("a/one.edf") == "S 1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no row"),
        ("file|label\n", "holds no row below its header"),
        ("name|label\none|x\n", "no column names the recording; it has name, label"),
        ("file|path|label\none|b/two|x\n", "file and path name different recordings, in line 2"),
        ("file|class\none|x\n", "the column label is missing; it has file, class"),
        ("file|label|label\none|x|y\n", "two columns have the same name"),
        ("file|label|onset\none|x|1\n", "the column duration is missing"),
        ("file|label|duration\none|x|1\n", "the column onset is missing"),
        ("file|label\none|x\none\n", "line 3: 1 cell for 2 columns"),
        ("file|label\none|\n", "no row can be used. 1 row of .* without a label .*: line 2"),
        ("file|label\n|x\n", "no row can be used. 1 row of .* without a recording .*: line 2"),
        ("file|label|subject\none|x|\n", "line 2: the column subject is empty"),
        ("file|label|onset|duration\none|x|soon|1\n", "line 2: the column onset must be a number"),
        ("file|label|onset|duration\none|x|1|-1\n", "seconds from 0 on, got '-1'"),
        ("file|label|onset|duration\none|x|nan|1\n", "1 row of .* without an onset"),
        ("file|label\nonn.edf|x\n", r"no recording is called onn\.edf; 5 were found"),
        ("file|label\na/onn.edf|x\n", r"Did you mean a/one\.edf\?"),
        ("file|label\ntwo|x\n", r"two may be a/two\.edf or b/two\.edf\. Write its path"),
        ("file|label\nthree|x\n", r"three may be three\.edf or three\.bdf"),
        ("file|label\none|x\none|x\n", r"lines 2 and 3 both label a/one\.edf"),
        (
            "file|label|onset|duration|subject\none|x|1|1|p\none|y|2|1|q\n",
            r"column subject: lines 2 and 3 give a/one\.edf the subjects p and q",
        ),
    ],
)
def test_a_fault_is_named_with_table_line_and_column(
    read: Callable[..., LabelTable], text: str, message: str
) -> None:
    with pytest.raises(CorpusError, match=rf"labels\.tsv.*{message}"):
        read(text)


def test_rows_outside_the_recording_are_left_out_or_cut_and_counted(
    read: Callable[..., LabelTable],
) -> None:
    spans = ["1|1", "60|5", "900|1", "-3|2", "-3|3", "-1|0", "-3|5"]
    table = read("file|label|onset|duration\n" + "".join(f"one|x|{one}\n" for one in spans))
    counts: Counter[str] = Counter()
    assert table.stretches("a/one.edf", 60.0, counts) == [
        Stretch(1.0, 1.0, "x"),
        Stretch(0.0, 2.0, "x"),
    ]
    assert counts == {
        "rows beginning at or beyond the recording's end": 2,
        "rows ending before the recording's start": 3,
        "rows cut at the recording's start": 1,
    }


def test_a_recording_whose_rows_all_lie_outside_is_set_aside(
    read: Callable[..., LabelTable],
) -> None:
    table = read("file|label|onset|duration\none|x|900|1\n")
    message = r"one\.edf: it lasts 60 s, and its 1 row in .* lies outside: line 2 begins at 900 s"
    with pytest.raises(RecordingError, match=message):
        table.stretches("a/one.edf", 60.0)


def test_other_files_are_refused(read: Callable[..., LabelTable], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"labels must be none, .*, folder, or a table.*\.txt"):
        LabelTable.read(tmp_path / "labels.txt", RECORDINGS)
    with pytest.raises(CorpusError, match=r"labels\.xlsx: is a spreadsheet, which is not read"):
        LabelTable.read(tmp_path / "labels.xlsx", RECORDINGS)
    with pytest.raises(CorpusError, match=r"gone\.tsv: cannot be read.*No such file"):
        LabelTable.read(tmp_path / "gone.tsv", RECORDINGS)
    (tmp_path / "latin.tsv").write_bytes(b"file\tlabel\none\t\xe4\n")
    with pytest.raises(CorpusError, match=r"latin\.tsv: cannot be .*\. Save it as UTF-8"):
        LabelTable.read(tmp_path / "latin.tsv", RECORDINGS)


@pytest.mark.parametrize("name", ["labels.xlsx", "labels.ods", "labels.csv"])
def test_a_spreadsheet_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(CorpusError, match=rf"{name}: is a spreadsheet.* Save the sheet as .csv"):
        LabelTable.read(tmp_path / name, ["a.edf"])


@pytest.mark.parametrize(
    "column", ["participant", "participant_id", "Patient", "patient_id", "subject_id", "Subject"]
)
def test_a_column_of_subjects_may_have_any_known_name(tmp_path: Path, column: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"file,label,{column}\na.edf,x,one\nb.edf,y,one\n")
    table = LabelTable.read(path, ["a.edf", "b.edf"])
    assert table.has_subjects
    assert table.subject("a.edf") == table.subject("b.edf") == "one"


@pytest.mark.parametrize(
    "column",
    [
        "file_name", "filepath", "File Path", "fname", "record", "record_id", "recording_id",
        "filename_hr", "edf", "EDF file", "psg_file", "signal_path",
    ],
)  # fmt: skip
def test_columns_of_recordings_have_many_names(
    read: Callable[..., LabelTable], column: str
) -> None:
    table = read(f"{column}|label\none|x\n")
    assert (set(table.rows), table.notes) == ({"a/one.edf"}, ())


@pytest.mark.parametrize(
    ("named", "recording"),
    [
        ("A/One.EDF", "a/one.edf"),
        ("ONE", "a/one.edf"),
        ("a/one", "a/one.edf"),
        (r".\a\one", "a/one.edf"),
        ("C:" + r"\study\a\one.edf", "a/one.edf"),
        ("/elsewhere/study/b/two.edf", "b/two.edf"),
        ("study/b/two", "b/two.edf"),
        ("../b/two.edf", "b/two.edf"),
        ("/elsewhere/three.bdf", "three.bdf"),
        ("c/four.dat", "c/four.hea"),
        ("four.eeg", None),
        ("c/one.edf", None),
        ("ne.edf", None),
        ("one.bdf", None),
        ("other/three.bdf", None),
    ],
)
def test_a_row_names_a_recording_in_any_spelling_but_no_other(
    tmp_path: Path, named: str, recording: str | None
) -> None:
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "labels.tsv"
    path.write_text(f"file\tlabel\n{named}\tx\nthree.edf\ty\n")
    recordings = [*RECORDINGS, "c/four.hea"]
    places = {name: tmp_path / name for name in recordings}
    table = LabelTable.read(path, recordings, places=places)
    assert set(table.rows) == {"three.edf"} | ({recording} if recording else set())
    assert table.absent == (() if recording else (named,))


def test_a_path_may_be_relative_to_the_table(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    path = tmp_path / "b" / "labels.tsv"
    path.write_text("file\tlabel\ntwo.edf\tx\n")
    places = {name: tmp_path / name for name in RECORDINGS}
    assert set(LabelTable.read(path, RECORDINGS, places=places).rows) == {"b/two.edf"}
    with pytest.raises(CorpusError, match=r"two\.edf may be b/two\.edf or two\.edf"):
        LabelTable.read(
            path, ["b/two.edf", "two.edf"], places={**places, "two.edf": tmp_path / "two.edf"}
        )


def test_of_several_columns_that_one_counts_whose_cells_name_recordings(
    read: Callable[..., LabelTable],
) -> None:
    table = read("filename_lr|filename_hr|label\nlow/one|one|x\nlow/three|three.bdf|y\n")
    assert set(table.rows) == {"a/one.edf", "three.bdf"}
    assert table.notes == (
        "labels.tsv: the column 'filename_hr' names the recordings, not filename_lr",
    )
    assert set(read("path|file|label\nb/two.edf|two.edf|x\n").rows) == {"b/two.edf"}


def test_a_column_whose_cells_name_recordings_is_suggested(read: Callable[..., LabelTable]) -> None:
    message = "no column names the recording.*The cells of 'what' do: .* give file_column=what"
    with pytest.raises(CorpusError, match=message):
        read("age|what|label\n3|one|x\n")


def test_cells_that_were_marked_for_spreadsheets_are_read_as_they_were(
    read: Callable[..., LabelTable],
) -> None:
    table = read("file|label|onset|duration\none|'=1+1|0|1\none|'quiet'|2|1\n")
    stretches = table.stretches("a/one.edf", 9.0)
    assert [stretch.label for stretch in stretches] == ["=1+1", "'quiet'"]


def test_file_names_suffice_where_the_folders_of_a_published_table_are_not_there(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ptbxl_database.csv"
    rows = "1,records100/00000/1_lr,records500/00000/1_hr\n2,records100/0/2_lr,records500/0/2_hr\n"
    path.write_text(f"label,filename_lr,filename_hr\n{rows}")
    table = LabelTable.read(path, ["1_hr.hea", "3_hr.hea"])
    assert (set(table.rows), table.absent) == ({"1_hr.hea"}, ("records500/0/2_hr",))
    assert table.notes == (
        "ptbxl_database.csv: the folders that it names are not there, so recordings are matched by "
        "file name alone",
        "ptbxl_database.csv: the column 'filename_hr' names the recordings, not filename_lr",
    )
    with pytest.raises(CorpusError, match="no recording is called"):
        LabelTable.read(path, ["x/1_hr.hea"])
    path.write_text("label,file\n1,a/1_hr\n2,b/1_hr\n")
    with pytest.raises(CorpusError, match="no recording is called a/1_hr"):
        LabelTable.read(path, ["1_hr.hea"])


def test_of_a_patient_and_a_subject_the_subject_counts_and_that_is_said(
    read: Callable[..., LabelTable],
) -> None:
    table = read("file|patient_id|subject|label\none|7|s1|x\n")
    assert table.subject("a/one.edf") == "s1"
    assert table.notes == (
        "labels.tsv: subjects are those of the column 'subject', not patient_id",
    )
