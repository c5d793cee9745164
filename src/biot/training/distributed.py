"""Starting the processes of a run: one, or those that torchrun or SLURM began, by Fabric."""

# B windows of a batch, C channels, T samples, K classes
from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

from biot.device import Device, Precision, uses_gpu
from biot.errors import CheckpointError, ConfigError, require
from biot.training.pretraining.config import PretrainConfig

__all__ = [
    "is_sharded",
    "launch",
    "load_states",
    "quiet_fabric",
    "start",
    "whole_states",
]


def launch(device: Device, precision: Precision) -> Any:
    """A started Lightning Fabric for one device.

    Raises
    ------
    ConfigError
        If a GPU is asked for and there is none.
    """
    accelerator = "cuda" if uses_gpu(device) else "cpu"
    names = {"32": "32-true", "bf16": "bf16-mixed"}
    fabric = quiet_fabric().Fabric(accelerator=accelerator, devices=1, precision=names[precision])
    fabric.launch()
    return fabric


# Fabric's own float64 rounds what a model gives to float32: the loop widens model and windows.
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed", "64": "32-true"}


def quiet_fabric() -> Any:
    """Lightning Fabric, which does not announce the precision: the caller chose it and knows."""
    module = require("lightning_fabric", extra="training")
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    return module


def start(config: PretrainConfig) -> Any:
    """A started Lightning Fabric: one process, or DDP (gloo on CPUs, NCCL on GPUs) over several.

    FSDP, if it is asked for, takes the whole model as one unit: optimiser state and gradients are
    spread over the GPUs, which suits models of this size.

    Raises
    ------
    ConfigError
        If the machine has no GPU and one is needed, or a batch cannot be shared out evenly.
    """
    on_gpu = uses_gpu(config.device)
    if config.precision == "16" and not on_gpu:
        raise ConfigError("precision '16' needs a GPU. Use 'bf16' or '32' on a CPU.")
    if config.strategy == "fsdp" and not on_gpu:
        raise ConfigError(
            "strategy 'fsdp' spreads a model over GPUs, and there is none to use. Use 'auto' or "
            "'ddp', which work on a CPU too."
        )
    devices, nodes = _processes(config)
    if config.batch_size % (devices * nodes):
        raise ConfigError(
            f"batch_size={config.batch_size} cannot be shared out evenly among "
            f"{devices * nodes} processes. Choose a multiple."
        )
    module = quiet_fabric()
    fabric = module.Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=devices,
        num_nodes=nodes,
        strategy=_strategy(config, devices * nodes, module),
        precision=_PRECISIONS[config.precision],
    )
    fabric.launch()
    return fabric


def _strategy(config: PretrainConfig, n_processes: int, module: Any) -> Any:
    if config.strategy == "fsdp":
        return module.strategies.FSDPStrategy(state_dict_type="full")
    if config.strategy == "auto":
        return "ddp" if n_processes > 1 else "auto"
    return config.strategy


def _processes(config: PretrainConfig) -> tuple[int, int]:
    """Processes a node, and nodes."""
    environment = os.environ
    devices, nodes = 1, 1
    if "TORCHELASTIC_RUN_ID" in environment:
        devices = int(environment["LOCAL_WORLD_SIZE"])
        nodes = int(environment["WORLD_SIZE"]) // devices
    elif "SLURM_STEP_NUM_TASKS" in environment:  # not in a shell that SLURM merely gave
        nodes = int(environment["SLURM_STEP_NUM_NODES"])
        devices = int(environment["SLURM_STEP_NUM_TASKS"]) // nodes
    return config.devices or devices, config.nodes or nodes


def is_sharded(fabric: Any) -> bool:
    """Whether each process holds only a share of the weights."""
    strategies = require("lightning_fabric.strategies", extra="training")
    return isinstance(fabric.strategy, strategies.FSDPStrategy)


def whole_states(fabric: Any, model: Any, module: Any, optimizer: Any) -> dict[str, Any]:
    """``weights`` and ``optimizer`` for a checkpoint; every process must ask.

    Parameters
    ----------
    fabric
        What set them up.
    model, optimizer
        As ``fabric.setup`` gave them.
    module
        The plain module in `model`.
    """
    if not is_sharded(fabric):
        return {"weights": module.state_dict(), "optimizer": optimizer.state_dict()}
    from torch.distributed.checkpoint import state_dict as states

    options = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    weights, moments = states.get_state_dict(
        model._forward_module, optimizer.optimizer, options=options
    )
    return {"weights": weights, "optimizer": moments}


def load_states(
    fabric: Any, model: Any, module: Any, optimizer: Any, state: Mapping[str, Any]
) -> None:
    """The inverse of :func:`whole_states`.

    Raises
    ------
    CheckpointError
        If the states are of the other kind: FSDP names what others number.
    """
    sharded = is_sharded(fabric)
    if sharded != any(isinstance(key, str) for key in state["optimizer"]["state"]):
        raise CheckpointError(
            f"The run was begun {'without' if sharded else 'with'} --strategy fsdp, and its "
            "optimiser's state cannot change over. Give the strategy that it began with."
        )
    if not sharded:
        module.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        return
    from torch.distributed.checkpoint import state_dict as states

    states.set_state_dict(
        model._forward_module,
        optimizer.optimizer,
        model_state_dict=state["weights"],
        optim_state_dict=state["optimizer"],
        options=states.StateDictOptions(full_state_dict=True),
    )
