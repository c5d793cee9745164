"""Which subject is tested in which fold: kept as a file a set, so that everybody has the same.

    python -m benchmarks.reproduce.splits NAME ... [--data ../shared/data]

writes ``splits/NAME.json``; an existing file is kept unless ``--again`` is given.
"""

# W windows, S subjects

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedGroupKFold

from benchmarks.reproduce.protocols import PROTOCOLS
from benchmarks.reproduce.sets import Problem, load
from biot.errors import ConfigError, listed

__all__ = ["SPLITS", "folds_by_subject", "folds_of", "write_split"]

SPLITS = Path(__file__).with_name("splits")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

Ints = npt.NDArray[np.int64]


def folds_of(name: str, problem: Problem, folder: Path = SPLITS) -> Ints:
    """Fold in which each window is tested, (W,); −1 for windows that train only.

    Where the problem has a test part, that is the only fold; else the set's file says which
    subject is in which.

    Raises
    ------
    ConfigError
        If the file is absent or damaged, or names other subjects than the data.
    """
    assert problem.part is not None
    tested = problem.part == "test"
    if tested.any():
        _require_apart(name, problem, tested)
        return np.where(tested, 0, -1)
    file = folder / f"{name}.json"
    fold_of = _read(file)
    present = np.unique(problem.subject)
    absent = [str(who) for who in present if str(who) not in fold_of]
    gone = sorted(set(fold_of) - set(present.tolist()))
    if absent or gone:
        raise ConfigError(
            f"{file} does not fit the data: "
            + "; ".join(
                f"{len(names)} subjects are {where} only ({listed(names)})"
                for names, where in ((absent, "in the data"), (gone, "in the file"))
                if names
            )
            + ". Are these the data of the set? Other subjects are tested by --test FILE; a new "
            f"split is written by python -m benchmarks.reproduce.splits {name} --again."
        )
    return np.array([fold_of[str(who)] for who in problem.subject])


def folds_by_subject(problem: Problem, n_folds: int, *, seed: int = 0) -> dict[str, int]:
    """Folds with about the same share of each class; all windows of a subject are in one."""
    names, subject_W = np.unique(problem.subject, return_inverse=True)
    n_folds = min(n_folds, len(names))
    if n_folds < 2:
        raise ConfigError("The data hold one subject: folds by subject need two or more.")
    # Of several tags, the combination counts as the class.
    label_W = np.unique(problem.y, axis=0, return_inverse=True)[1].reshape(-1)
    if np.bincount(label_W).max() < n_folds:  # classes too rare to be spread over the folds
        label_W = np.zeros_like(label_W)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that a class is rarer than the folds are many
        warnings.filterwarnings("ignore", "The least populated class")
        parts = list(splitter.split(np.zeros(len(label_W)), label_W, subject_W))
    found = {str(names[who]): i for i, (_, test) in enumerate(parts) for who in subject_W[test]}
    return {str(name): found[str(name)] for name in names}


def write_split(name: str, problem: Problem, folder: Path = SPLITS) -> Path:
    """Make folds and keep them; of a set with an official test part its subjects."""
    assert problem.part is not None
    tested = problem.part == "test"
    about: dict[str, Any] = {"set": name}
    if tested.any():
        about |= {
            "split": "official",
            "train": np.unique(problem.subject[~tested]).tolist(),
            "test": np.unique(problem.subject[tested]).tolist(),
        }
    else:
        fold_of = folds_by_subject(problem, PROTOCOLS[name].n_folds)
        about |= {"split": "folds", "seed": 0, "fold_of_subject": fold_of}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return file


def _read(file: Path) -> dict[str, int]:
    way_out = f"Write it by python -m benchmarks.reproduce.splits {file.stem} --again."
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["fold_of_subject"])
    except OSError as error:
        raise ConfigError(f"{file}: the folds of the set cannot be read. {way_out}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} does not hold folds of subjects. {way_out}") from error


def _require_apart(name: str, problem: Problem, tested: npt.NDArray[np.bool_]) -> None:
    """Nobody may be in training and test."""
    both = np.intersect1d(problem.subject[tested], problem.subject[~tested])
    if len(both):
        raise ConfigError(
            f"{name}: {len(both)} subjects are in the training and in the test data "
            f"({listed(both.tolist())}), so that the scores would be too good. Give --test a file "
            "of other people."
        )


def main() -> int:
    """Write the files that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", choices=list(PROTOCOLS), metavar="NAME")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--again", action="store_true", help="also where there is a file")
    arguments = parser.parse_args()
    for name in arguments.names:
        if (SPLITS / f"{name}.json").exists() and not arguments.again:
            sys.stdout.write(f"{name}: kept as it is (--again makes it anew)\n")
            continue
        sys.stdout.write(f"{write_split(name, load(name, arguments.data))}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
