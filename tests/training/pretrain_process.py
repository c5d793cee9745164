"""A process that pretrains as its argument (JSON) says, and may kill itself on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from biot.training.loop import Loop
from biot.training.pretrain import pretrain
from biot.training.pretrain_config import PretrainConfig


def strike_at(step: int, number: int) -> None:
    """Send this process a signal when a step is done."""
    train = Loop._train_on

    def train_and_strike(self: Loop, batch: Any) -> None:
        train(self, batch)
        if self.step == step:
            os.kill(os.getpid(), number)

    Loop._train_on = train_and_strike  # type: ignore[method-assign]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if "strike" in asked:
        strike_at(asked["strike"], getattr(signal, asked["signal"]))
    done = pretrain(asked["corpora"], asked["out"], config=PretrainConfig(**asked["config"]))
    sys.exit(0 if done else 3)
