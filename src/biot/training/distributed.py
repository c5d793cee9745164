"""Starting the processes of a run: one, or those that torchrun or SLURM began, by Fabric."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import nn

from biot.choices import Device, PretrainPrecision, Strategy
from biot.device import find_device, warn_if_slow
from biot.errors import BiotError, CheckpointError, ConfigError, require

__all__ = ["launch", "launch_processes", "once", "placed", "quiet_fabric", "warn_of_precision"]

_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def quiet_fabric() -> Any:
    """Lightning Fabric, which does not announce the precision: the caller chose it and knows."""
    module = require("lightning_fabric", extra="training")
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    return module


def launch(
    device: Device,
    precision: PretrainPrecision,
    *,
    strategy: Strategy = "auto",
    devices: int = 1,
    nodes: int = 1,
    warns: bool = True,
) -> Any:
    """A started Lightning Fabric: one process, or DDP (gloo on CPUs, NCCL on GPUs) over several.

    Raises
    ------
    ConfigError
        If the machine has no GPU and one is needed.

    Warns
    -----
    SlowPrecisionWarning
        If bfloat16 is slower than float32 here.
    """
    on_gpu = find_device(device).type == "cuda"
    if precision == "16" and not on_gpu:
        raise ConfigError("precision '16' needs a GPU. Use 'bf16' or '32' on a CPU.")
    several = devices * nodes > 1
    fabric = quiet_fabric().Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if strategy == "auto" and several else strategy,
        precision=_PRECISIONS[precision],
    )
    fabric.launch()
    if warns and fabric.is_global_zero:
        warn_if_slow(precision, fabric.device)
    return fabric


def warn_of_precision(device: Device, precision: PretrainPrecision) -> None:
    """The warning of :func:`launch`, for a caller that launches many times with ``warns=False``."""
    warn_if_slow(precision, find_device(device))


def launch_processes(config: Any) -> Any:
    """:func:`launch` as the settings of a run say: device, precision, strategy, devices, nodes.

    Raises
    ------
    ConfigError
        As there, or if a batch cannot be shared out evenly.
    """
    devices, nodes = _processes(config.devices, config.nodes)
    if config.batch_size % (devices * nodes):
        raise ConfigError(
            f"batch_size={config.batch_size} cannot be shared out evenly among "
            f"{devices * nodes} processes. Choose a multiple."
        )
    return launch(
        config.device, config.precision, strategy=config.strategy, devices=devices, nodes=nodes
    )


def _processes(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """Processes a node, and nodes: as asked for, else as torchrun or SLURM started them."""
    environment = os.environ
    found_devices, found_nodes = 1, 1
    if "TORCHELASTIC_RUN_ID" in environment:
        found_devices = int(environment["LOCAL_WORLD_SIZE"])
        found_nodes = int(environment["WORLD_SIZE"]) // found_devices
    elif "SLURM_STEP_NUM_TASKS" in environment:  # not in a shell that SLURM merely gave
        found_nodes = int(environment["SLURM_STEP_NUM_NODES"])
        found_devices = int(environment["SLURM_STEP_NUM_TASKS"]) // found_nodes
    return devices or found_devices, nodes or found_nodes


def placed(fabric: Any, module: nn.Module) -> Any:
    """A module on the device and in the precision of a Fabric, for predictions only.

    Among several processes it stays plain: nothing is to be synchronised.
    """
    if fabric.world_size == 1:
        return fabric.setup_module(module)
    return _InPrecision(fabric, module.to(fabric.device))


class _InPrecision(nn.Module):
    def __init__(self, fabric: Any, module: nn.Module) -> None:
        super().__init__()
        self._fabric = fabric
        self.module = module

    def forward(self, *inputs: Any, **named: Any) -> Any:
        with self._fabric.autocast():
            return self.module(*inputs, **named)


Result = TypeVar("Result")


def once(fabric: Any, out: Path, work: Callable[[], Result]) -> Result:
    """Write into `out` in the first process; all get its result, or its error."""
    result: Any = None
    if fabric.is_global_zero:
        try:
            result = work()
        except BiotError as error:
            result = error
        except OSError as error:  # of a full disk it does not hold the file's name
            result = CheckpointError(
                f"{error.filename or out}: cannot be written ({error.strerror or error}). What is "
                "there stands; put that right, and give the same command again."
            )
    result = fabric.broadcast(result)
    if isinstance(result, Exception):
        raise result
    answer: Result = result
    return answer
