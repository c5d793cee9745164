"""A process that pretrains as its argument (JSON) says, and may kill itself on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.objective import PretrainObjective
from biot.training.pretraining.pretrain import pretrain
from biot.training.trainer import Trainer


def strike_at(step: int, number: int) -> None:
    """Send this process a signal when a step is done."""
    train = Trainer._train_on

    def train_and_strike(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == step:
            os.kill(os.getpid(), number)

    Trainer._train_on = train_and_strike  # type: ignore[method-assign]


def write_down(folder: str) -> None:
    """Append step and windows of each batch to a file of this process."""
    train = Trainer._train_on

    def write_and_train(self: Trainer, batch: Any) -> None:
        file = Path(folder) / f"{os.environ.get('WORLD_SIZE', '1')}-{self.fabric.global_rank}.txt"
        with file.open("a") as lines:
            lines.write(json.dumps([self.step, batch.index.tolist()]) + "\n")
        train(self, batch)

    Trainer._train_on = write_and_train  # type: ignore[method-assign]


def compute_in_double() -> None:
    """Widen weights and windows, so that an order of sums does not show in what is compared."""
    set_up, prepared = Trainer._set_up, PretrainObjective.prepared

    def set_up_wide(self: Trainer) -> None:
        self.objective.module.double()
        set_up(self)

    def prepared_wide(self: PretrainObjective, batch: Any, device: Any) -> Any:
        batch = prepared(self, batch, device)
        return replace(batch, signal=batch.signal.double())

    Trainer._set_up = set_up_wide  # type: ignore[method-assign]
    PretrainObjective.prepared = prepared_wide  # type: ignore[method-assign]


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    if asked.get("double"):
        compute_in_double()
    if "windows" in asked:
        write_down(asked["windows"])
    if "strike" in asked:
        strike_at(asked["strike"], getattr(signal, asked["signal"]))
    done = pretrain(asked["corpora"], asked["out"], config=PretrainConfig(**asked["config"]))
    sys.exit(0 if done else 3)
