"""Each layout on files named and written as the data set's own, with counts of what was written."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.layouts.published.tuab import ELECTRODES
from biot.errors import CorpusError

pytestmark = [
    pytest.mark.filterwarnings(
        "ignore:.*(implausible|one class|not unique|names begin alike|hold no number)"
    ),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),  # of wfdb
]

Lay = Callable[..., Path]
EEG = tuple(f"EEG {name.upper()}-REF" for name in ELECTRODES.split(","))


def prepared(folder: Path, tmp_path: Path, **settings: Any) -> Any:
    return prepare(folder, tmp_path / "corpus", **settings)


def table(tmp_path: Path) -> list[dict[str, str]]:
    with (tmp_path / "corpus" / "labels.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def in_time(rows: Sequence[tuple[float, float, str]], window: float, end: float) -> Counter[str]:
    """Whole windows of a grid that lie inside one stretch."""
    counts: Counter[str] = Counter()
    for start in np.arange(0, end - window + 1e-9, window):
        for onset, duration, label in rows:
            if onset <= start and start + window <= onset + duration:
                counts[label] += 1
    return counts


def test_sleep_edf_has_the_stages_of_its_hypnograms(lay_edf: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "sleep-edfx" / "sleep-cassette"
    names = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
    stages = ["W", "W", "1", "2", "3", "4", "R", "?", "W"]
    for psg, hypnogram in (("SC4001E0", "SC4001EC"), ("SC4002E0", "SC4002EC")):
        lay_edf(folder / f"{psg}-PSG.edf", names, seconds=30 * len(stages), sfreq=100)
        notes = [(30 * i, 30, f"Sleep stage {stage}") for i, stage in enumerate(stages)]
        notes.append((30 * len(stages), 6000, "Sleep stage ?"))  # as published: beyond the end
        lay_edf(folder / f"{hypnogram}-Hypnogram.edf", notes=notes)
    report = prepared(folder, tmp_path, layout="sleep-edf")
    assert dict(report.labels) == {"N1": 2, "N2": 2, "N3": 4, "R": 2, "W": 6}
    assert (report.preprocessing.sfreq, report.preprocessing.window) == (100, 30)
    assert (report.n_recordings, report.n_subjects) == (2, 1)
    rows = table(tmp_path)
    assert {(row["subject"], row["session"]) for row in rows} == {("SC400", "1"), ("SC400", "2")}
    assert Counter(row["label"] for row in rows) == report.labels


def test_tuab_takes_label_and_split_from_folders(lay_edf: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "tuh_eeg_abnormal" / "v3.0.1" / "edf"
    for place, subject, seconds in (
        ("train/normal", "aaaaaaab", 30),
        ("train/abnormal", "aaaaaaac", 20),
        ("eval/abnormal", "aaaaaaad", 40),
    ):
        path = folder / place / "01_tcp_ar" / f"{subject}_s001_t000.edf"
        lay_edf(path, (*EEG, "EEG EKG1-REF", "PHOTIC-REF"), seconds=seconds)
    report = prepared(folder.parent, tmp_path, layout="tuab")
    assert dict(report.labels) == {"abnormal": 6, "normal": 3}
    assert len(report.preprocessing.ch_names) == len(EEG)
    assert [(row["label"], row["split"]) for row in table(tmp_path)] == [
        ("abnormal", "test"),
        ("abnormal", "train"),
        ("normal", "train"),
    ]


def test_tuab_is_found_from_a_folder_inside(lay_edf: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "edf" / "train" / "normal"
    lay_edf(folder / "01_tcp_ar" / "aaaaaaab_s001_t000.edf", EEG, seconds=20)
    assert dict(prepared(folder, tmp_path, layout="tuab").labels) == {"normal": 2}


CSV_BI = """\
# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 60.0000 secs
# montage_file = nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
TERM,0.0000,20.0000,bckg,1.0000
TERM,20.0000,50.0000,seiz,1.0000
TERM,50.0000,60.0000,bckg,1.0000
"""


def test_tusz_takes_csv_bi_beside_recordings(lay_edf: Lay, tmp_path: Path) -> None:
    place = tmp_path / "edf" / "dev" / "aaaaaaac" / "s001_2002" / "02_tcp_le"
    path = lay_edf(place / "aaaaaaac_s001_t000.edf", EEG, seconds=60)
    path.with_suffix(".csv_bi").write_text(CSV_BI)
    report = prepared(tmp_path / "edf", tmp_path, layout="tusz")
    rows = [(0, 20, "bckg"), (20, 30, "seiz"), (50, 10, "bckg")]
    assert Counter(report.labels) == in_time(rows, 10, 60)
    assert {row["split"] for row in table(tmp_path)} == {"valid"}


def test_tuev_takes_five_seconds_around_each_second(lay_edf: Lay, tmp_path: Path) -> None:
    path = lay_edf(tmp_path / "edf/train/aaaaaaar/aaaaaaar_00000001.edf", EEG, seconds=30)
    #     two channels at the same time are one event; the last has no room
    path.with_suffix(".rec").write_text(
        "3,10.0,11.0,6\n5,10.0,11.0,6\n5,11.0,12.0,6\n0,15,16,1\n1,29,30,2\n"
    )
    report = prepared(tmp_path / "edf", tmp_path, layout="tuev")
    assert dict(report.labels) == {"bckg": 2, "spsw": 1}
    corpus = load_corpus(tmp_path / "corpus")
    assert sorted(corpus.starts.tolist()) == [8.0, 9.0, 13.0]
    assert report.preprocessing.window == 5


SUMMARY = """\
Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb01_03.edf
File Start Time: 13:43:04
File End Time: 14:43:04
Number of Seizures in File: 1
Seizure Start Time: 20 seconds
Seizure End Time: 40 seconds

