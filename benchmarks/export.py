"""The exported file in each runtime, beside torch: windows a second and ratio to float32 ONNX.

Claim: dynamic int8 in ONNX Runtime is 1.5 times as fast as float32 on a processor without AVX-512.
The published size, 16 channels of 10 s at 200 Hz; all forms take turns, and a ratio is the median
of the rounds.

    python benchmarks/export.py [--threads 1] [--batch 16] [--rounds 5]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from biot import BIOT
from biot.inference.exporting.export import export_onnx
from biot.inference.exporting.int8 import quantize
from biot.inference.exporting.session import open_session
from peer import machine

Call = Callable[[], Any]


def in_torch(model: BIOT, x: Any) -> Any:
    """Scores of the model itself."""
    with torch.no_grad():
        return model(torch.from_numpy(x)).numpy()


def in_openvino(file: Path, x: Any, threads: int) -> Call:
    """A call of the file in OpenVINO, in float32."""
    try:
        import openvino
    except ImportError as error:
        raise SystemExit(f"{error}. Install it with: pip install 'biot[openvino]'") from error

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = openvino.compile_model(str(file), "CPU", settings)
    return lambda: compiled({"x": x})[0]


def calls_of(folder: Path, model: BIOT, x: Any, threads: int) -> dict[str, Call]:
    """What is measured, by name; the first is what the others are compared with."""
    plain = export_onnx(model, folder / "model.onnx")
    small = folder / "int8.onnx"
    quantize(plain, small)
    float32, int8 = open_session(plain), open_session(small)
    return {
        "ONNX Runtime, float32": lambda: float32.run(None, {"x": x})[0],
        "ONNX Runtime, int8": lambda: int8.run(None, {"x": x})[0],
        "OpenVINO, float32": in_openvino(plain, x, threads),
        "OpenVINO, int8": in_openvino(small, x, threads),
        "torch, float32": lambda: in_torch(model, x),
    }


def seconds_of(calls: Mapping[str, Call], rounds: int) -> dict[str, Any]:
    """Seconds of each call in each round, after one that is not timed."""
    for call in calls.values():
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: np.array(found) for name, found in times.items()}


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="of each (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="windows (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="timed (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = BIOT(n_outputs=3, n_chans=16, n_times=2000).eval()
    x = np.random.default_rng(0).normal(size=(arguments.batch, 16, 2000)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        calls = calls_of(Path(name), model, x, arguments.threads)
        seconds = seconds_of(calls, arguments.rounds)
        expected = in_torch(model, x)
        first = next(iter(seconds.values()))
        rows = [
            (
                kind, arguments.batch / np.median(own), np.median(first / own),
                np.abs(calls[kind]() - expected).max(),
            )
            for kind, own in seconds.items()
        ]  # fmt: skip
    print(machine())
    heads = ("runtime", "windows/s", "ratio", "largest difference of a score from torch's")
    print(tabulate(rows, heads, floatfmt=("", ".2f", ".2f", ".1e")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
