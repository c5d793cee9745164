"""Processor time of `import biot` beyond `import torch`, and of every help of the command.

    python benchmarks/import_time.py

Each runs in a fresh interpreter with warm file caches, in turn, nine times; medians. The floors:
`import biot` brings at most 0.3 s beyond torch, and each help takes at most 0.4 s in all.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

REPEATS = 9
MOST_BEYOND_TORCH = 0.3
MOST_OF_A_HELP = 0.4
COMMANDS = (
    *("prepare", "info", "corpus", "pretrain", "finetune", "evaluate", "predict", "convert"),
    *("export", "demo"),
)
HELPS = (["--version"], ["--help"], *([name, "--help"] for name in COMMANDS))


def seconds(code: str) -> float:
    """Processor time that a fresh interpreter spends on some code, its own start included."""
    program = f"{code}\nimport sys, time; print(time.process_time(), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return float(result.stderr.split()[-1])


def median(code: str) -> float:
    """The middle of nine, after one that fills the caches."""
    seconds(code)
    return statistics.median(seconds(code) for _ in range(REPEATS))


def verdict(value: float, most: float) -> str:
    """Whether a floor is met."""
    return "met" if value <= most else "MISSED"


def main() -> None:
    """Measure and print."""
    nothing, torch = median("pass"), median("import torch")
    biot = median("import torch, biot; biot.BIOT")
    print(f"an interpreter alone {nothing:.2f} s, import torch {torch:.2f} s")
    beyond = biot - torch
    print(f"biot.BIOT beyond torch {beyond:.2f} s: {verdict(beyond, MOST_BEYOND_TORCH)}")
    for words in HELPS:
        spent = median(f"from biot.cli import main; main({words!r})")
        print(f"biot {' '.join(words):16} {spent:.2f} s: {verdict(spent, MOST_OF_A_HELP)}")


if __name__ == "__main__":
    main()