File Name: chb01_04.edf
File Start Time: 14:43:12
File End Time: 15:43:12
Number of Seizures in File: 0
"""


def test_chb_mit_has_seizures_and_background(lay_edf: Lay, tmp_path: Path) -> None:
    from biot.signals.channels import PREST_16

    folder = tmp_path / "chbmit" / "1.0.0" / "chb01"
    for name in ("chb01_03", "chb01_04"):
        lay_edf(folder / f"{name}.edf", (*PREST_16, "-", "P7-T7", "-"), seconds=60, sfreq=256)
    (folder / "chb01-summary.txt").write_text(SUMMARY)
    report = prepared(tmp_path / "chbmit", tmp_path, layout="chb-mit")
    assert dict(report.labels) == {"background": 10, "seizure": 2}
    assert report.n_subjects == 1
    assert [(row["file"][-6:], row["subject"], row["onset"]) for row in table(tmp_path)] == [
        ("03.edf", "chb01", "20"),
        ("04.edf", "chb01", ""),  # all of it is background
    ]


def test_chb_mit_takes_the_first_of_two_channels_of_one_name(lay_edf: Lay, tmp_path: Path) -> None:
    from biot.signals.channels import PREST_16

    folder = tmp_path / "chbmit" / "chb01"
    lay_edf(folder / "chb01_03.edf", (*PREST_16, "T8-P8"), seconds=60, sfreq=256)
    (folder / "chb01-summary.txt").write_text(SUMMARY)
    with pytest.warns(UserWarning, match="'T8-P8' is 'T8-P8-0', 'T8-P8' is 'T8-P8-1'"):
        report = prepared(tmp_path / "chbmit", tmp_path, layout="chb-mit")
    assert report.preprocessing.ch_names == PREST_16


SEIZURES = """\
DATA SAMPLING RATE: 512 Hz
PATIENT ID: PN00

