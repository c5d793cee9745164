"""Starting the processes of a run: one, or those that torchrun or SLURM began, by Fabric."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch

from biot.errors import ConfigError, require
from biot.training.config import Device
from biot.training.pretrain_config import PretrainConfig

__all__ = ["quiet_fabric", "start", "uses_gpu"]

# Fabric's own float64 rounds what a model gives to float32: the loop widens model and windows.
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed", "64": "32-true"}


def uses_gpu(device: Device) -> bool:
    """Whether to compute on a GPU.

    Raises
    ------
    ConfigError
        If one is asked for and there is none.
    """
    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise ConfigError("device is 'cuda', but PyTorch finds no GPU. Use 'cpu' or 'auto'.")
    return has_gpu and device != "cpu"


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
