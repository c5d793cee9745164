"""Copies of data sets that are older, flat or lack files; tables of labels that are given back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from biot.cli import main
from biot.corpus import load_corpus, prepare
from biot.corpus.builder.layouts.published.tuab import ELECTRODES
from biot.corpus.integrity import check_corpus
from biot.errors import ConfigError, CorpusError
from biot.signals.channels import PREST_16

Lay = Callable[..., Path]
Capture = pytest.CaptureFixture[str]
EEG = tuple(f"EEG {name.upper()}-REF" for name in ELECTRODES.split(","))
TSE = "version = tse_v1.0.0\n\n0.0000 20.0000 bckg 1.0000\n20.0000 30.0000 {} 1.0000\n"
NSRR = """\
<?xml version="1.0" encoding="UTF-8"?>
<PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept>
<Start>0</Start><Duration>60</Duration></ScoredEvent></ScoredEvents></PSGAnnotation>
"""


@pytest.fixture
def old_tusz(lay_edf: Lay, tmp_path: Path) -> Path:
    """TUSZ v1.5: subjects by number, montages above them, .tse and .tse_bi."""
    place = tmp_path / "tusz" / "edf" / "dev" / "01_tcp_ar" / "002" / "00000258" / "s002_2003_07_21"
    path = lay_edf(place / "00000258_s002_t000.edf", EEG, seconds=30)
    path.with_suffix(".tse").write_text(TSE.format("fnsz"))
    path.with_suffix(".tse_bi").write_text(TSE.format("seiz"))
    return tmp_path / "tusz"


@pytest.fixture
def chb(lay_edf: Lay, tmp_path: Path) -> Path:
    """A recording with a seizure, and one without."""
    folder = tmp_path / "chb" / "chb01"
    summary = "Data Sampling Rate: 256 Hz\n"
    for name, seizures in (("chb01_03", 1), ("chb01_04", 0)):
        lay_edf(folder / f"{name}.edf", PREST_16, seconds=40, sfreq=256)
        summary += f"\nFile Name: {name}.edf\nNumber of Seizures in File: {seizures}\n"
        if seizures:
            summary += "Seizure Start Time: 10 seconds\nSeizure End Time: 20 seconds\n"
    (folder / "chb01-summary.txt").write_text(summary)
    return tmp_path / "chb"


# other versions ---------------------------------------------------------------------------------


def test_older_tusz_is_recognised_and_takes_tse_bi(old_tusz: Path, tmp_path: Path) -> None:
    report = prepare(old_tusz, tmp_path / "corpus")
    assert dict(report.labels) == {"bckg": 2, "seiz": 1}
    assert "\tvalid\n" in (tmp_path / "corpus" / "labels.tsv").read_text()


def test_tusz_in_one_folder_has_no_official_parts(old_tusz: Path, tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    for file in old_tusz.rglob("0*.*"):
        file.rename(tmp_path / "flat" / file.name)
    report = prepare(tmp_path / "flat", tmp_path / "corpus", layout="tusz")
    assert dict(report.labels) == {"bckg": 2, "seiz": 1}
    assert load_corpus(tmp_path / "corpus").subjects.tolist() == ["00000258"] * 3
    assert set((tmp_path / "corpus" / "labels.tsv").read_text().splitlines()[1].split("\t")) >= {""}


def test_shhs_takes_xml_that_lies_beside_recordings(lay_edf: Lay, tmp_path: Path) -> None:
    path = lay_edf(tmp_path / "in" / "shhs2-200001.edf", ("EEG(sec)", "EEG"), seconds=60, sfreq=125)
    path.with_name("shhs2-200001-nsrr.xml").write_text(NSRR)
    assert dict(prepare(tmp_path / "in", tmp_path / "corpus").labels) == {"W": 2}


def test_files_that_keep_a_data_set_from_being_recognised_are_named(
    old_tusz: Path, tmp_path: Path
) -> None:
    next(old_tusz.rglob("*.tse_bi")).unlink()
    near = (
        r"1 of 1 recordings are named as in the layout tusz, but there is no "
        r"00000258_s002_t000.csv_bi or 00000258_s002_t000.tse_bi in the folder of "
    )
    with pytest.raises(ConfigError, match=f"no published data set is recognised .{near}"):
        prepare(old_tusz, tmp_path / "corpus")
    with pytest.raises(CorpusError, match=r"there is no .*csv_bi or .*tse_bi in the folder of"):
        prepare(old_tusz, tmp_path / "corpus", layout="tusz")


def test_several_data_sets_in_one_folder_are_named(
    old_tusz: Path, chb: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"1 of 3 .* tusz; 2 of 3 .* chb-mit\)"):
        prepare(tmp_path, tmp_path / "corpus")


def test_a_folder_without_recordings_is_told_what_its_layout_expects(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "acc_exp01_user01.txt").write_text("0.1 0.2 0.3\n")
    with pytest.raises(CorpusError, match=r"holds no recording.* The layout har expects UCI HAR"):
        prepare(tmp_path / "in", tmp_path / "corpus", layout="har")
    with pytest.raises(CorpusError, match=r"does not exist. Name files or folders of recordings.$"):
        prepare(tmp_path / "none", tmp_path / "corpus", layout="har")


def test_bids_without_labels_says_how_another_column_is_named(lay_edf: Lay, tmp_path: Path) -> None:
    place = tmp_path / "in" / "sub-01" / "eeg"
    lay_edf(place / "sub-01_task-x_eeg.edf", ("Cz", "Pz"), seconds=10)
    (tmp_path / "in" / "dataset_description.json").write_text("{}")
    events = place / "sub-01_task-x_events.tsv"
    events.write_text("onset\tduration\tresponse\n2\t1\thit\n5\t1\tmiss\n")
    with pytest.raises(CorpusError, match=r"in another column, name it with label_columns; labels"):
        prepare(tmp_path / "in", tmp_path / "corpus")
    report = prepare(
        tmp_path / "in", tmp_path / "corpus", layout="bids", labels="annotations",
        label_columns=("response",),
    )  # fmt: skip
    assert dict(report.labels) == {"hit": 1, "miss": 1}


def test_many_copies_of_recordings_are_told_in_one_warning(lay_edf: Lay, tmp_path: Path) -> None:
    for number in range(1, 5):
        path = lay_edf(tmp_path / "in" / "a" / f"sub-{number}.edf", ("Cz", "Pz"), seconds=4)
        copy = tmp_path / "in" / "b" / f"sub-{number}_copy.edf"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    told = r"; a/sub-3.edf and b/sub-3_copy.edf; and 1 more such cases are the same recording by"
    with pytest.warns(UserWarning, match=told) as warned:
        prepare(tmp_path / "in", tmp_path / "corpus", sfreq=100, window=2)
    assert sum("the same recording by content" in str(one.message) for one in warned) == 1


# damaged files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rec", "message"),
    [
        (
            "1,10,11,7\n",
            r"aaaaaaar_00000001.rec, line 1: found the code '7'; expected one of 1 spsw",
        ),
        (
            "1,2,3\n",
            r"aaaaaaar_00000001.rec, line 1: found '1,2,3'; expected channel,start,stop,code",
        ),
        ("1,11,10,1\n", r"aaaaaaar_00000001.rec, line 1: found the stop 10 before the start 11"),
    ],
)
def test_a_damaged_rec_of_tuev_is_named_with_its_line(
    rec: str, message: str, lay_edf: Lay, tmp_path: Path
) -> None:
    path = lay_edf(tmp_path / "edf/train/aaaaaaar/aaaaaaar_00000001.edf", EEG, seconds=20)
    path.with_suffix(".rec").write_text(rec)
    with pytest.raises(CorpusError, match=message):
        prepare(tmp_path / "edf", tmp_path / "corpus", layout="tuev")


def test_a_summary_that_does_not_list_a_recording_is_told(chb: Path, tmp_path: Path) -> None:
    summary = next(chb.rglob("*-summary.txt"))
    summary.write_text(summary.read_text().split("\nFile Name: chb01_04")[0])
    [(name, reason)] = prepare(chb, tmp_path / "corpus", layout="chb-mit").quarantined
    assert name == "chb01/chb01_04.edf"
    assert "no file of labels of chb01_04.edf that is known: it is damaged, does not list" in reason


def test_a_damaged_mat_of_true_labels_sets_its_recording_aside(
    lay_gdf: Lay, tmp_path: Path
) -> None:
    names = ("EEG-Fz", "EEG", "EEG-C3")
    lay_gdf(tmp_path / "in" / "A01T.gdf", names, [(251, 769), (2501, 770)])
    lay_gdf(tmp_path / "in" / "A01E.gdf", names, [(251, 783), (2501, 783)])
    (tmp_path / "in" / "A01E.mat").write_bytes(b"xx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two channels of one name
        report = prepare(tmp_path / "in", tmp_path / "corpus", layout="bci-iv-2a")
    assert dict(report.labels) == {"left hand": 1, "right hand": 1}
    [(name, reason)] = report.quarantined
    assert (name, reason[:30]) == ("A01E.gdf", "A01E.mat: holds no classlabel ")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of wfdb
def test_a_record_without_its_beats_is_set_aside(lay_wfdb: Lay, tmp_path: Path) -> None:
    lay_wfdb(tmp_path / "in" / "100.hea", sfreq=360, beats=[(360, "N"), (720, "V")])
    lay_wfdb(tmp_path / "in" / "101.hea", sfreq=360)
    report = prepare(tmp_path / "in", tmp_path / "corpus", layout="mit-bih")
    assert dict(report.labels) == {"N": 1, "V": 1}
    [(name, reason)] = report.quarantined
    assert (name, "101.hea: has no file 101.atr" in reason) == ("101.hea", True)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("ecg_id,patient_id,scp_codes\n1,1,{}\n", "has no rows with the columns strat_fold"),
        ("ecg_id,patient_id,scp_codes,strat_fold\n2,1,{},1\n", "has no row with the ecg_id 1"),
        ("ecg_id,patient_id,scp_codes,strat_fold\n1,1,{'a',1\n", "scp_codes of .* like {'NORM'"),
    ],
)
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of wfdb
def test_what_is_wrong_with_the_table_of_ptb_xl_is_told(
    table: str, message: str, lay_wfdb: Lay, tmp_path: Path
) -> None:
    lay_wfdb(tmp_path / "in" / "records100" / "00000" / "00001_lr.hea")
    (tmp_path / "in" / "ptbxl_database.csv").write_text(table)
    (tmp_path / "in" / "scp_statements.csv").write_text(
        ",diagnostic,diagnostic_class\nNORM,1,NORM\n"
    )
    with pytest.raises(CorpusError, match=message):
        prepare(tmp_path / "in", tmp_path / "corpus", layout="ptb-xl")


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # of wfdb
def test_a_list_of_references_that_is_no_list_is_told(lay_wfdb: Lay, tmp_path: Path) -> None:
    lay_wfdb(tmp_path / "in" / "training2017" / "A00001.hea", sfreq=300, n_times=2700)
    (tmp_path / "in" / "REFERENCE-v3.csv").write_text("A00001;N\n")
    with pytest.raises(
        CorpusError, match=r"REFERENCE-v3\.csv: found the line 'A00001;N'; expected"
    ):
        prepare(tmp_path / "in", tmp_path / "corpus", layout="cinc2017")


def test_a_part_of_uci_har_that_lacks_a_file_is_left_out_and_named(tmp_path: Path) -> None:
    (tmp_path / "in" / "test" / "Inertial Signals").mkdir(parents=True)
    (tmp_path / "in" / "test" / "subject_test.txt").write_text("2\n")
    with (
        pytest.warns(
            UserWarning, match=r"test is left out: it has no body_acc_x_test.txt, .* more"
        ),
        pytest.raises(CorpusError, match="holds no recording"),
    ):
        prepare(tmp_path / "in", tmp_path / "corpus", layout="har")


# labels of others -------------------------------------------------------------------------------


def test_subjects_and_official_parts_stay_with_labels_of_others(
    old_tusz: Path, tmp_path: Path
) -> None:
    report = prepare(
        old_tusz, tmp_path / "corpus", layout="tusz", labels="sidecars", sidecar=".tse"
    )
    assert dict(report.labels) == {"bckg": 2, "fnsz": 1}
    assert "subjects from the layout tusz: 1" in str(report)
    assert "valid: 1 recording of 1 subject, 3 windows" in str(report)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--label-column", "x"], "--label-column names no column here, as the layout tusz takes"),
        (["--task", "regression"], "--task is 'regression', but the layout tusz takes its own"),
        (["--split-column", "x"], "but --labels is not given, so that those of the layout tusz"),
        (["--trigger-channel", "x"], "but --labels is not given, so that those of the layout tusz"),
        (["--sidecar", ".tse"], "but --labels is not given, so that those of the layout tusz"),
    ],
)
def test_options_that_mean_nothing_for_the_labels_of_a_layout_are_refused(
    words: list[str], message: str, old_tusz: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "corpus"
    assert main(["prepare", str(old_tusz), "--layout", "tusz", "--out", str(out), *words]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


# labels.tsv -------------------------------------------------------------------------------------


def test_a_table_given_back_keeps_recordings_without_events(chb: Path, tmp_path: Path) -> None:
    one = prepare(chb, tmp_path / "one", layout="chb-mit")
    assert dict(one.labels) == {"background": 7, "seizure": 1}
    table = tmp_path / "one" / "labels.tsv"
    assert table.read_text().splitlines()[1:] == [
        "chb01/chb01_03.edf\tchb01\t\t10\t10\tseizure\t",
        "chb01/chb01_04.edf\tchb01\t\t\t\t\t",
    ]
    other = prepare(
        chb, tmp_path / "other", sfreq=200, window=10, labels=table, background="background",
        strict=True,
    )  # fmt: skip
    assert other.labels == one.labels
    assert load_corpus(tmp_path / "other").subjects.tolist() == ["chb01"] * 8
    assert "1 recording has no label in labels.tsv: chb01/chb01_04.edf" in other.notes


def test_a_row_without_a_label_gives_the_part_of_its_recording(chb: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.tsv"
    table.write_text(
        "file\tsubject\tonset\tduration\tlabel\tsplit\n"
        "chb01/chb01_03.edf\tchb01\t10\t10\tseizure\ttrain\nchb01/chb01_04.edf\tx\t\t\t\ttest\n"
    )
    report = prepare(
        chb, tmp_path / "corpus", sfreq=200, window=10, labels=table, background="background",
        split_column="split",
    )  # fmt: skip
    assert "test: 1 recording of 1 subject, 4 windows" in str(report)
    assert sorted(set(load_corpus(tmp_path / "corpus").subjects)) == ["chb01", "x"]


def test_the_table_of_labels_is_checked_with_the_corpus(chb: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    prepare(chb, corpus, layout="chb-mit")
    table = corpus / "labels.tsv"

    def wrong() -> list[tuple[str, str]]:
        return [(file.name, file.state) for file in check_corpus(corpus) if file.is_wrong]

    assert wrong() == []
    table.write_text(table.read_text() + "x")
    assert wrong() == [("labels.tsv", "its content is not what was written")]
    table.unlink()
    assert wrong() == [("labels.tsv", "it is missing")]
    prepare(chb, corpus, layout="chb-mit")
    assert wrong() == []
