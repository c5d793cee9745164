"""The page of a run of fine-tuning."""

from __future__ import annotations

from typing import Any

import numpy as np

from biot.evaluation.metrics import SCORES, TAG_SCORES, TARGET_SCORES
from biot.report.drawing import drawn
from biot.report.parts import Drawing, Part, Section, Text
from biot.report.runs.asked import asked_section, left_out_section, repeat_section
from biot.report.runs.data import data_section
from biot.report.runs.figures import band_spectra, learning
from biot.report.runs.folder import ReadRun
from biot.report.runs.scores import (
    class_table,
    confusion_parts,
    names_of,
    reliability_parts,
    score_parts,
    section_of,
)
from biot.report.runs.signals import MOST_SUBJECTS, MOST_WINDOWS, spectra_of_classes
from biot.report.runs.values import counted, inner, interval, items, number
from biot.report.runs.windows import (
    example_parts,
    number_parts,
    subject_parts,
    threshold_parts,
)

__all__ = ["finetuned_page", "spectra_parts", "titled"]


def finetuned_page(run: ReadRun) -> dict[str, Any]:
    """What the template of sections shows of a run of fine-tuning."""
    test, lacking = inner(run.metrics, "test"), _lacking(run)
    table = run.tables.get("test")
    table = table if table is not None and len(table) else None
    notes: list[Part] = [Text(str(note), is_note=True) for note in items(run.metrics, "notes")]
    classes = class_table(test)
    scored = [*notes, *score_parts(test), *([classes] if classes is not None else [])]
    sections = [
        asked_section(run, _started(run)),
        data_section(run),
        Section("Scores", scored),
        *section_of("Subject by subject", subject_parts(table) if table else []),
        *section_of("Which classes are taken for which", confusion_parts(test)),
    ]
    if table is not None and table.task == "regression":
        sections += section_of("Predicted and true numbers", number_parts(table))
    sections += section_of("Are the probabilities truthful?", reliability_parts(test))
    if table is not None and table.task != "regression":
        chosen, rule = test.get("thresholds"), str(test.get("decision", "not said"))
        tables = {name: one for name, one in run.tables.items() if len(one)}
        sections += section_of("Threshold", threshold_parts(tables, chosen, rule))
    sections += section_of("How it learned", _curves(run))
    corpus = run.test_corpus
    if table is not None and corpus is not None:
        for wrong, title in ((False, "Surest right windows"), (True, "Surest wrong windows")):
            parts = example_parts(table, corpus, wrong=wrong)
            sections += section_of(titled(table.task, title), parts or [Text("There are none.")])
    if run.corpus is not None:
        sections += section_of("Spectra", spectra_parts(run))
    sections += [left_out_section(run, lacking), repeat_section(run)]
    return {"title": f"{run.folder.name}: fine-tuning", "summary": _summary(run, test),
            "sections": sections, "lacking": lacking}  # fmt: skip


def titled(task: str, title: str) -> str:
    """The title of a section of examples: of numbers, none is right or wrong."""
    if task != "regression":
        return title
    return "Windows nearest to the truth" if "right" in title else "Windows farthest from the truth"


def _lacking(run: ReadRun) -> list[str]:
    """What cannot be shown."""
    found = []
    if "test" not in run.tables:
        found.append(
            "Subjects, thresholds and examples: test_predictions.parquet is not there; it is "
            "written by runs of this release."
        )
    if run.test_corpus is None:
        found.append("The signals of single windows: the corpus does not lie where it lay.")
    if run.corpus is None:
        found.append("Spectra, hours and labels of the parts: the corpus does not lie there.")
    return found


def _started(run: ReadRun) -> list[tuple[str, str]]:
    key, best = str(run.metrics.get("metric")), run.metrics.get("best_epoch")
    metric = {**SCORES, **TAG_SCORES, **TARGET_SCORES}.get(key, key)
    n_epochs, refit = run.metrics.get("epochs"), inner(run.metrics, "refit")
    kept = f"epoch {best} of {n_epochs}, the best by validation {metric}"
    if refit:
        kept = (
            f"the weights of a training on all {number(refit.get('n_windows'))} windows of "
            f"training and validation for {counted(int(refit.get('epochs') or 0), 'epoch')}, the "
            f"best number by validation {metric}"
        )
    elif "penalty" in run.metrics:
        kept = f"the penalty {run.metrics.get('penalty')}, the best by validation {metric}"
    elif best is None:
        kept = f"the weights after {counted(int(n_epochs or 0), 'epoch')}; nothing validated"
    return [("started from", str(run.about.get("from_model") or "scratch")), ("kept", kept)]


