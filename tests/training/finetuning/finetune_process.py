"""A process that fine-tunes as its argument (JSON) says, and may kill itself on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from biot.errors import StoppedError
from biot.training.finetuning.config import FinetuneConfig
from biot.training.finetuning.finetune import finetune
from biot.training.trainer import Trainer


def strike_at(step: int, number: int) -> None:
    """Send this process a signal when a step is done."""
    train = Trainer._train_on

    def train_and_strike(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == step:
            os.kill(os.getpid(), number)

    Trainer._train_on = train_and_strike  # type: ignore[method-assign]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if "strike" in asked:
        strike_at(asked["strike"], getattr(signal, asked["signal"]))
    try:
        finetune(
            asked["corpus"], asked["out"], from_model=asked.get("from_model"),
            config=FinetuneConfig(**asked["config"]),
        )  # fmt: skip
    except StoppedError:
        sys.exit(3)
