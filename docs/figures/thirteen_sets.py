"""The picture and the tables of real results, in README.md and paper/paper.md.

    python -m docs.figures.thirteen_sets

Drawn from benchmarks/reproduce/results, which `make reproduce` writes; run it again when they
change. A test compares every number with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from tabulate import tabulate

from benchmarks.reproduce.table import load_results, summary_of

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Path(__file__).with_suffix(".svg")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
PAGES = {
    "README.md": ("eegmat", "ssvep", "alcohol", "ptbxl", "uci_har"),
    "paper/paper.md": (
        *("eegmat", "ssvep", "alcohol", "epilepsy_guinea", "dreams_spindles", "muse_p300"),
        *("chbmit_onsets", "eegmmidb_s001", "ptbxl", "cinc2017", "myo_emg", "uci_har"),
        "stress_predict",
    ),
}
"""Which sets each page shows."""
TASKS = {
    "eegmat": "EEG: mental arithmetic",
    "ssvep": "EEG: flicker looked at (4)",
    "alcohol": "EEG: alcoholism",
    "epilepsy_guinea": "EEG: epilepsy",
    "dreams_spindles": "EEG: stages of sleep (5)",
    "muse_p300": "EEG: rare pictures, P300",
    "chbmit_onsets": "EEG: seizure or before",
    "eegmmidb_s001": "EEG: imagined movement (4)",
    "ptbxl": "ECG: diagnoses (5)",
    "cinc2017": "ECG: rhythms (3)",
    "myo_emg": "EMG: gestures (7)",
    "uci_har": "movement: activities (6)",
    "stress_predict": "wristband: stress",
}
UNITS = {"cinc2017": "records", "muse_p300": "sessions", "eegmmidb_s001": "pairs of runs"}
"""What training and test never share, where it is not people."""
SCORES = {"balanced accuracy per window": "balanced accuracy", "AUROC per window": "AUROC"}
OURS, RIDGE = "#0b6e8f", "#c2571a"


def short(value: float) -> str:
    """Three digits, as in the kit's table."""
    return f"{value:.3f}".removeprefix("0")


def score_name(result: Mapping[str, Any]) -> str:
    """The score of a set, for a heading."""
    return SCORES.get(result["metric"], result["metric"].partition(" of ")[0])


def table_of(results: Mapping[str, Mapping[str, Any]], names: tuple[str, ...]) -> str:
    """The sets of a page beside the ridge."""
    rows = []
    for name in names:
        result = results[name]
        scores = result["scores"][result["metric"]]
        low, high = scores["ours"]["interval"]
        rows.append([
            f"{TASKS[name]} ({name})" if name not in TASKS[name] else TASKS[name],
            f"{result['subjects']} {UNITS.get(name, 'people')}",
            score_name(result), short(scores["chance"]["mean"]), short(scores["ridge"]["mean"]),
            f"{short(scores['ours']['mean'])} [{short(low)}, {short(high)}]",
        ])  # fmt: skip
    headers = ("task (set)", "tested on", "score", "chance", "ridge", "BIOT [95 %]")
    return str(tabulate(rows, headers, tablefmt="github", disable_numparse=True))


def fill_in(page: Path, table: str) -> None:
    """Put a table between its marks in a page."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def draw(results: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    """One row a set: chance, the ridge, and BIOT with its interval."""
    mpl.rcParams["svg.fonttype"], mpl.rcParams["svg.hashsalt"] = "none", "biot"
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axis = figure.subplots()
    for row, name in enumerate(reversed(TASKS)):
        result = results[name]
        scores = result["scores"][result["metric"]]
        ours, ridge, chance = (scores[who]["mean"] for who in ("ours", "ridge", "chance"))
        axis.plot(scores["ours"]["interval"], [row, row], color=OURS, lw=5, alpha=0.3)
        axis.plot(ours, row, "o", color=OURS, ms=7, label="BIOT, and its 95 % interval")
        axis.plot(ridge, row, "D", color=RIDGE, ms=5, label="ridge on log band powers")
        axis.plot(chance, row, "|", color="0.5", ms=10, label="chance")
        axis.text(1.03, row, short(ours), color=OURS, va="center", fontsize=9)
        axis.text(1.11, row, short(ridge), color=RIDGE, va="center", fontsize=9)
    axis.set_yticks(range(len(TASKS)), list(reversed(TASKS.values())), fontsize=9)
    axis.set_xlim(0, 1)
    axis.set_xlabel("balanced accuracy (ECG diagnoses, P300: AUROC; rhythms: mean F1)", fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="0.92")
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    handles = axis.get_legend_handles_labels()
    axis.legend(*(part[:3] for part in handles), loc="lower left", bbox_to_anchor=(0, 1), ncols=3,
                frameon=False, fontsize=9)  # fmt: skip
    figure.savefig(out, metadata={"Date": None})


def main() -> None:
    """Draw the picture and fill in the pages."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    results = {result["set"]: result for result in load_results()}
    draw(results, PICTURE)
    for page, names in PAGES.items():
        fill_in(ROOT / page, f"{table_of(results, names)}\n\n{summary_of(results.values())}")


if __name__ == "__main__":
    main()
