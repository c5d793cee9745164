"""A process that pretrains as its argument (JSON) says, and may kill itself on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.pretrain import pretrain
from biot.training.trainer import Loop


def strike_at(step: int, number: int) -> None:
    """Send this process a signal when a step is done."""
    train = Loop._train_on

    def train_and_strike(self: Loop, batch: Any) -> None:
        train(self, batch)
        if self.step == step:
            os.kill(os.getpid(), number)

    Loop._train_on = train_and_strike  # type: ignore[method-assign]


def write_down(folder: str) -> None:
    """Append step and windows of each batch to a file of this process."""
    train = Loop._train_on

    def write_and_train(self: Loop, batch: Any) -> None:
        file = Path(folder) / f"{os.environ.get('WORLD_SIZE', '1')}-{self.fabric.global_rank}.txt"
        with file.open("a") as lines:
            lines.write(json.dumps([self.step, batch.index.tolist()]) + "\n")
        train(self, batch)

    Loop._train_on = write_and_train  # type: ignore[method-assign]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if "windows" in asked:
        write_down(asked["windows"])
    if "strike" in asked:
        strike_at(asked["strike"], getattr(signal, asked["signal"]))
    done = pretrain(asked["corpora"], asked["out"], config=PretrainConfig(**asked["config"]))
    sys.exit(0 if done else 3)
