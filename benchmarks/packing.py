"""What missing channels cost, now that their tokens do not go through the transformer.

Claim: windows that all lack half of their channels take half of the time. Where each lacks others,
those with about as many tokens go through together, and the fullest of them decides. Beside it,
ours with the tokens masked instead of taken away, and braindecode's BIOT, which has no masks and
computes on zeros.

    PYTHONPATH=../shared/peers/stub python benchmarks/packing.py [--threads 2] [--repeats 5]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from tabulate import tabulate
from torch import Tensor, nn

from biot import BIOT
from biot.model import encoder as encoding
from biot.model.encoder import ALIKE, PACKED
from peer import both_models, machine, medians, timing_parser

BATCH, MICRO = 32, 8


def main() -> int:
    """Print the table."""
    parser = timing_parser(__doc__.splitlines()[0], repeats=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    theirs, ours = both_models()
    windows = {
        "nothing missing": torch.randn(BATCH, 16, 2000),
        "8 of 16 channels": _without([8] * BATCH),
        "0 to 12 channels, another number in each window": _without([i % 13 for i in range(BATCH)]),
    }
    rows = []
    for training in (False, True):
        for name, x in windows.items():
            runs = _runs(theirs, ours, x, training)
            peer, masked, packed = medians(runs, arguments.repeats, busy=arguments.busy).values()
            what = "forward + backward" if training else "inference"
            times = [1e3 * seconds for seconds in (peer, masked, packed)]
            rows.append([what, name, *times, masked / packed, peer / packed])
    headers = ["measure", "missing", "braindecode, ms", "masked, ms", "ours, ms"]
    headers += ["masked / ours", "braindecode / ours"]
    formats = ("", "", ".0f", ".0f", ".0f", ".2f", ".2f")
    sys.stdout.write(f"{machine()}; {BATCH} windows of 16 channels × 10 s\n\n")
    sys.stdout.write(tabulate(rows, headers, floatfmt=formats) + "\n")
    return 0


def _without(n_missing: list[int]) -> Tensor:
    x = torch.randn(BATCH, 16, 2000)
    for window, n_channels in zip(x, n_missing, strict=True):
        window[16 - n_channels :] = torch.nan
    return x


def _runs(
    theirs: nn.Module, ours: BIOT, x: Tensor, training: bool
) -> dict[str, Callable[[], object]]:
    def with_shares(packed: float, alike: float) -> object:
        encoding.PACKED, encoding.ALIKE = packed, alike
        try:
            return _pass(ours, x, training)
        finally:
            encoding.PACKED, encoding.ALIKE = PACKED, ALIKE

    zeros = x.nan_to_num(0.0)
    return {
        "braindecode": lambda: _pass(theirs, zeros, training),
        "masked": lambda: with_shares(0.0, 0.0),
        "ours": lambda: with_shares(PACKED, ALIKE),
    }


def _pass(model: nn.Module, x: Tensor, training: bool) -> None:
    model.train(training)
    if not training:
        with torch.no_grad():
            model(x)
        return
    for part in x.split(MICRO):
        model(part).square().mean().backward()
    model.zero_grad()


if __name__ == "__main__":
    raise SystemExit(main())
