"""States of a model and its optimiser, whole, where FSDP spreads them over the processes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from biot.errors import CheckpointError, require

__all__ = ["is_sharded", "load_states", "whole_states"]


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