def _summary(run: ReadRun, test: Any) -> list[str]:
    """The figures to know at a glance."""
    names = names_of(test)
    key = str(run.metrics.get("metric"))
    key = key if key in names else next(iter(names), "")
    if not key:
        return ["There are no scores."]
    ends = interval(inner(test, "intervals").get(key))
    within = "" if "–" in ends else f" (95 % interval {ends})"
    of = (
        f"{counted(int(test.get('n_windows') or 0), 'test window')} of "
        f"{counted(int(test.get('n_subjects') or 0), 'subject')}"
    )
    guesses = inner(test, "baselines")
    told = [f"{guess} {number(inner(guesses, guess).get(key))}" for guess in guesses]
    known = {**SCORES, **TAG_SCORES, **TARGET_SCORES}[key]
    name = names.get(key, known)
    lines = [f"{name[:1].upper()}{name[1:]} on {of}: {number(test.get(key))}{within}."]
    before = inner(run.metrics, "before_refit").get(key)
    if before is not None:
        lines.append(f"Before the refit on all windows: {number(before)}.")
    return [*lines, f"For comparison: {', '.join(told)}."] if told else lines


def _curves(run: ReadRun) -> list[Part]:
    """Loss and validation score over the epochs."""
    lines = run.history
    if not lines:
        return [Text("There were no epochs: the last layer was fitted in one step.")]
    score = next((name for name in lines[0] if name.startswith("valid_") and name != "valid_loss"),
                 None)  # fmt: skip
    loss = {"training": [line["train_loss"] for line in lines]}
    if "valid_loss" in lines[0]:
        loss["validation"] = [line["valid_loss"] for line in lines]
    panels = {"Loss": loss}
    if score is not None:
        name = score.removeprefix("valid_").replace("_", " ")
        panels[f"Validation {name}"] = {"validation": [line[score] for line in lines]}
    best = run.metrics.get("best_epoch")
    ends = "; ".join(
        f"{name} loss from {values[0]:.3f} to {values[-1]:.3f}" for name, values in loss.items()
    )
    over = counted(len(lines), "epoch")
    told = f"Training loss over {over}; nothing validated."
    if best is not None:
        what = "that validation chose" if run.metrics.get("refit") else "whose weights were kept"
        told = f"Loss and validation score over {over}; the dashed line is the epoch {what}."
    figure: Drawing = drawn(
        lambda: learning(panels, [line["epoch"] for line in lines], axis="epoch", kept=best),
        caption=told, alt=f"{ends[:1].upper()}{ends[1:]}.",
    )  # fmt: skip
    return [figure]


def spectra_parts(run: ReadRun) -> list[Part]:
    """The mean spectrum of each class, one figure a unit."""
    if run.corpus is None:
        return []
    parts: list[Part] = [
        drawn(
            lambda s=one: band_spectra(s.frequencies, s.classes, unit=s.unit),  # type: ignore[misc]
            caption="Mean log spectrum of each class over "
            f"{counted(one.n_channels, 'channel')} in {one.unit or 'no unit'}, all parts of the "
            "corpus; band: one standard deviation over subjects. Of up to "
            f"{MOST_WINDOWS} windows of each of up to {MOST_SUBJECTS} subjects a class; a channel "
            "counts in the windows in which nothing of it is missing.",
            alt=f"Spectra of {', '.join(one.classes)} from {one.frequencies[0]:.1f} to "
            f"{one.frequencies[-1]:.1f} Hz.",
        )
        for one in spectra_of_classes(run.corpus)
        if len(one.frequencies) > 1 and np.isfinite(next(iter(one.classes.values()))[0]).all()
    ]
    return parts or [Text("No window holds a channel without a gap that is long enough.")]
