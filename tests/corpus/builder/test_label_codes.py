"""Codes with likelihoods, and the superclasses of PTB-XL."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.labels.codes import codes_of
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.windows.events import Stretch
from biot.errors import ConfigError, CorpusError

WriteEdf = Callable[..., Path]
STATEMENTS = """,description,diagnostic,form,rhythm,diagnostic_class
NORM,normal ECG,1.0,,,NORM
IMI,inferior infarction,1.0,,,MI
ASMI,anteroseptal infarction,1.0,,,MI
NDT,non-diagnostic T,1.0,1.0,,STTC
SR,sinus rhythm,,,1.0,
LVOLT,low voltage,,1.0,,
"""
ROWS = {
    "r1": "{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}",
    "r2": "{'IMI': 15.0, 'ASMI': 100.0}",
    "r3": "{'IMI': 15.0, 'NDT': 100.0}",
    "r4": "{'SR': 0.0}",
}


def test_codes_count_from_a_likelihood_on() -> None:
    text = "{'NORM': 100.0, 'LVOLT': 0, 'SR': 50}"
    assert codes_of(text, None, "w") == ("LVOLT", "NORM", "SR")
    assert codes_of(text, 0, "w") == ("LVOLT", "NORM", "SR")
    assert codes_of(text, 50, "w") == ("NORM", "SR")
    assert codes_of('{"NORM": 80.0}', None, "w") == ("NORM",)
    assert codes_of("NORM", None, "w") is None


@pytest.mark.parametrize(
    "text",
    [
        "{'NORM': __import__('os')}", "{'NORM'}", "{1: 2}", "{'A': 'b'}", "{'A': 1e999}",
        "{" * 5000 + "}" * 5000, "{'A': 1.0,}" + " " * 10_000 + "}",
    ],
)  # fmt: skip
def test_what_is_no_mapping_of_codes_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(CorpusError, match=r"line 2: codes must be like \{'NORM': 100"):
        codes_of(text, None, "t.csv, line 2")


@pytest.fixture
def given(write_edf: WriteEdf, tmp_path: Path) -> tuple[Path, Path, Path]:
    noise = np.random.default_rng(0).integers(-200, 200, (4, 2, 400))
    paths = [write_edf(f"{n}.edf", one, seconds=4) for n, one in zip(ROWS, noise, strict=True)]
    table, statements = tmp_path / "t.csv", tmp_path / "scp_statements.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file", "scp_codes", "subject"), *((n, c, n) for n, c in ROWS.items())]
        )
    statements.write_text(STATEMENTS)
    return paths[0].parent, table, statements


def found(tmp_path: Path) -> dict[str, object]:
    corpus = load_corpus(tmp_path / "c")
    if corpus.task == "classes":
        return dict(zip(corpus.recordings.tolist(), corpus.labels.tolist(), strict=True))
    names = np.array(corpus.label_names)
    return {
        name: set(names[row > 0].tolist())
        for name, row in zip(corpus.recordings.tolist(), corpus.targets, strict=True)
    }


def test_tags_are_the_superclasses_of_a_recording(
    given: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder, table, statements = given
    how = {"sfreq": 100, "window": 2, "label_columns": ("scp_codes",), "task": "multilabel"}
    report = prepare(folder, tmp_path / "c", labels=table, label_map=str(statements), **how)
    assert found(tmp_path) == {"r1.edf": {"NORM"}, "r2.edf": {"MI"}, "r3.edf": {"MI", "STTC"}}
    assert report.dropped == {"windows without a label": 2}
    assert "t.csv: codes of 'scp_codes' count whatever their likelihood (0 means unknown)" in (
        report.notes
    )
    assert "left out: LVOLT 1, SR 2" in report.label_map


def test_classes_need_exactly_one_superclass(
    given: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder, table, statements = given
    how = {"sfreq": 100, "window": 2, "label_columns": ("scp_codes",), "labels": table}
    report = prepare(folder, tmp_path / "c", label_map=str(statements), **how)
    assert found(tmp_path) == {"r1.edf": "NORM", "r2.edf": "MI"}
    assert report.dropped["rows with several labels, where classes need one"] == 1


def test_a_threshold_leaves_out_unlikely_codes(
    given: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder, table, statements = given
    how = {"sfreq": 100, "window": 2, "label_columns": ("scp_codes",), "labels": table}
    report = prepare(folder, tmp_path / "c", label_map=str(statements), label_threshold=50, **how)
    assert found(tmp_path) == {"r1.edf": "NORM", "r2.edf": "MI", "r3.edf": "STTC"}
    assert any("with a likelihood of 50 or more" in note for note in report.notes)
    assert any("1 row of t.csv without a code that counts" in note for note in report.notes)
    plain = table.with_name("plain.csv")
    plain.write_text("file,scp_codes,subject\nr1,a,1\nr2,b,2\n")
    with pytest.raises(ConfigError, match="label_threshold is for cells such as"):
        prepare(folder, tmp_path / "d", label_threshold=50, **(how | {"labels": plain}))


def test_superclasses_of_350_real_records_are_those_of_others(shared_data: Path) -> None:
    # those of ptbxl100_dev.npz were computed elsewhere, from the same codes
    known = np.load(shared_data / "ptbxl" / "ptbxl100_dev.npz")
    names = known["superclass_names"].tolist()
    superclasses = LabelMap.read(str(shared_data / "ptbxl" / "scp_statements.csv"))
    assert len(known["scp_codes"]) == 350
    for text, row in zip(known["scp_codes"].tolist(), known["superclass"], strict=True):
        assert set(json.loads(text)) == set(codes_of(text, None, "w") or ())
        mapped = superclasses.stretches([Stretch(0.0, 1.0, codes_of(text, None, "w") or ())])
        ours = {tag for stretch in mapped for tag in stretch.label}
        assert ours == {name for name, held in zip(names, row, strict=True) if held}, text
