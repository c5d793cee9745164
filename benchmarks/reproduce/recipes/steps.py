"""What all recipes do: commands of `biot`, shown as they are run, and scores over the seeds."""

from __future__ import annotations

import csv
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from biot.cli import main
from biot.errors import ConfigError
from biot.io import atomic_file, write_json
from biot.signals.channels import PREST_16

__all__ = ["BIPOLAR", "Steps", "read_table", "write_table"]

BIPOLAR = ",".join(PREST_16)
"""The 16 bipolar channels of Yang et al. (NeurIPS 2023)."""

_FULL = (
    "--embed-dim", "256", "--num-heads", "8", "--num-layers", "4", "--epochs", "100",
    "--patience", "5", "--batch-size", "512", "--learning-rate", "1e-3", "--weight-decay", "1e-5",
)  # fmt: skip
"""Size and training of Yang et al.: 100 epochs at most, stopped after five without a better one."""
_QUICK = (
    "--embed-dim", "16", "--num-heads", "2", "--num-layers", "1", "--epochs", "1",
    "--batch-size", "8",
)  # fmt: skip

Row = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The steps of one recipe; what an earlier call finished is not repeated."""

    out: Path
    """Folder of everything that is made."""
    quick: bool
    """A small model, one epoch and one seed: shows that all works, and says nothing of scores."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the trainings."""
        return (0,) if self.quick else (0, 1, 2)

    def run(self, *words: str | Path) -> None:
        """One command of `biot`, which is shown first.

        Raises
        ------
        ConfigError
            If it fails; `biot` has told why.
        """
        command = [str(word) for word in words]
        sys.stdout.write(f"\n$ biot {shlex.join(command)}\n")
        sys.stdout.flush()
        if main(command):
            raise ConfigError(f"biot {command[0]} failed, see above; the recipe stops here.")

    def prepared(self, name: str, data: Path, *options: str | Path) -> Path:
        """A corpus of the recordings in a folder."""
        corpus = self.out / name
        self.run("prepare", data, "--out", corpus, *options)
        return corpus

    def trained(self, name: str, corpus: Path, *options: str) -> list[dict[str, Any]]:
        """What ``metrics.json`` holds for a model of each seed."""
        found = []
        for seed in self.seeds:
            run = self.out / f"{name}-{'quick' if self.quick else 'full'}-{seed}"
            if (run / "metrics.json").is_file():
                sys.stdout.write(f"\n{run} is finished, and kept.\n")
            else:
                size = _QUICK if self.quick else _FULL
                self.run("finetune", corpus, "--out", run, "--seed", str(seed), *size, *options)
            found.append(json.loads((run / "metrics.json").read_text(encoding="utf-8")))
        return found

    def tell(self, title: str, scores: Sequence[Mapping[str, Any]], published: Row) -> None:
        """Mean and standard deviation over the seeds, beside what is published.

        Parameters
        ----------
        title
            What was scored, also the name of the file of the scores.
        scores
            Of each seed, by the names of ``metrics.json``.
        published
            By the same names, as it is published.
        """
        names = ("balanced_accuracy", "cohen_kappa", "weighted_f1", "auroc", "auprc")
        values = {name: [one[name] for one in scores if one[name] is not None] for name in names}
        rows = [
            (name.replace("_", " "), _spread(found), published.get(name, "none"))
            for name, found in values.items()
        ]
        over = f"{len(scores)} seed{'s' * (len(scores) > 1)}"
        table = tabulate(rows, headers=("score", f"mean ± sd of {over}", "published"))
        warning = "Of --quick: these scores say nothing.\n" if self.quick else ""
        sys.stdout.write(f"\n{title}\n\n{table}\n{warning}")
        write_json(
            self.out / f"{title.split(':')[0].replace(' ', '_')}.json",
            {"title": title, "quick": self.quick, "seeds": list(self.seeds), "scores": values,
             "published": published},
        )  # fmt: skip


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "undefined"
    deviation = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{deviation}"


def read_table(path: Path) -> list[Row]:
    """The rows of what `biot labels` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def write_table(path: Path, rows: Sequence[Row]) -> Path:
    """Write rows as `biot prepare --labels` reads them."""
    with atomic_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
