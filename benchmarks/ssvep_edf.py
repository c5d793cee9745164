"""The path from a file to predictions by command: one EDF+ recording of flickering lights.

No claim of skill: 32 events of 5 s train, validate and test, so the score stands on six windows or
so. What is shown is that the commands go from a file as it came to a labelled timeline.

    python benchmarks/ssvep_edf.py [--data ../shared/data] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from biot.cli import main as biot

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RECORDING = "readers/edf/ssvep_subject03_events.edf"
COMMANDS = (
    "prepare {file} --out {out}/corpus --sfreq 200 --window 4 --stride 0.25 --align events "
    "--labels annotations",
    "finetune {out}/corpus --out {out}/run --split time",
    "evaluate {out}/run/model {out}/corpus --allow-leakage",
    "predict {out}/run/model {file} --out {out}/predictions.csv --png {out}/timeline.png",
)


def main() -> int:
    """Run the commands one after the other, then print what each took and the scores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds readers/")
    parser.add_argument("--out", type=Path, help="keep everything here; must not exist")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or Path(scratch) / "ssvep"
        out.mkdir(parents=True)
        rows = []
        for command in COMMANDS:
            words = shlex.split(command.format(file=arguments.data / RECORDING, out=out))
            sys.stdout.write(f"\n$ biot {shlex.join(words)}\n")
            started = time.monotonic()
            code = biot(words)
            if code:
                return code
            rows.append((f"biot {words[0]}", time.monotonic() - started))
        metrics = json.loads((out / "run" / "metrics.json").read_text(encoding="utf-8"))
    sys.stdout.write("\n" + tabulate(rows, ("command", "seconds"), floatfmt=".1f"))
    for part in ("valid", "test"):
        scores = metrics[part]
        sys.stdout.write(
            f"\n{part}: balanced accuracy {scores['balanced_accuracy']:.3f} "
            f"of {scores['n_windows']} windows"
        )
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
