"""PTB-XL: five diagnostic superclasses of 12-lead ECGs, from ``ptbxl_database.csv``.

Source: https://physionet.org/content/ptb-xl/1.0.3/ (Wagner et al., Sci. Data 2020). Licence: CC BY
4.0. As the authors' example does, every diagnostic statement of ``scp_codes`` counts, whatever its
likelihood; ``scp_statements.csv`` gives its superclass. A record may have several, or none. The
folds of ``strat_fold``: 1-8 train, 9 valid, 10 test. Records of 100 Hz where they are there.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from biot.corpus.builder.labels.cells import read_sheet
from biot.corpus.builder.labels.codes import codes_of, of_statements
from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, remembered, whole
from biot.corpus.builder.windows.events import Stretch
from biot.errors import RecordingError

__all__ = ["LAYOUT"]

_TABLES = ("ptbxl_database.csv", "scp_statements.csv")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


_COLUMNS = ("ecg_id", "patient_id", "scp_codes", "strat_fold")


@remembered
def _database(path: Path) -> dict[int, dict[str, str]]:
    try:
        rows = _rows(path)
    except (UnicodeError, csv.Error) as error:
        raise RecordingError(f"{path.name}: is no table in UTF-8 ({error}).") from None
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise RecordingError(f"{path.name}: has no rows with the columns {', '.join(lacking)}.")
    return {int(float(row["ecg_id"])): row for row in rows}


@remembered
def _superclasses(path: Path) -> dict[str, str]:
    return {code: name for code, name in of_statements(read_sheet(path)) if name}


def _row(found: FoundRecording) -> dict[str, str]:
    number = int(found.groups["ecg_id"])
    row = _database(found.require(_TABLES[0])).get(number)
    if row is None:
        raise RecordingError(f"{found.name}: {_TABLES[0]} has no row with the ecg_id {number}.")
    return row


def _diagnoses(found: FoundRecording) -> list[Stretch]:
    classes = _superclasses(found.require(_TABLES[1]))
    where = f"{found.name}: scp_codes of {_TABLES[0]}"
    codes = codes_of(_row(found)["scp_codes"], None, where)
    if codes is None:
        raise RecordingError(f"{where} must be like {{'NORM': 100.0, 'SR': 0.0}}.")
    return [whole(tuple(sorted({classes[code] for code in codes if code in classes})))]


def _subject(found: FoundRecording) -> str:
    return str(int(float(_row(found)["patient_id"])))


def _split(found: FoundRecording) -> str:
    fold = int(float(_row(found)["strat_fold"]))
    return {9: "valid", 10: "test"}.get(fold, "train")


def _of_one_rate(found: Sequence[FoundRecording], sfreq: float) -> list[FoundRecording]:
    """Each record once: at 100 Hz, or at 500 Hz where more is asked for."""
    wanted = "lr" if sfreq <= 100 else "hr"
    return [one for one in found if one.groups["session"] == wanted] or list(found)


LAYOUT = DatasetLayout(
    name="ptb-xl",
    title="PTB-XL",
    expects="ptbxl_database.csv, scp_statements.csv, records100/00000/00001_lr.hea + .dat … "
    "(or records500/00000/00001_hr.hea …)",
    licence="CC BY 4.0",
    recordings=r"(?P<ecg_id>\d{5})_(?P<session>lr|hr)\.hea",
    needs=_TABLES,
    labels=_diagnoses,
    label_names=("NORM", "MI", "STTC", "CD", "HYP"),
    subject=_subject,
    split=_split,
    settings={"sfreq": 100, "window": 10, "task": "multilabel"},
    choose=_of_one_rate,
)