Seizure n 1
File name: PN00-1.edf
Registration start time: 23.59.30
Registration end time:  00.00.30
Seizure start time: 23.59.50
Seizure end time: 00.00.10
"""


def test_siena_counts_over_midnight(
    lay_edf: Lay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "siena" / "PN00"
    lay_edf(folder / "PN00-1.edf", ("EEG Fp1", "EEG F3", "1"), seconds=60, sfreq=512)
    (folder / "Seizures-list-PN00.txt").write_text(SEIZURES)
    report = prepared(Path("siena"), tmp_path, layout="siena")
    assert dict(report.labels) == {"background": 4, "seizure": 2}


NSRR = """\
<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion><EpochLength>30</EpochLength>
<ScoredEvents>
<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start>
<Duration>180.0</Duration><ClockTime>00.00.00 23.23.30</ClockTime></ScoredEvent>
<ScoredEvent><EventType>Respiratory|Respiratory</EventType>
<EventConcept>Hypopnea|Hypopnea</EventConcept><Start>12</Start><Duration>20</Duration></ScoredEvent>
{}
</ScoredEvents></PSGAnnotation>
"""
STAGE = (
    "<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{}</EventConcept>"
    "<Start>{}</Start><Duration>{}</Duration></ScoredEvent>"
)


def test_shhs_takes_stages_of_nsrr(lay_edf: Lay, tmp_path: Path) -> None:
    root = tmp_path / "shhs" / "polysomnography"
    names = ("EEG(sec)", "EEG", "ECG", "EMG")
    lay_edf(root / "edfs" / "shhs1" / "shhs1-200001.edf", names, seconds=180, sfreq=125)
    stages = (("Wake|0", 0, 60), ("Stage 2 sleep|2", 60, 30), ("Stage 4 sleep|4", 90, 60))
    xml = root / "annotations-events-nsrr" / "shhs1" / "shhs1-200001-nsrr.xml"
    xml.parent.mkdir(parents=True)
    last = STAGE.format("Unscored|9", 150, 30)
    xml.write_text(NSRR.format("".join(STAGE.format(*stage) for stage in stages) + last))
    report = prepared(root.parent, tmp_path, layout="shhs")
    assert dict(report.labels) == {"N2": 1, "N3": 2, "W": 2}
    assert report.preprocessing.ch_names == ("C3-A2", "C4-A1")
    assert report.dropped["windows without a label"] == 1


def test_eegmmidb_names_t1_and_t2_by_the_run(lay_edf: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "eegmmidb" / "S001"
    trials = [(0, 4.2, "T0"), (4.2, 4.1, "T1"), (8.3, 4.2, "T0"), (12.5, 4.1, "T2")]
    for run in ("R03", "R04", "R05", "R14"):
        lay_edf(folder / f"S001{run}.edf", ("Fc5.", "C3.."), seconds=20, sfreq=160, notes=trials)
    lay_edf(folder / "S001R01.edf", ("Fc5.", "C3.."), seconds=60, sfreq=160, notes=[(0, 60, "T0")])
    report = prepared(tmp_path / "eegmmidb", tmp_path, layout="eegmmidb")
    assert dict(report.labels) == {
        "both feet": 2, "both fists": 2, "eyes open": 15, "left fist": 2, "rest": 8,
        "right fist": 2,
    }  # fmt: skip


def test_bci_iv_2a_takes_the_classes_of_session_e_from_its_mat(
    lay_gdf: Lay, tmp_path: Path
) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    folder = tmp_path / "BCICIV_2a_gdf"
    names = ("EEG-Fz", *["EEG"] * 6, "EEG-C3", "EEG", "EEG-Cz", "EEG", "EEG-C4", *["EEG"] * 7)
    names = (*names, "EEG-Pz", "EEG", "EEG", "EOG-left", "EOG-central", "EOG-right")
    cues = [(1001, 769), (3001, 770), (5001, 771), (7001, 772)]
    starts = [(at - 500, 768) for at, _ in cues]
    lay_gdf(folder / "A01T.gdf", names, sorted([*cues, *starts, (4501, 1023), (1, 32766)]))
    lay_gdf(folder / "A01E.gdf", names, [(at, 783) for at, _ in cues])
    scipy_io.savemat(folder / "A01E.mat", {"classlabel": np.array([[4], [4], [1], [2]])})
    report = prepared(folder, tmp_path, layout="bci-iv-2a")
    assert dict(report.labels) == {"feet": 1, "left hand": 2, "right hand": 2, "tongue": 3}
    assert len(report.preprocessing.ch_names) == 22
    assert {"FC3", "POz", "EEG-C3"} <= set(report.preprocessing.ch_names)
    rows = table(tmp_path)
    assert [r["label"] for r in rows if r["split"] == "test"][:2] == ["tongue", "tongue"]
    assert {row["onset"] for row in rows} == {"4", "12", "20", "28"}


def test_bci_iv_2a_without_true_labels_sets_session_e_aside(lay_gdf: Lay, tmp_path: Path) -> None:
    lay_gdf(tmp_path / "gdf" / "A01T.gdf", ("EEG-C3", "EEG-C4"), [(1001, 769), (3001, 770)])
    lay_gdf(tmp_path / "gdf" / "A01E.gdf", ("EEG-C3", "EEG-C4"), [(1001, 783)])
    report = prepared(tmp_path / "gdf", tmp_path, layout="bci-iv-2a")
    assert [name for name, _ in report.quarantined] == ["A01E.gdf"]
    assert "A01E.mat with the true labels lies beside it" in report.quarantined[0][1]


STATEMENTS = """\
,description,diagnostic,form,rhythm,diagnostic_class,diagnostic_subclass
NORM,normal ECG,1.0,,,NORM,NORM
IMI,inferior infarction,1.0,,,MI,IMI
NDT,non-diagnostic T,1.0,1.0,,STTC,STTC
SR,sinus rhythm,,,1.0,,
"""
DATABASE = """\
ecg_id,patient_id,age,scp_codes,strat_fold,filename_lr,filename_hr
1,15709.0,56.0,"{'NORM': 100.0, 'SR': 0.0}",3,records100/00000/00001_lr,records500/00000/00001_hr
2,13243.0,19.0,"{'IMI': 50.0, 'NDT': 0.0}",9,records100/00000/00002_lr,records500/00000/00002_hr
3,20372.0,37.0,"{'SR': 0.0}",10,records100/00000/00003_lr,records500/00000/00003_hr
"""
LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


def lay_ptb_xl(folder: Path, lay_wfdb: Lay) -> None:
    folder.mkdir()
    (folder / "ptbxl_database.csv").write_text(DATABASE)
    (folder / "scp_statements.csv").write_text(STATEMENTS)
    for number in (1, 2, 3):
        for kind, rate in (("lr", 100), ("hr", 500)):
            header = folder / f"records{rate}" / "00000" / f"{number:05d}_{kind}.hea"
            lay_wfdb(header, LEADS, sfreq=rate, n_times=10 * rate)


def test_ptb_xl_has_superclasses_folds_and_patients(lay_wfdb: Lay, tmp_path: Path) -> None:
    lay_ptb_xl(tmp_path / "ptb-xl", lay_wfdb)
    report = prepared(tmp_path / "ptb-xl", tmp_path, layout="ptb-xl")
    assert dict(report.labels) == {"MI": 1, "NORM": 1, "STTC": 1}
    assert (report.n_windows, report.preprocessing.sfreq) == (3, 100)
    rows = [(row["subject"], row["label"], row["split"]) for row in table(tmp_path)]
    assert rows == [
        ("15709", "NORM", "train"),
        ("13243", "MI;STTC", "valid"),
        ("20372", "", "test"),
    ]
    assert report.dropped == {"recordings that PTB-XL has at another rate, too": 3}


def test_ptb_xl_takes_the_faster_records_where_a_higher_rate_is_given(
    lay_wfdb: Lay, tmp_path: Path
) -> None:
    lay_ptb_xl(tmp_path / "ptb-xl", lay_wfdb)
    report = prepared(tmp_path / "ptb-xl", tmp_path, layout="ptb-xl", sfreq=250)
    assert not report.slower
    assert {row["file"] for row in table(tmp_path)} >= {"records500/00000/00001_hr.hea"}


def test_tags_as_one_class_are_refused(lay_wfdb: Lay, tmp_path: Path) -> None:
    lay_ptb_xl(tmp_path / "ptb-xl", lay_wfdb)
    with pytest.raises(CorpusError, match="is of several tags, so task must be multilabel"):
        prepared(tmp_path / "ptb-xl", tmp_path, layout="ptb-xl", task="classes")


def test_a_class_may_be_a_tag(lay_edf: Lay, tmp_path: Path) -> None:
    place = tmp_path / "edf" / "train" / "normal" / "01_tcp_ar"
    lay_edf(place / "aaaaaaab_s001_t000.edf", EEG, seconds=20)
    report = prepared(tmp_path / "edf", tmp_path, layout="tuab", task="multilabel")
    assert dict(report.labels) == {"normal": 2}


def test_a_damaged_file_of_labels_sets_its_recording_aside(lay_edf: Lay, tmp_path: Path) -> None:
    for number, text in ((1, "1,10.0,11.0,6\n"), (2, "1,10.0,11.0,9\n"), (3, "?\n")):
        path = lay_edf(
            tmp_path / f"edf/train/aaaaaaar/aaaaaaar_0000000{number}.edf", EEG, seconds=30
        )
        path.with_suffix(".rec").write_text(text)
    report = prepared(tmp_path / "edf", tmp_path, layout="tuev")
    assert report.n_recordings == 1
    assert [name[-5] for name, _ in report.quarantined] == ["2", "3"]
    no_event, no_line = (reason for _, reason in report.quarantined)
    assert "00002.rec, line 1: found the code '9'; expected one of 1 spsw, 2 gped" in no_event
    assert "00003.rec, line 1: found '?'; expected channel,start,stop,code" in no_line


def test_mit_bih_has_a_window_around_each_beat_by_aami(lay_wfdb: Lay, tmp_path: Path) -> None:
    beats = [(100, "N"), (500, "N"), (900, "A"), (1300, "V"), (1700, "F"), (2100, "L"), (2500, "~")]
    for name in ("100", "101", "102"):
        lay_wfdb(
            tmp_path / "mitdb" / f"{name}.hea", ("MLII", "V5"), sfreq=360, n_times=3600,
            beats=beats, rhythm=[(20, "(N"), (1000, "(AFIB")],
        )  # fmt: skip
    report = prepared(tmp_path / "mitdb", tmp_path, layout="mit-bih")
    # the first beat has no room for its half second before
    assert dict(report.labels) == {"F": 3, "N": 6, "S": 3, "V": 3}
    splits = {row["file"]: row["split"] for row in table(tmp_path)}
    assert splits == {"100.hea": "test", "101.hea": "train", "102.hea": ""}


def test_cinc2017_takes_the_newest_list(lay_wfdb: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "training2017"
    for number, n_times in ((1, 2700), (2, 9000)):
        lay_wfdb(folder / f"A0000{number}.hea", ("ECG",), sfreq=300, n_times=n_times)
    (folder / "REFERENCE.csv").write_text("A00001,N\nA00002,N\n")
    (folder / "REFERENCE-v3.csv").write_text("A00001,N\nA00002,A\n")
    report = prepared(folder, tmp_path, layout="cinc2017")
    assert dict(report.labels) == {"A": 3, "N": 1}
    assert {row["split"] for row in table(tmp_path)} == {"train"}


def lay_har(folder: Path, windows: Any, labels: Sequence[int], subjects: Sequence[int]) -> None:
    """One part of UCI HAR, from windows of (n, 9, 128)."""
    part = folder / "UCI HAR Dataset" / "train"
    (part / "Inertial Signals").mkdir(parents=True)
    kinds = ("body_acc", "body_gyro", "total_acc")
    names = [f"{kind}_{axis}_train.txt" for kind in kinds for axis in "xyz"]
    for k, name in enumerate(names):
        np.savetxt(part / "Inertial Signals" / name, windows[:, k], fmt="%16.7e")
    (part / "y_train.txt").write_text("".join(f"{label}\n" for label in labels))
    (part / "subject_train.txt").write_text("".join(f"{subject}\n" for subject in subjects))
    (part.parent / "activity_labels.txt").write_text("1 WALKING\n2 SITTING\n")


def test_har_gives_back_the_published_windows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    runs = [rng.normal(size=(9, 64 * n)) for n in (4, 3, 5)]  # of 3, 2 and 4 windows
    windows = np.stack(
        [run[:, 64 * i : 64 * i + 128] for run in runs for i in range(run.shape[1] // 64 - 1)]
    )
    labels = [1, 1, 1, 2, 2, 1, 1, 2, 2]
    subjects = [1, 1, 1, 1, 1, 3, 3, 3, 3]
    lay_har(tmp_path / "har", windows, labels, subjects)
    report = prepared(tmp_path / "har", tmp_path)
    assert any("recognised as UCI HAR" in note for note in report.notes)
    assert dict(report.labels) == {"sitting": 4, "walking": 5}
    assert report.n_subjects == 2
    corpus = load_corpus(tmp_path / "corpus")
    order = np.lexsort((corpus.starts, corpus.subjects))
    rows = corpus.rows(order)
    signal = (rows.digital.astype(float) * rows.scale[..., None]) + rows.offset[..., None]
    np.testing.assert_allclose(signal, windows, atol=1e-3)


HARTH_HEAD = "timestamp,back_x,back_y,back_z,thigh_x,thigh_y,thigh_z,label\n"


def test_harth_takes_activities_from_the_samples(tmp_path: Path) -> None:
    folder = tmp_path / "harth"
    folder.mkdir()
    for subject in ("S006", "S008"):
        lines = []
        for i in range(1500):
            seconds = f"2019-01-12 00:00:{i // 50:02d}.{i % 50 * 20:03d}"
            axes = ",".join(
                f"{v:.6f}" for v in np.random.default_rng([i, int(subject[1:])]).normal(size=6)
            )
            lines.append(f"{seconds},{axes},{6 if i < 1000 else 130}\n")
        (folder / f"{subject}.csv").write_text(HARTH_HEAD + "".join(lines))
    report = prepared(folder, tmp_path, layout="harth")
    assert dict(report.labels) == {"cycling sitting, inactive": 4, "standing": 8}
    assert report.preprocessing.units == ("g",) * 6


@pytest.mark.parametrize("more", [{}, {"label_columns": ("activity",)}])
def test_har_takes_a_folder_of_tables_with_a_column_of_activities(
    tmp_path: Path, more: dict[str, Any]
) -> None:
    folder = tmp_path / "walks"
    folder.mkdir()
    for subject in (1, 2):
        axes = np.random.default_rng(subject).normal(size=(1280, 3))
        rows = [
            f"{i / 50:.2f},{x:.4f},{y:.4f},{z:.4f},{'sit' if i < 640 else 'walk'}\n"
            for i, (x, y, z) in enumerate(axes)
        ]
        (folder / f"P{subject:02d}.csv").write_text(
            "time,acc_x,acc_y,acc_z,activity\n" + "".join(rows)
        )
    report = prepared(folder, tmp_path, layout="har", stride=2.56, **more)
    assert dict(report.labels) == {"sit": 10, "walk": 10}
    assert report.preprocessing.ch_names == ("acc_x", "acc_y", "acc_z")


def test_a_list_that_has_changed_is_read_again(lay_wfdb: Lay, tmp_path: Path) -> None:
    folder = tmp_path / "training2017"
    lay_wfdb(folder / "A00001.hea", ("ECG",), sfreq=300, n_times=2700)
    with pytest.raises(CorpusError, match=r"there is no REFERENCE\*.csv"):
        prepared(folder, tmp_path, layout="cinc2017")
    for label in ("N", "A"):
        (folder / "REFERENCE.csv").write_text(f"A00001,{label}\n")
        assert dict(prepared(folder, tmp_path, layout="cinc2017").labels) == {label: 1}


# real files ------------------------------------------------------------------------------------


def test_real_eegmmidb_has_the_windows_that_its_annotations_say(
    shared_data: Path, tmp_path: Path
) -> None:
    edfio = pytest.importorskip("edfio")
    folder = shared_data / "eegmmidb_s001"
    names = {"4": ("left fist", "right fist"), "6": ("both fists", "both feet")}
    expected: Counter[str] = Counter()
    for path in folder.glob("*.edf"):
        t1, t2 = names["4" if path.stem[-1] in "48" else "6"]
        texts = [note.text for note in edfio.read_edf(path).annotations]
        expected.update({"T0": "rest", "T1": t1, "T2": t2}[text] for text in texts)
    report = prepared(folder, tmp_path)
    assert Counter(report.labels) == expected
    assert any("recognised as EEG Motor Movement" in note for note in report.notes)


def test_real_ptb_xl_has_the_superclasses_of_its_rows(shared_data: Path, tmp_path: Path) -> None:
    import json

    source = shared_data / "ptbxl"
    folder = tmp_path / "ptb-xl"
    (folder / "records500").mkdir(parents=True)
    for path in (source / "records500").glob("*_hr.*"):
        (folder / "records500" / path.name).symlink_to(path)
    (folder / "scp_statements.csv").symlink_to(source / "scp_statements.csv")
    rows = source / "records500" / "ptbxl_database_rows.csv"
    (folder / "ptbxl_database.csv").symlink_to(rows)
    with (source / "scp_statements.csv").open(newline="") as file:
        known = {row[""]: row["diagnostic_class"] for row in csv.DictReader(file)}
    expected: Counter[str] = Counter()
    with rows.open(newline="") as file:
        for row in csv.DictReader(file):
            codes = json.loads(row["scp_codes"].replace("'", '"'))
            expected.update({known[code] for code in codes if known[code]})
    report = prepared(folder, tmp_path)
    assert Counter(report.labels) == expected
    assert report.n_windows == 12


def test_real_mit_bih_record_has_its_beats(shared_data: Path, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    folder = tmp_path / "mitdb"
    folder.mkdir()
    for suffix in ("hea", "dat", "atr"):
        (folder / f"100.{suffix}").symlink_to(shared_data / "readers" / "wfdb" / f"100.{suffix}")
    marks = wfdb.rdann(str(folder / "100"), "atr")
    with_room = (marks.sample >= 180) & (marks.sample + 180 <= 650000)
    kinds = {"N": "N", "A": "S", "V": "V"}
    found = [kinds[s] for s, ok in zip(marks.symbol, with_room, strict=True) if ok and s in kinds]
    report = prepared(folder, tmp_path)
    assert Counter(report.labels) == Counter(found)


def test_real_bids_set_has_its_events(shared_data: Path, tmp_path: Path) -> None:
    report = prepared(shared_data / "readers" / "bids_tiny", tmp_path, layout="bids")
    assert dict(report.labels) == {"show_stimulus": 1, "start_experiment": 1}
    assert report.n_subjects == 1
