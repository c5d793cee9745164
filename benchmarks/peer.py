"""What the speed benchmarks share: braindecode's BIOT beside ours, fair timing, the machine."""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from tabulate import tabulate
from torch import nn

from biot import BIOT

SIZE = {"n_outputs": 6, "n_chans": 16, "n_times": 2000}
"""The published size: 16 channels × 10 s at 200 Hz; all else is the default."""

BFLOAT16_FLAGS = ("avx512_bf16", "amx_bf16")
"""Of x86 processors that multiply bfloat16 themselves."""


def peer_class() -> type[nn.Module]:
    """braindecode's BIOT, or an exit that says where it is to be had."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import braindecode.models as peer_models
    except ImportError as error:
        raise SystemExit(
            f"{error}. This benchmark needs braindecode 1.8.1: see benchmarks/README.md."
        ) from error
    warnings.filterwarnings("ignore", message="A window was not provided")  # on each of its calls
    return peer_models.BIOT


def both_models() -> tuple[nn.Module, BIOT]:
    """braindecode's model and ours, with the same random weights."""
    torch.manual_seed(0)
    theirs, ours = peer_class()(**SIZE).eval(), BIOT(**SIZE).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def medians(
    runs: Mapping[str, Callable[[], object]], repeats: int, *, busy: bool = False
) -> dict[str, float]:
    """Median seconds of each run; the runs take turns, so that they share the machine's moods.

    On a busy machine processor time is counted, in which waiting for others has no part.
    """
    clock = time.process_time if busy else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if repeat:  # the first round warms up
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def relative_difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest expected value."""
    difference = (found.float() - expected.float()).abs().max() / expected.abs().max()
    return difference.item()


def peak_memory() -> float:
    """MiB of memory that this process has held at its worst (Linux)."""
    # Not getrusage: a child process inherits its parent's peak there.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def timing_parser(description: str, *, repeats: int) -> argparse.ArgumentParser:
    """A parser with the options of every timing script."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=repeats, help="timed rounds (default: %(default)s)"
    )
    parser.add_argument(
        "--busy",
        action="store_true",
        help="others use this machine: count processor time (take --threads 1)",
    )
    return parser


def timing_table(what: str, difference: str, rows: Sequence[Sequence[object]]) -> str:
    """Rows of name, both times in ms, ratio, GFLOP, GFLOP/s, share in %, and a difference."""
    headers = [what, "braindecode, ms", "ours, ms", "ratio"]
    headers += ["GFLOP", "products alone, GFLOP/s", "share, %", difference]
    formats = ("", ".1f", ".1f", ".2f", ".1f", ".0f", ".0f", ".1e")
    return tabulate(rows, headers, floatfmt=formats)


def machine() -> str:
    """One line about the processor, and whether it multiplies bfloat16 itself."""
    name = _processor().get("model name", platform.processor() or platform.machine())
    flags = _flags()
    native = ", ".join(f"{flag}: {_yes(flag in flags)}" for flag in BFLOAT16_FLAGS)
    return f"{name}; {native}; torch {torch.__version__}, {torch.get_num_threads()} threads"


def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for products in bfloat16."""
    return not _flags().isdisjoint(BFLOAT16_FLAGS)


def _processor() -> dict[str, str]:
    """What Linux says about the last of the cores."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    entries = [line.partition(":") for line in lines]
    return {key.strip(): value.strip() for key, _, value in entries}


def _flags() -> set[str]:
    return set(_processor().get("flags", "").split())


def _yes(value: bool) -> str:
    return "yes" if value else "no"
