"""The page of a cross-validation."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any

from biot.evaluation.tables import fold_cells, fold_columns
from biot.io import true_cell
from biot.report.drawing import drawn
from biot.report.parts import More, Part, Section, Table, Text
from biot.report.runs.asked import asked_section, left_out_section, repeat_section
from biot.report.runs.data import data_section
from biot.report.runs.figures import by_subject
from biot.report.runs.finetuned import spectra_parts, titled
from biot.report.runs.folder import ReadRun
from biot.report.runs.scores import (
    class_table,
    confusion_parts,
    names_of,
    reliability_parts,
    section_of,
)
from biot.report.runs.values import counted, inner, items, number
from biot.report.runs.windows import example_parts

__all__ = ["folds_page"]


def folds_page(run: ReadRun) -> dict[str, Any]:
    """What the template of sections shows of a cross-validation."""
    seeds = inner(run.metrics, "each_seed")
    first = inner(seeds, next(iter(seeds), ""))
    names, lacking = names_of(first), list[str]()
    if run.corpus is None:
        lacking.append("Signals, spectra and hours: the corpus does not lie where it lay.")
    about = [("folds", f"{run.about.get('folds')}, seeds: {run.about.get('n_seeds')}"),
             ("started from", str(run.about.get("from_model") or "scratch"))]  # fmt: skip
    one = f"seed {next(iter(seeds), '')}"
    sections = [
        asked_section(run, about),
        data_section(run),
        Section("Scores", _scores(run, first, names)),
        Section("Fold by fold", _folds(run, names, lacking)),
        *section_of("Subject by subject", _subjects(run, names, lacking)),
        *section_of(f"Which classes are taken for which, {one}", confusion_parts(first)),
        *section_of(f"Are the probabilities truthful? {one}", reliability_parts(first)),
    ]
    classes = class_table(first)
    if classes is not None:
        sections += [Section(f"Each class for itself, {one}", [classes])]
    sections += _examples(run, one, lacking)
    if run.corpus is not None:
        sections += section_of("Spectra", spectra_parts(run))
    sections += [left_out_section(run, lacking), repeat_section(run)]
    return {"title": f"{run.folder.name}: cross-validation", "summary": _summary(run, names),
            "sections": sections, "lacking": lacking}  # fmt: skip


def _examples(run: ReadRun, one: str, lacking: list[str]) -> list[Section]:
    """The surest windows with their signal; and how each fold decided."""
    table, found = run.tables.get("test"), list[Section]()
    if table is None or not len(table):
        lacking.append("Single windows: test_predictions.parquet is not there, or cannot be read.")
        return found
    limits = [items(fold, "thresholds") for fold in items(run.about, "tested")]
    values = [float(x) for fold in limits for x in fold]
    if values:
        found.append(
            Section("Threshold", [Text(
                "Every fold chose its own on its validation windows: from "
                f"{min(values):.3f} to {max(values):.3f}. run.json holds them all."
            )])
        )  # fmt: skip
    if run.corpus is None:
        return found
    for wrong, title in ((False, "Surest right windows"), (True, "Surest wrong windows")):
        parts = example_parts(table, run.corpus, wrong=wrong)
        found.append(
            Section(f"{titled(table.task, title)}, {one}", parts or [Text("There are none.")])
        )
    return found


def _cell(spread: Mapping[str, Any]) -> str:
    mean, deviation = number(spread.get("mean")), spread.get("sd")
    return mean if deviation is None else f"{mean} ± {number(deviation)}"


_RIDGE = (
    ", and a ridge on log band powers that each fold fits to its other windows, of all windows of "
    "a seed: with 95 % intervals over subjects, or mean ± standard deviation over several seeds"
)


def _scores(run: ReadRun, first: Mapping[str, Any], names: Mapping[str, str]) -> list[Part]:
    metrics = run.metrics
    table = Table(
        caption=f"Mean ± standard deviation over {counted(_n_trainings(run), 'fold')} (and seeds), "
        "and over the seeds of all windows of a seed together; beside them what guessing reaches"
        f"{_RIDGE if inner(first, 'differences') else ''}.",
        headers=("score", "folds", "all windows of a seed", *fold_columns(metrics)),
        rows=[
            (
                name, _cell(inner(inner(metrics, "folds"), key)),
                _cell(inner(inner(metrics, "pooled"), key)),
                *fold_cells(metrics, key),
            )
            for key, name in names.items()
        ],
    )  # fmt: skip
    notes: list[Part] = [Text(str(note), is_note=True) for note in items(metrics, "notes")]
    told = [Text(f"Undefined in {fold}: {why}.") for fold, why in
            inner(metrics, "undefined").items()]  # fmt: skip
    many: list[Part] = [*notes, *told]
    if len(many) > 5:
        many = [More(f"{counted(len(many), 'note')} on the folds", many)]
    return [table, *many]


def _n_trainings(run: ReadRun) -> int:
    return len(items(run.about, "tested"))


def _folds(run: ReadRun, names: Mapping[str, str], lacking: list[str]) -> list[Part]:
    rows = _csv(run, "folds.csv", lacking)
    if not rows:
        return [Text("folds.csv cannot be read.")]
    columns = ["seed", "fold", "n_windows", "n_subjects", *names]
    titles = {"n_windows": "windows", "n_subjects": "subjects", **names}
    cells = [[_short(row.get(name, "")) for name in columns] for row in rows]
    return [
        Table(
            caption="One line a training: a seed and a fold, on its test windows",
            headers=[titles.get(name, name) for name in columns], rows=cells,
        )
    ]  # fmt: skip


def _short(text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        return text or "undefined"
    return text if value.is_integer() and "." not in text else f"{value:.3f}"


def _subjects(run: ReadRun, names: Mapping[str, str], lacking: list[str]) -> list[Part]:
    """A score of each subject, one dot a seed."""
    rows = _csv(run, "subjects.csv", lacking)
    key = next((k for k in ("accuracy", "mae", "f1") if k in names), next(iter(names), ""))
    if not rows or not key or key not in rows[0]:
        return []
    values: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    for row in rows:
        name = true_cell(row["subject"])
        values.setdefault(name, []).append(float(row[key] or "nan"))
        counts[name] = int(row["n_windows"])
    axis = f"{names[key]} of the subject's windows"
    figure = drawn(
        lambda: by_subject(list(values), list(values.values()), list(counts.values()), axis=axis),
        caption=f"Each line is a subject, each dot a seed: {axis}, by a model that has not seen "
        "the subject.",
        alt=f"{axis} of {len(values)} subjects; subjects.csv holds the numbers.",
    )
    return [figure]


def _csv(run: ReadRun, name: str, lacking: list[str]) -> list[dict[str, str]]:
    try:
        with (run.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        lacking.append(f"What {name} holds: it cannot be read ({error}).")
        return []


def _summary(run: ReadRun, names: Mapping[str, str]) -> list[str]:
    key = next(iter(names), "")
    pooled = inner(inner(run.metrics, "pooled"), key)
    folds = inner(inner(run.metrics, "folds"), key)
    seeds = counted(len(items(run.metrics, "seeds")), "seed")
    title = names.get(key, "")
    ridge = inner(inner(run.metrics, "ridge"), "pooled")
    beside = f" A ridge on log band powers: {_cell(inner(ridge, key))}." if ridge else ""
    return [
        f"{title[:1].upper()}{title[1:]}, every subject tested by a model that has not seen it: "
        f"{_cell(pooled)} over {seeds} of all windows, {_cell(folds)} over "
        f"{counted(_n_trainings(run), 'fold')}.{beside}"
    ]
