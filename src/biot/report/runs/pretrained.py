"""The page of a run of pretraining."""

from __future__ import annotations

from typing import Any

import numpy as np

from biot.report.drawing import drawn
from biot.report.parts import More, Pairs, Part, Section, Table, Text
from biot.report.runs.asked import asked_section, left_out_section, repeat_section
from biot.report.runs.data import corpus_pairs
from biot.report.runs.figures import learning
from biot.report.runs.folder import ReadRun
from biot.report.runs.scores import section_of
from biot.report.runs.values import hours, inner, items, number

__all__ = ["pretrained_page"]

_TITLES = {
    "loss": "Loss", "top1": "Top-1: share of right answers", "embedding_std":
    "Embedding standard deviation", "effective_rank": "Effective rank",
    "gradient_norm": "Gradient norm", "learning_rate": "Learning rate",
    "latent_loss": "Error of latents", "spectrum_loss": "Error of log spectra",
    "spread_loss": "SIGReg: how far from a standard normal",
}  # fmt: skip
_LEARNING = (
    "loss", "top1", "latent_loss", "spectrum_loss", "spread_loss", "gradient_norm", "learning_rate",
)  # fmt: skip
_HEALTH = ("embedding_std", "effective_rank")


def pretrained_page(run: ReadRun) -> dict[str, Any]:
    """What the template of sections shows of a run of pretraining."""
    config = inner(inner(run.about, "what"), "config")
    finished = (run.folder / "model").is_dir()
    steps = int(run.history[-1]["step"]) if run.history else 0
    about = [("objective", str(config.get("objective", "not said"))),
             ("steps", f"{number(steps)} of {number(config.get('steps'))}"),
             ("state", "finished" if finished else "not finished")]  # fmt: skip
    heads = run.folder / "heads"
    if heads.is_dir():
        about.append(("heads", ", ".join(sorted(one.name for one in heads.iterdir()))))
    sections = [
        asked_section(run, about),
        Section("Corpora", _corpora(run)),
        *section_of("Model", _model(run)),
        *section_of("How it learned", _panels(run, _LEARNING, "Over the steps")),
        *section_of("Do the features serve?", _probe(run)),
        *section_of("Is it healthy?", _health(run)),
        left_out_section(run, []),
        repeat_section(run),
    ]
    return {"title": f"{run.folder.name}: pretraining", "summary": _summary(run, steps),
            "sections": sections, "lacking": []}  # fmt: skip


def _summary(run: ReadRun, steps: int) -> list[str]:
    config, corpora = inner(inner(run.about, "what"), "config"), _counts(run)
    windows = sum(n for n in corpora.values() if isinstance(n, int))
    told = f"{config.get('objective', 'An')} objective, {number(steps)} steps, "
    told += (
        f"{number(windows)} windows of {len(corpora)} corp{'us' if len(corpora) == 1 else 'ora'}."
    )
    last = f"Loss at the end: {run.history[-1]['loss']:.3f}." if run.history else ""
    return [f"{told[:1].upper()}{told[1:]}", *([last] if last else [])]


def _counts(run: ReadRun) -> dict[str, Any]:
    corpora = inner(inner(run.about, "what"), "corpora")
    return {name: inner(corpora, name).get("n_windows") for name in corpora}


def _corpora(run: ReadRun) -> list[Part]:
    """One line a corpus; more of those that still lie there."""
    rows, more, counts = [], [], _counts(run)
    for (name, n_windows), place in zip(
        counts.items(), [*items(run.about, "paths"), *[None] * len(counts)], strict=False
    ):
        corpus = run.corpora.get(str(place))
        if corpus is None:
            rows.append([name, number(n_windows), *["–"] * 5])
            continue
        contract = corpus.preprocessing
        seconds = float(corpus.lengths.sum()) / contract.sfreq
        n_subjects, n_recordings = (
            len(np.unique(column)) for column in (corpus.subjects, corpus.recordings)
        )
        rows.append([
            name, number(n_windows), number(n_subjects), number(n_recordings), hours(seconds),
            number(contract.n_chans), f"{contract.sfreq:g}",
        ])  # fmt: skip
        more.append(More(name, [Pairs(corpus_pairs(corpus))]))
    table = Table(
        caption="Corpora in their order",
        headers=("corpus", "windows", "subjects", "recordings", "time", "channels", "rate (Hz)"),
        rows=rows,
    )
    return [table, *more]


