"""One table of what `results/` holds, put into README.md.

python -m benchmarks.reproduce.table
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmarks.reproduce.protocols import PROTOCOLS
from biot.errors import ConfigError
from biot.io import atomic_file, read_json

__all__ = ["RESULTS", "fill_in", "notes_of", "rows_of", "sentences_of", "summary_of", "table_of"]

RESULTS = Path(__file__).with_name("results")
README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"
HEADERS = ("set", "score", "tested", "chance", "ridge", "nets", "ours [95 %]", "ours − ridge",
           "ours − nets", "ours + ridge", "with it − ridge", "minutes of ours",
           "published")  # fmt: skip
NAMES = {"eegnet": "EEGNet", "shallow": "ShallowFBCSPNet", "resnet1d": "ResNet1d", "fcn": "FCN"}


def load_results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """What the files say, in the order of the sets."""
    files = [folder / f"{name}.json" for name in PROTOCOLS]
    return [read_json(file, ConfigError) for file in files if file.is_file()]


def rows_of(result: Mapping[str, Any]) -> list[list[str]]:
    """Rows of a set: its main score with all that is told, then the others."""
    rows = []
    for metric, scores in result["scores"].items():
        first = metric == result["metric"]
        differences = result["differences"] if first else {}
        nets = [method for method in result["nets"] if method in scores]
        rows.append([
            result["set"] if first else "",
            metric,
            f"{result['windows']} windows, {result['subjects']} subjects" if first else "",
            _value(scores.get("chance")),
            _value(scores.get("ridge")),
            "; ".join(f"{NAMES[net]} {_value(scores[net])}" for net in nets),
            _value(scores.get("ours"), interval=True),
            _difference(differences.get("ridge")),
            "; ".join(_difference(differences[net]) for net in nets if net in differences),
            _value(scores.get("ours + ridge")),
            _difference(differences.get("together")),
            f"{result['seconds']['ours'] / 60:.1f}" if first and "ours" in scores else "",
            (result["published"] or "–") if first else "",
        ])  # fmt: skip
    return rows


def table_of(results: Iterable[Mapping[str, Any]], style: str = "github") -> str:
    """The table of some sets."""
    rows = [row for result in results for row in rows_of(result)]
    return tabulate(rows, HEADERS, tablefmt=style, disable_numparse=True)


def sentences_of(result: Mapping[str, Any]) -> list[str]:
    """What the differences say, in plain words."""
    said = []
    for other, difference in result["differences"].items():
        if other == "together":
            continue
        mean, interval = difference["mean"], difference["interval"]
        name = NAMES.get(other, other)
        if interval is not None and interval[0] <= 0 <= interval[1]:
            doubt = ", but the interval holds 0: other subjects might show the opposite"
        else:
            doubt = ""
        if round(mean, 3) > 0:
            said.append(f"Better than {name} by {mean:.3f}{doubt}.")
        elif round(mean, 3) < 0:
            said.append(f"Not better than {name}: {-mean:.3f} below it{doubt}.")
        else:
            said.append(f"Not better than {name}: the same score.")
    return said


def notes_of(results: Iterable[Mapping[str, Any]]) -> str:
    """What must be known of each set: its recipe's budget, its oddities, the published figure."""
    lines = []
    for result in results:
        said = [
            f"{result['split']} ({result['folds']}), {result['passes']} passes, mean of "
            f"{result['members']}" if result["members"] > 1
            else f"{result['split']} ({result['folds']}), {result['passes']} passes",
            *([result["note"]] if result["note"] else []),
            f"published: {result['source']}",
        ]  # fmt: skip
        lines.append(f"- **{result['set']}**: {'; '.join(said)}.")
    return "\n".join(lines)


def summary_of(results: Iterable[Mapping[str, Any]]) -> str:
    """On how many sets ours is at or above the others.

    A set of which one net was run counts where that net is not below ours: the answer is known.
    """
    results = [result for result in results if "ours" in result["scores"][result["metric"]]]
    ridge = [r for r in results if "ridge" in r["differences"]]
    at_ridge = sum(r["differences"]["ridge"]["mean"] >= 0 for r in ridge)
    known = [is_above for is_above in map(_is_above_nets, results) if is_above is not None]
    return (
        f"At or above the ridge on {at_ridge} of {len(ridge)} sets, "
        f"above both nets on {sum(known)} of {len(known)}."
    )


def _is_above_nets(result: Mapping[str, Any]) -> bool | None:
    """Whether ours is above every net of the set; None as long as nobody knows."""
    gains = {net: result["differences"].get(net) for net in result["nets"]}
    run = [gain["mean"] > 0 for gain in gains.values() if gain is not None]
    if not gains or (len(run) < len(gains) and all(run)):
        return None
    return all(run)


def fill_in(readme: Path = README, folder: Path = RESULTS) -> str:
    """Put the table between its marks in the README; the table.

    Raises
    ------
    ConfigError
        If the marks are not there.
    """
    results = load_results(folder)
    text = readme.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ConfigError(f"{readme} has no place for the table: {BEGIN} and {END}.")
    parts = table_of(results), summary_of(results), notes_of(results)
    table = "\n\n".join(parts) if results else "No results yet."
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    with atomic_file(readme) as file:
        file.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return table


def _value(score: Mapping[str, Any] | None, *, interval: bool = False) -> str:
    if score is None:
        return ""
    text = _short(score["mean"])
    if score["sd"] is not None:
        text += f" ± {_short(score['sd'])}"
    if interval and score["interval"] is not None:
        text += " [{}, {}]".format(*map(_short, score["interval"]))
    return text


def _difference(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    text = f"{value['mean']:+.3f}".replace("0.", ".", 1)
    if value["interval"] is not None:
        low, high = (f"{end:+.3f}".replace("0.", ".", 1) for end in value["interval"])
        text += f" [{low}, {high}]"
    return text


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def main() -> int:
    """Fill in the table."""
    sys.stdout.write(f"{fill_in()}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
