"""Prints which share of the statements of each room the tests ran, from pytest-cov's data."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import coverage
from tabulate import tabulate

SRC = Path(__file__).resolve().parents[1] / "src" / "biot"


def main() -> None:
    """A row a room, the package last."""
    data = coverage.Coverage()
    data.load()
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file in sorted(SRC.rglob("*.py")):
        _, statements, _, missing, _ = data.analysis2(str(file))
        room = file.parent.relative_to(SRC).as_posix()
        for name in ("biot" if room == "." else room, "all"):
            counts[name][0] += len(statements)
            counts[name][1] += len(statements) - len(missing)
    counts["all"] = counts.pop("all")
    rows = [(name, n, f"{run / max(n, 1):.0%}") for name, (n, run) in counts.items()]
    print(
        tabulate(
            rows, headers=("room", "statements", "covered"), colalign=("left", "right", "right")
        )
    )


if __name__ == "__main__":
    main()