def _model(run: ReadRun) -> list[Part]:
    model = inner(inner(run.about, "what"), "model")
    names = ("embed_dim", "num_heads", "num_layers", "n_fft", "hop_length", "sfreq", "n_times")
    rows = [(name, f"{model[name]:g}") for name in names if model.get(name) is not None]
    if "spectrum" in model:
        rows.append(("spectrum", str(model["spectrum"])))
    channels = [str(name) for name in items(model, "channels")]
    if channels:
        rows.append(("channels", f"{len(channels)}: {', '.join(channels)}"))
    return [Pairs(rows)] if rows else []


def _panels(run: ReadRun, names: tuple[str, ...], caption: str) -> list[Part]:
    lines = run.history
    panels = {}
    for name in names:
        curves = {"training": [line[name] for line in lines if name in line]}
        held_out = [line.get(f"valid_{name}", np.nan) for line in lines]
        if np.isfinite(held_out).any():
            curves["held-out subjects"] = held_out
        if len(curves["training"]) == len(lines) and np.isfinite(curves["training"]).any():
            panels[_TITLES[name]] = curves
    if not panels:
        return []
    last = ", ".join(f"{title} {curves['training'][-1]:.4g}" for title, curves in panels.items())
    steps = [line["step"] for line in lines]
    return [
        drawn(
            lambda: learning(panels, steps, axis="step"), caption=f"{caption}.",
            alt=f"Curves over {number(int(steps[-1]))} steps; at the end: {last}.",
        )
    ]  # fmt: skip


def _probe(run: ReadRun) -> list[Part]:
    """The scores of ridge on the features of held-out subjects, where a run has a probe."""
    lines = [line for line in run.history if np.isfinite(line.get("probe_score", np.nan))]
    if not lines:
        return []
    best = max(lines, key=lambda line: (line["probe_score"], line["probe_gain"]))
    title = "Score of ridge on the features, held-out subjects"
    curves = {"pretrained": [line["probe_score"] for line in lines],
              "before the first step": [line["probe_random"] for line in lines]}  # fmt: skip
    text = (
        f"The weights of step {number(int(best['step']))} are kept, where ridge on the features of "
        f"held-out subjects scores {best['probe_score']:.3f} (mean over the labelled corpora); on "
        f"the features before the first step {best['probe_random']:.3f}. The share of a subject's "
        f"windows that is right differs by {best['probe_gain']:+.3f}."
    )
    if best["probe_gain"] <= 0:
        text += " Pretraining has not helped these features."
    steps = [line["step"] for line in lines]
    figure = drawn(
        lambda: learning({title: curves}, steps, axis="step", kept=best["step"]),
        caption="The probe over the steps.", alt=f"{title}, over the steps; {text}",
    )  # fmt: skip
    return [Text(text), figure]


def _health(run: ReadRun) -> list[Part]:
    """Whether the features collapse: the spread of their directions, and how many they use."""
    figure = _panels(run, _HEALTH, "Spread of the features of a batch over the steps")
    if not figure:
        return []
    told = [Text(str(note), is_note=True) for note in items(run.about, "notes")]
    text = (
        "The embedding standard deviation is 0 where the features of all windows are one point, "
        "and 1 where they point everywhere; the effective rank says how many directions they use."
    )
    if "notes" in run.about and not told:
        text += " By both, the features had not collapsed at the end."
    return [*told, Text(text), *figure]
