"""Pretraining: unlabelled or labelled corpora become a model, in a run that can be resumed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from biot import plots
from biot.corpus.corpora import Corpora
from biot.corpus.loader import Loader, WindowSampler
from biot.errors import BiotError, CheckpointError
from biot.model.biot import BIOT
from biot.settings import configured, takes_settings
from biot.training.checkpoint import Checkpoints
from biot.training.distributed import start
from biot.training.gradients import Sizer
from biot.training.history import History
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.setup import Parts, build_parts, open_corpora, save_models
from biot.training.run import identity_of, open_run, relative, surroundings
from biot.training.trainer import Loop

__all__ = [
    "pretrain",
]


@takes_settings(PretrainConfig)
def pretrain(
    corpora: Sequence[Path | str],
    out: Path | str,
    *,
    config: PretrainConfig | None = None,
    channels: Sequence[str] | None = None,
    sfreq: float | None = None,
    command: str | None = None,
    progress: bool = False,
    **settings: Any,
) -> bool:
    """Pretrain an encoder on one or more corpora; the same call again resumes.

    The folder holds ``run.json`` from the start, ``history.csv`` and ``checkpoints/`` while it
    runs, and in the end ``curves.png``, ``model/`` and, of the supervised objective, ``heads/``.
    A run that was killed at any step resumes from its last checkpoint, on a CPU to the same bits;
    one that is finished is left as it is.

    Parameters
    ----------
    corpora
        Folders of corpora; channels and lengths may differ. A resumed run needs the same order.
    out
        Folder of the run; absent, empty, or that of the same run.
    config
        What to learn and how, instead of `settings`; None for the defaults.
    channels
        The model's vocabulary; None: the sorted union of the corpora's canonical names.
    sfreq
        Resample windows of another rate to this, in Hz; None: all must have the same.
    command
        The command line, if there was one, for ``run.json``.
    progress
        Show a bar on stderr.
    **settings
        The same as keywords: ``steps=1000, embed_dim=32``.

    Returns
    -------
    bool
        True when the run is finished; False when a SIGTERM stopped it after a checkpoint.

    Raises
    ------
    ConfigError
        If `out` holds another run, a setting is unknown, out of range or does not fit, or the loss
        is no longer finite.
    CorpusError, ContractError
        If corpora are damaged or do not go together.
    CheckpointError
        If a checkpoint cannot be written, or none of those that are there can be read.
    MissingDependencyError
        If matplotlib, or TensorBoard where it is asked for, is not installed.
    """
    config, out = configured(PretrainConfig, config, settings), Path(out)
    plots.require_figures()
    data = open_corpora(corpora, sfreq)
    fabric = start(config)
    gpus = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(gpus):  # the caller's random state is left as it was
        torch.manual_seed(config.seed)
        parts = build_parts(config, data, channels)
        what = {"config": config.what(), "corpora": _fingerprints(data), "model": parts.to_dict()}
        paths = [relative(part.path, out) for part in data.parts]
        about = {"command": command, "settings": config.how(), "paths": paths, **surroundings()}
        history = History(
            out / "history.csv", tensorboard=out / "tensorboard" if config.tensorboard else None
        )
        if _once(fabric, out, lambda: open_run(out, what, about)):
            return True
        loop = Loop(
            fabric=fabric,
            task=parts.task,
            config=config,
            checkpoints=Checkpoints(out / "checkpoints", identity_of(what)),
            history=history,
            micro_batch=_micro_batch(config, fabric, parts.model),
            describe=lambda row: f"{data.recordings[row]} at {data.starts[row]:g} s",
            progress=progress and bool(fabric.is_global_zero),
        )
        finished = loop.run(lambda place: _source(config, fabric, data, parts, place))
        if finished:
            _once(fabric, out, lambda: _finish(out, loop, parts, data))
    return finished


def _fingerprints(data: Corpora) -> dict[str, Any]:
    """What tells each corpus from others, in their order: by it windows are numbered."""
    return {
        name: {"fingerprint": part.fingerprint, "n_windows": len(part)}
        for name, part in zip(data.names, data.parts, strict=True)
    }


def _source(
    config: PretrainConfig, fabric: Any, data: Corpora, parts: Parts,
    place: Mapping[str, Any] | None,
) -> Loader:  # fmt: skip
    """The batches of this process, from a place in their endless order."""
    mixed = len(data.parts) > 1 and config.mixing_temperature != 1.0
    sampler = WindowSampler(
        len(data),
        seed=config.seed,
        groups=data.corpus_ids if mixed else None,
        temperature=config.mixing_temperature,
    )
    if place is not None:
        sampler.load_state_dict(dict(place))
    return Loader(
        data,
        sampler,
        config.batch_size,
        vocabulary=parts.model.channels,
        dtype="int16" if fabric.device.type == "cuda" else "float32",
        workers=config.workers,
        rank=fabric.global_rank,
        world_size=fabric.world_size,
        tokens=(parts.model.n_fft, parts.model.hop_length),
    )


def _micro_batch(config: PretrainConfig, fabric: Any, model: BIOT) -> Sizer:
    if config.micro_batch_size is None and fabric.device.type == "cpu":
        return model.encoder.cached_batch_size
    most = config.micro_batch_size or config.batch_size
    return lambda n_chans, n_times: most


def _finish(out: Path, loop: Loop, parts: Parts, data: Corpora) -> None:
    """Write the figure and the models from the last checkpoint; ``model/`` comes last."""
    state = loop.checkpoints.latest()
    if state is None or state["step"] != loop.config.steps:
        raise CheckpointError(f"{loop.checkpoints.folder}: the last checkpoint is gone.")
    figure = plots.pretraining(
        steps=[line["step"] for line in state["history"]],
        loss=[line["loss"] for line in state["history"]],
        top1=[line["top1"] for line in state["history"]],
        embedding_std=[line["embedding_std"] for line in state["history"]],
        effective_rank=[line["effective_rank"] for line in state["history"]],
    )
    plots.save_png(figure, out / "curves.png")
    weights = state["weights"]
    if state["ema"] is not None:
        weights = {name.removeprefix("module."): value for name, value in state["ema"].items()}
    partial = out / ".models.partial"
    shutil.rmtree(partial, ignore_errors=True)
    save_models(partial, parts, weights, data)
    for folder in sorted(partial.iterdir(), key=lambda folder: folder.name == "model"):
        if (out / folder.name).exists():  # of a run that was killed here
            shutil.rmtree(out / folder.name)
        folder.rename(out / folder.name)
    partial.rmdir()


Result = TypeVar("Result")


def _once(fabric: Any, out: Path, work: Callable[[], Result]) -> Result:
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
