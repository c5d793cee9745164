"""The recipes run on small folders that are laid out as the sets are published."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reproduce import __main__ as command
from benchmarks.reproduce.recipes import RECIPES
from benchmarks.reproduce.recipes.bipolar import bipolar
from benchmarks.reproduce.recipes.chb_mit import as_published
from benchmarks.reproduce.recipes.sleep import trimmed
from biot.corpus import Corpus, load_corpus
from biot.corpus.builder.layouts.published.tuab import ELECTRODES
from biot.signals import PREST_16, read_recording

edfio = pytest.importorskip("edfio")

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*(implausible|one class|not unique|names begin alike)"),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]

EEG = tuple(f"EEG {name.upper()}-REF" for name in ELECTRODES.split(","))


def lay(
    path: Path, ch_names: Sequence[str], seconds: int, sfreq: float,
    notes: Sequence[tuple[float, float | None, str]] = (),
) -> Path:  # fmt: skip
    """An EDF+ file of noise; without channels one of annotations only."""
    generator = np.random.default_rng(zlib.crc32(path.name.encode()))
    signals = [
        edfio.EdfSignal(
            generator.integers(-200, 200, round(seconds * sfreq)).astype(float),
            sampling_frequency=sfreq, label=name, physical_dimension="uV",
            physical_range=(-32768, 32767),
        )
        for name in ch_names
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    annotations = [edfio.EdfAnnotation(*note) for note in notes]
    edfio.Edf(signals, annotations=annotations or None).write(path)
    return path


def lay_tuab(root: Path) -> None:
    people = iter("abcdefgh")
    for part, n in (("train", 3), ("eval", 1)):
        for label in ("normal", "abnormal"):
            for _ in range(n):
                name = f"aaaaaaa{next(people)}_s001_t000.edf"
                lay(root / "edf" / part / label / "01_tcp_ar" / name, EEG, 20, 100)


def lay_tuev(root: Path) -> None:
    rec = "".join(f"0,{2 + 5 * k},{3 + 5 * k},{k + 1}\n5,{2 + 5 * k},{3 + 5 * k},{k + 1}\n"
                  for k in range(6))  # fmt: skip
    for name in "pqr":
        path = lay(root / f"edf/train/aaaaaaa{name}/aaaaaaa{name}_00000001.edf", EEG, 32, 100)
        path.with_suffix(".rec").write_text(rec)
    path = lay(root / "edf/eval/000/bckg_000_a_.edf", EEG, 32, 100)
    path.with_suffix(".rec").write_text(rec)


def lay_chb_mit(root: Path) -> None:
    for folder in ("chb01", "chb02", "chb20", "chb21", "chb22", "chb23", "chb24"):
        lay(root / folder / f"{folder}_03.edf", PREST_16, 60, 64)
        (root / folder / f"{folder}-summary.txt").write_text(
            f"Data Sampling Rate: 64 Hz\n\nFile Name: {folder}_03.edf\nNumber of Seizures in File: "
            "1\nSeizure Start Time: 12 seconds\nSeizure End Time: 45 seconds\n"
        )


def lay_shhs(root: Path) -> None:
    event = (
        "<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{}</EventConcept>"
        "<Start>{}</Start><Duration>30</Duration></ScoredEvent>"
    )
    names = ("Wake|0", "Stage 1 sleep|1", "Stage 2 sleep|2", "Stage 4 sleep|4", "REM sleep|5")
    stages = "".join(event.format(name, 30 * k) for k, name in enumerate(names))
    for number in range(200001, 200006):
        place = root / "polysomnography"
        lay(place / "edfs" / "shhs1" / f"shhs1-{number}.edf", ("EEG(sec)", "EEG"), 150, 125)
        xml = place / "annotations-events-nsrr" / "shhs1" / f"shhs1-{number}-nsrr.xml"
        xml.parent.mkdir(parents=True, exist_ok=True)
        xml.write_text(
            "<PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents><ScoredEvent><EventType/>"
            "<EventConcept>Recording Start Time</EventConcept><Start>0</Start><Duration>150"
            f"</Duration></ScoredEvent>{stages}</ScoredEvents></PSGAnnotation>"
        )


def lay_sleep_edf(root: Path) -> None:
    names = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
    for person in ("SC400", "SC401", "SC402"):
        psg = root / "sleep-cassette" / f"{person}1E0-PSG.edf"
        lay(psg, names, 150, 100)
        notes = [(30 * k, 30, f"Sleep stage {stage}") for k, stage in enumerate("W123R")]
        lay(psg.with_name(f"{person}1EC-Hypnogram.edf"), (), 0, 1, notes)


LAY: dict[str, Callable[[Path], None]] = {
    "tuab": lay_tuab, "tuev": lay_tuev, "chb_mit": lay_chb_mit, "shhs": lay_shhs,
    "sleep_edf": lay_sleep_edf,
}  # fmt: skip


def labels_of(corpus: Corpus) -> Counter[str]:
    return Counter(corpus.label_names[label] for label in corpus.label_ids)


@pytest.mark.parametrize(
    ("name", "sfreq", "window", "n_windows"),
    [
        ("tuab", 200, 10, 16), ("tuev", 200, 5, 24),
        ("shhs", 125, 30, 25), ("sleep_edf", 100, 30, 15),
    ],
)  # fmt: skip
def test_a_recipe_runs_on_the_folder_as_published(tmp_path, capsys, name, sfreq, window, n_windows):
    LAY[name](tmp_path / "data")
    words = [name, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--quick"]
    assert command.main(words) == 0, capsys.readouterr()
    told = capsys.readouterr().out
    assert "$ biot prepare" in told
    assert "$ biot finetune" in told
    assert "Of --quick: these scores say nothing." in told
    out = tmp_path / "out" / name
    corpus = load_corpus(out / "corpus")
    assert (corpus.preprocessing.sfreq, corpus.preprocessing.window) == (sfreq, window)
    assert len(corpus) == n_windows
    if name in ("tuab", "tuev"):
        assert corpus.preprocessing.ch_names == PREST_16
    else:
        assert len(corpus.preprocessing.ch_names) == 2
    assert len(list(out.glob("*.json"))) == 1


def test_chb_mit_as_published_has_the_windows_of_the_authors_and_their_patients(tmp_path):
    lay_chb_mit(tmp_path / "data")
    RECIPES["chb_mit"](tmp_path / "data", tmp_path / "out", True)
    published = load_corpus(tmp_path / "out" / "corpus-as-published")
    corrected = load_corpus(tmp_path / "out" / "corpus")
    assert labels_of(published) == {"background": 7 * 4, "seizure": 7 * (2 + 7)}
    assert labels_of(corrected) == {"background": 7 * 2, "seizure": 7 * 4}
    for corpus, valid in ((published, {"chb01", "chb22"}), (corrected, {"chb20", "chb22"})):
        assert set(corpus.subjects[corpus.splits == "valid"]) == valid
        assert set(corpus.subjects[corpus.splits == "test"]) == {"chb23", "chb24"}
    before = json.loads((tmp_path / "out" / "CHB-MIT_corrected.json").read_text())
    RECIPES["chb_mit"](tmp_path / "data", tmp_path / "out", True)  # what is done is kept
    assert json.loads((tmp_path / "out" / "CHB-MIT_corrected.json").read_text()) == before


def test_a_window_of_the_authors_is_a_seizure_where_one_begins_or_ends_inside_it():
    starts = [0.0, 10.0, 20.0, 30.0, 40.0]
    found = as_published(starts, [(10.0, 40.0)], 50.0)
    assert found[:5] == [(start, "background") for start in starts]  # at the border is not inside
    assert found[5:] == [(9.0 + 5 * k, "seizure") for k in range(7)]
    found = as_published(starts, [(12.0, 38.0)], 50.0)
    assert [label for _, label in found[:5]] == [
        "background", "seizure", "background", "seizure", "background",
    ]  # fmt: skip
    assert as_published([0.0], [], 10.0) == [(0.0, "background")]
    assert as_published([0.0], [(0.0, 5.0)], 10.0)[1:] == [(0.0, "seizure")]


def test_half_an_hour_awake_is_kept_around_the_night():
    def row(file, onset, duration, label):
        return {"file": file, "onset": str(onset), "duration": str(duration), "label": label}

    rows = [
        row("a", 0, 5000, "W"), row("a", 5000, 600, "N2"), row("a", 5600, 300, "W"),
        row("a", 5900, 30, "R"), row("a", 5930, 9000, "W"), row("b", 0, 900, "W"),
    ]  # fmt: skip
    assert [(r["onset"], r["duration"], r["label"]) for r in trimmed(rows)] == [
        ("3200", "1800", "W"), ("5000", "600", "N2"), ("5600", "300", "W"), ("5900", "30", "R"),
        ("5930", "1800", "W"),
    ]  # fmt: skip


def test_bipolar_recordings_are_differences_of_electrodes_and_others_are_told(tmp_path, capsys):
    source = tmp_path / "data" / "edf" / "train"
    path = lay(source / "aaaaaaab_00000001.edf", EEG, 3, 100)
    path.with_suffix(".rec").write_text("0,1,2,6\n")
    lay(source / "aaaaaaac_00000001.edf", EEG[:5], 3, 100)
    bipolar(tmp_path / "data", tmp_path / "out")
    made = tmp_path / "out" / "edf" / "train" / "aaaaaaab_00000001.edf"
    before, after = read_recording(path), read_recording(made)
    assert after.ch_names == PREST_16
    rows = [EEG.index(f"EEG {name}-REF") for name in ("FP1", "F7")]
    expected = before.read()[rows[0]] - before.read()[rows[1]]
    assert np.abs(after.read()[0] - expected).max() < 0.01  # µV: 16 bits hold 400 µV
    assert made.with_suffix(".rec").read_text() == "0,1,2,6\n"
    told = capsys.readouterr().out
    assert "Left out, 1 recordings: edf/train/aaaaaaac_00000001.edf (it lacks electrodes" in told


def test_a_folder_that_is_not_as_published_ends_the_recipe(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    words = ["--data", str(tmp_path / "data"), "--out", str(tmp_path)]
    assert command.main(["tuab", *words]) == 1
    told = capsys.readouterr().err
    assert "none of 0 EDF files" in told
    assert "--data" in told
    assert command.main(["shhs", *words]) == 1
    told = capsys.readouterr().err
    assert "expects polysomnography" in told
    assert "biot prepare failed, see above" in told
