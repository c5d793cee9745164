"""How long `import biot` takes beyond `import torch`; the floor is 0.3 s.

    python benchmarks/import_time.py

Each import runs in a fresh interpreter with warm file caches, in turn, nine times; medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

REPEATS = 9
FLOOR = 0.3


def seconds(module: str) -> float:
    """Time that a fresh interpreter spends on one import."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return float(result.stdout)


def main() -> None:
    """Measure and print."""
    for module in ("torch", "biot"):  # compile and cache
        seconds(module)
    times = [(seconds("torch"), seconds("biot")) for _ in range(REPEATS)]
    torch, biot = (statistics.median(column) for column in zip(*times, strict=True))
    beyond = statistics.median(both - alone for alone, both in times)
    print(f"import torch {torch:.2f} s, import biot {biot:.2f} s, beyond torch {beyond:.3f} s")
    print(f"floor: below {FLOOR} s -> {'met' if beyond < FLOOR else 'MISSED'}")


if __name__ == "__main__":
    main()
