"""A process with outlets of LSL, which does what it is told: a command a line, an answer a line."""

from __future__ import annotations

import json
import sys

import numpy as np
from mne_lsl.lsl import StreamInfo, StreamOutlet


def main() -> None:
    """Until stdin ends."""
    outlets: dict[str, StreamOutlet] = {}
    print("ready", flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        key = told["key"]
        if told["do"] == "open":
            names = told["ch_names"]
            info = StreamInfo(
                told["name"], "EEG", len(names), told["sfreq"], told["dtype"], told["source_id"]
            )
            info.set_channel_names(names)
            if told["units"]:
                info.set_channel_units(told["units"])
            outlets[key] = StreamOutlet(info, chunk_size=1)
        elif told["do"] == "push":
            if not outlets[key].wait_for_consumers(60):
                raise SystemExit(1)
            with np.load(told["path"]) as held:
                outlets[key].push_chunk(held["data"], held["stamps"])
        else:
            outlets.pop(key)._del()
        print("done", flush=True)


if __name__ == "__main__":
    main()
