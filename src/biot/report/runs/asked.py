"""What was asked of a run, what its page leaves out, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from biot.report.parts import Code, More, Pairs, Part, Section, Table, Text
from biot.report.runs.data import left_out_rows
from biot.report.runs.folder import ReadRun
from biot.report.runs.values import inner, items, setting_text

__all__ = ["LEAVES_OUT", "asked_section", "left_out_section", "repeat_section"]

LEAVES_OUT = "This page leaves out:"
"""Stands on a page that does not show everything that it would with all files there."""

_CALLS = {
    "fine-tuning": "biot.finetune", "cross-validation": "cross_validate",
    "pretraining": "biot.pretrain",
}  # fmt: skip


def asked_section(run: ReadRun, more: Sequence[tuple[str, str]] = ()) -> Section:
    """The command, and the settings that are not the defaults."""
    settings = _settings(run)
    changed = {
        name: settings.get(name, value) for name, value in inner(run.about, "changed").items()
    }
    rows = [(name, setting_text(value)) for name, value in changed.items()]
    if "changed" not in run.about:
        told = "not said: the run is of an earlier release; all settings stand below"
    else:
        told = "the defaults" if not rows else ""
    parts: list[Part] = [Code(_call(run)), Pairs([*more, *([("settings", told)] if told else [])])]
    if rows:
        caption = "Settings that differ from the defaults"
        parts.append(Table(caption=caption, headers=("setting", "value"), rows=rows))
    everything = [(name, setting_text(value)) for name, value in settings.items()]
    table = Table(caption="All settings", headers=("setting", "value"), rows=everything)
    parts.append(More("All settings", [table]))
    return Section("What was asked", parts)


def _settings(run: ReadRun) -> dict[str, object]:
    """All settings of a run by name."""
    learnt = inner(inner(run.about, "what"), "config")
    return {**learnt, **inner(run.about, "config"), **inner(run.about, "settings")}


def _call(run: ReadRun) -> str:
    """The command, or the call of Python that does the same."""
    command = run.about.get("command")
    if isinstance(command, str) and command:
        return command
    places = [str(inner(run.about, "corpus").get("path", "corpus"))]
    if run.kind == "pretraining":
        places = list(map(str, items(run.about, "paths")))
    given = dict(inner(run.about, "changed"))
    given |= {name: run.about[name] for name in ("folds", "n_seeds") if name in run.about}
    for name, key in (("from_model", "from_model"), ("test", "test_corpus")):
        value = run.about.get(key)
        if value:
            given[name] = value.get("path") if isinstance(value, dict) else value
    first = repr(places) if run.kind == "pretraining" else repr(places[0])
    words = [first, repr(run.folder.name), *(f"{name}={value!r}" for name, value in given.items())]
    return f"{_CALLS[run.kind]}({', '.join(words)})  # in Python, from the folder of the run's own"


def left_out_section(run: ReadRun, lacking: Sequence[str]) -> Section:
    """Windows that were not used, and what this page cannot show."""
    rows = left_out_rows(run)
    parts: list[Part] = [Pairs(rows) if rows else Text("No window was left out by the run.")]
    notes = [*run.notes, *lacking]
    if notes:
        parts += [Text(LEAVES_OUT, is_note=True), *(Text(note) for note in notes)]
    return Section("What is left out", parts)


def repeat_section(run: ReadRun) -> Section:
    """Commands to repeat it and to go on, and the versions."""
    place = shlex.quote(str(run.folder))
    lines = [_call(run), f"biot info {place}", f"biot report {place}"]
    if run.kind == "fine-tuning":
        model = shlex.quote(str(run.folder / "model"))
        lines += [
            f"biot evaluate {model} CORPUS", f"biot predict {model} RECORDING --out TABLE.csv",
        ]  # fmt: skip
    if run.kind == "pretraining":
        model = shlex.quote(str(run.folder / "model"))
        lines.append(f"biot finetune CORPUS --from {model} --out RUN")
    versions = [(name, str(value)) for name, value in inner(run.about, "versions").items()]
    for name, key in (("sources", "git_revision"), ("device", "device"), ("threads", "threads")):
        if run.about.get(key) is not None:
            versions.append((name, str(run.about[key])))
    parts: list[Part] = [Code("\n".join(lines)), Pairs(versions)]
    marks = {
        str(one.get("path")): str(one.get("fingerprint"))
        for one in (inner(run.about, "corpus"), inner(run.about, "test_corpus")) if one
    }  # fmt: skip
    parts.append(Pairs([(f"fingerprint of {Path(at).name}", mark) for at, mark in marks.items()]))
    return Section("Do it again", parts)
