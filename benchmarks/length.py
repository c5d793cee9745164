"""Time against length: windows from 1 s to 1 h, the same model.

Claim: the cost of a token does not depend on how many there are.

    python benchmarks/length.py [--channels 16] [--threads 2] [--repeats 5]
"""

from __future__ import annotations

import sys

import torch
from tabulate import tabulate

from biot import BIOT
from peer import machine, medians, peak_memory, timing_parser

SECONDS = (1, 10, 60, 600, 3600)
SFREQ = 200


def main() -> int:
    """Print the table."""
    parser = timing_parser(__doc__.splitlines()[0], repeats=5)
    parser.add_argument("--channels", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=int, nargs="+", default=SECONDS, help="lengths to time")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    channels = arguments.channels
    model = BIOT(n_outputs=6, n_chans=channels, n_times=10 * SFREQ, sfreq=SFREQ).eval()
    rows = []
    for seconds in arguments.seconds:
        per_window = channels * model.encoder.n_tokens(seconds * SFREQ)
        # Short windows come in batches, as in use: a call's fixed cost says nothing of length.
        batch = model.encoder.cached_batch_size(channels, seconds * SFREQ)
        x = torch.randn(batch, channels, seconds * SFREQ)
        with torch.no_grad():
            time = medians({"ours": lambda x=x: model(x)}, arguments.repeats)["ours"]
        per_token = 1e6 * time / (batch * per_window)
        rows.append([seconds, batch, per_window, 1e3 * time / batch, per_token, peak_memory()])
    headers = ["window, s", "batch", "tokens a window", "ms a window", "µs a token", "peak MiB"]
    sys.stdout.write(f"{machine()}; {channels} channels at {SFREQ} Hz\n\n")
    sys.stdout.write(tabulate(rows, headers, floatfmt=("", "", "", ".1f", ".2f", ".0f")) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
