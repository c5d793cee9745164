"""Reproduce the scores of a set, or of all.

    python -m benchmarks.reproduce list
    python -m benchmarks.reproduce uci_har [--data ../shared/data] [--seeds 0 1 2]
    python -m benchmarks.reproduce eegmat --test held_out_subjects.npz
    python -m benchmarks.reproduce all --only ours ridge
    python -m benchmarks.reproduce tuab --data FOLDER_AS_PUBLISHED [--quick]

Without `--test`, a set is tested by its official test part, or by folds of its subjects, and a
whole run writes its row of the table in README.md. With `--test` all of the set trains and another
file of the same layout is tested; the table stays as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.reproduce.protocols import PROTOCOLS
from benchmarks.reproduce.recipes import RECIPES
from benchmarks.reproduce.run import Options, results_of, run_set
from benchmarks.reproduce.sets import SETS, load
from benchmarks.reproduce.splits import DATA, folds_of
from benchmarks.reproduce.table import README, RESULTS, fill_in, sentences_of, table_of
from biot.errors import BiotError, ConfigError, near_word
from biot.io import read_json, write_json

__all__ = ["main", "reproduce"]

OUT = Path("reproduced")
"""Below the current folder; git does not see it."""


def reproduce(
    name: str, data: Path, out: Path, options: Options, *, test: Path | None = None
) -> dict[str, Any]:
    """Run a set and score it; the results, which ``out/NAME/results.json`` holds too.

    Raises
    ------
    ConfigError
        If data are missing or do not fit the set.
    """
    started = time.perf_counter()
    try:
        problem = load(name, data, test)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    fold_of = folds_of(name, problem)
    folder = out / ("quick" if options.quick else "full" if test is None else f"test-{test.stem}")
    kept = run_set(name, problem, fold_of, options, folder)
    result = results_of(name, problem, fold_of, options, kept)
    result["test"] = None if test is None else test.name
    result["jobs"] = options.jobs
    result["wall_seconds"] = round(time.perf_counter() - started, 1)
    write_json(kept / "results.json", result)
    return result


def _tell(result: dict[str, Any]) -> None:
    write = sys.stdout.write
    write(f"\n{table_of([result], 'simple')}\n\n")
    split = f"{result['split']}, {result['folds']} fold" + "s" * (result["folds"] > 1)
    write(
        f"{result['set']}: {split}; seeds {result['seeds']}. Passes over the training windows, for "
        f"each model of ours and each net: {result['passes']}. Models of ours whose mean is taken, "
        f"and of each net: {result['members']}.\n"
    )
    if result["note"]:
        write(f"Mind: {result['note']}.\n")
    write(f"Published: {result['published']} {result['source']}.\n".replace(":  ", ": "))
    for sentence in sentences_of(result):
        write(f"{sentence}\n")
    if result["subjects"] < 5:
        write(f"Intervals over {result['subjects']} subjects say little.\n")
    seconds = ", ".join(f"{m} {value:.0f}" for m, value in result["seconds"].items())
    write(
        f"Seconds of processor time, all seeds and folds: {seconds}. This call took "
        f"{result['wall_seconds']:.0f} s with {result['jobs']} processes.\n"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reproduce",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="NAME", help="a set, all, or list for the names")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the sets")
    parser.add_argument("--test", type=Path, help="another file of the set's layout, to be tested")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=OUT, help="for outputs (reproduced)")
    parser.add_argument("--only", nargs="+", default=[], metavar="METHOD",
                        help="ours, ridge, chance, or a net of the set")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=2, help="processes, each with one thread (2)")
    parser.add_argument("--quick", action="store_true",
                        help="only show that all works: a small model, one epoch")  # fmt: skip
    parser.add_argument("--settings", type=_setting, nargs="+", default=[], metavar="NAME=VALUE",
                        help="other settings of our models, such as spectrum=magnitude "
                        "learning_rate=0.001; the table is left alone")  # fmt: skip
    parser.add_argument("--again", action="store_true", help="repeat trainings that were kept")
    return parser


def _setting(text: str) -> tuple[str, Any]:
    """``NAME=VALUE``, whose value is a number where it can be."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE, such as spectrum=magnitude")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _require(arguments: argparse.Namespace) -> list[str]:
    """The sets that are asked for."""
    known = [*SETS, "all", "list", *RECIPES]
    if arguments.name not in known:
        raise ConfigError(
            f"No set is called {arguments.name!r}.{near_word(arguments.name, known)} There are "
            f"{', '.join(known)}."
        )
    if arguments.test is not None and not arguments.test.exists():
        raise ConfigError(f"--test {arguments.test}: there is no such file or folder.")
    if not arguments.data.is_dir():
        raise ConfigError(f"--data {arguments.data}: there is no such folder.")
    if arguments.name == "all" and arguments.test is not None:
        raise ConfigError("--test is a file of one set: name the set instead of all.")
    if min(arguments.seeds) < 0 or len(set(arguments.seeds)) < len(arguments.seeds):
        raise ConfigError(f"--seeds {arguments.seeds}: give different whole numbers from 0 on.")
    if arguments.jobs < 1:
        raise ConfigError(f"--jobs {arguments.jobs}: at least 1.")
    return list(SETS) if arguments.name == "all" else [arguments.name]


def _listed() -> None:
    for name, protocol in PROTOCOLS.items():
        sys.stdout.write(
            f"{name:16} {protocol.metric.name}; {protocol.note or 'folds by subject'}\n"
        )
    for name in RECIPES:
        sys.stdout.write(f"{name:16} recipe for the folder as published (--data)\n")


def _why_not_in_table(arguments: argparse.Namespace, result: dict[str, Any]) -> str | None:
    """Why a result is no row of the table, if it is none; a fuller one is not replaced."""
    changed = {
        "--test": arguments.test is not None, "--quick": arguments.quick,
        "--settings": bool(arguments.settings),
    }  # fmt: skip
    for option, is_given in changed.items():
        if is_given:
            return f"{option} was given"
    if len(arguments.seeds) < 3:
        return "it has fewer than three seeds"
    file = RESULTS / f"{result['set']}.json"
    before = read_json(file, ConfigError) if file.is_file() else {"scores": {}}
    known = {method for scores in before["scores"].values() for method in scores}
    lacking = sorted(known - set(result["scores"][result["metric"]]))
    return f"{file} has {', '.join(lacking)} too" if lacking else None


def _run(arguments: argparse.Namespace) -> None:
    names = _require(arguments)
    if arguments.name == "list":
        _listed()
        return
    if arguments.name in RECIPES:
        RECIPES[arguments.name](arguments.data, arguments.out / arguments.name, arguments.quick)
        return
    options = Options(
        seeds=tuple(arguments.seeds), only=tuple(arguments.only), quick=arguments.quick,
        again=arguments.again, jobs=arguments.jobs, settings=dict(arguments.settings),
    )  # fmt: skip
    for name in names:
        result = reproduce(name, arguments.data, arguments.out, options, test=arguments.test)
        _tell(result)
        reason = _why_not_in_table(arguments, result)
        if reason is None:
            RESULTS.mkdir(exist_ok=True)
            write_json(RESULTS / f"{name}.json", result)
            fill_in()
            sys.stdout.write(f"Its row in {README} is up to date.\n")
        else:
            sys.stdout.write(f"Its row in {README} was not changed: {reason}.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 after an error, which is told."""
    try:
        _run(_parser().parse_args(arguments))
    except BiotError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
