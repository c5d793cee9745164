"""Pretraining: unlabelled or labelled corpora become a model, in a run that can be resumed."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from biot import plots
from biot.corpus.corpora import Corpora
from biot.corpus.loader import Loader, WindowSampler
from biot.errors import ConfigError
from biot.io import read_json, write_json
from biot.report.run import add_run_report
from biot.settings import changed_settings, configured, takes_settings
from biot.training.checkpoint import Checkpoints
from biot.training.distributed import launch_processes, once
from biot.training.history import History
from biot.training.pretraining.collapse import collapse
from biot.training.pretraining.config import PretrainConfig
from biot.training.pretraining.figure import curves
from biot.training.pretraining.objective import COLUMNS
from biot.training.pretraining.setup import (
    RUN_LENGTH,
    PretrainParts,
    build_parts,
    open_corpora,
    recording_codes,
    save_models,
)
from biot.training.pretraining.validation import held_out_rows
from biot.training.run import (
    RUN_FILE,
    alone_in,
    as_begun,
    checksums_of,
    identity_of,
    open_run,
    provenance,
    relative,
)
from biot.training.trainer import Schedule, Trainer

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
    runs, and in the end ``curves.png``, ``model/``, of the supervised objective ``heads/``, and
    ``report.html``, the page of all of it.
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
        True when the run is finished; False when SIGTERM or SIGUSR1 stopped it after a checkpoint.

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
    plots.require_figures(training=True)
    data = open_corpora(corpora, sfreq)
    train, valid = held_out_rows(data, config)
    fabric = launch_processes(config)
    config = as_begun(config, out, tells=bool(fabric.is_global_zero))
    with alone_in(fabric, out):
        return _pretrain(fabric, data, (train, valid), config, out, channels, command, progress)


def _pretrain(
    fabric: Any, data: Corpora, rows: tuple[Any, Any], config: PretrainConfig, out: Path,
    channels: Sequence[str] | None, command: str | None, progress: bool,
) -> bool:  # fmt: skip
    """The run itself; nobody else is in its folder."""
    train, valid = rows
    gpus = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(gpus):  # the caller's random state is left as it was
        torch.manual_seed(config.seed)
        parts = build_parts(
            config, data, channels, train=train, on_gpu=fabric.device.type == "cuda",
            held_out=valid,
        )  # fmt: skip
        identity = {
            "config": replace(config, spectrum=config.spectrum_from_scratch).identity(),
            "corpora": _fingerprints(data), "model": parts.to_dict(),
        }  # fmt: skip
        paths = [relative(part.path, out) for part in data.parts]
        about = {
            "command": command, "settings": config.runtime(), "changed": changed_settings(config),
            "paths": paths, **provenance(),
        }  # fmt: skip
        board = out / "tensorboard" if config.tensorboard else None
        history = History(
            out / "history.csv", (*COLUMNS, *parts.objective.columns), tensorboard=board,
            at_times=parts.objective.validation_columns if config.valid_share else (),
        )  # fmt: skip
        if once(fabric, out, lambda: _open(out, identity, about)):
            return True
        trainer = Trainer(
            fabric=fabric,
            objective=parts.objective,
            schedule=_schedule(config),
            checkpoints=Checkpoints(out / "checkpoints", identity_of(identity)),
            history=history,
            describe=lambda row: f"{data.recordings[row]} at {data.starts[row]:g} s (window {row})",
            progress=progress and bool(fabric.is_global_zero),
        )
        finished = trainer.run(lambda place: _source(config, fabric, data, parts, train, place))
        if finished:
            once(fabric, out, lambda: _finish(out, trainer, parts, data, config))
    return finished


def _open(out: Path, identity: Mapping[str, Any], about: Mapping[str, Any]) -> bool:
    """Begin or find the run; one with another meaning of the running mean is refused by name."""
    if (out / RUN_FILE).is_file():
        before = read_json(out / RUN_FILE, ConfigError).get("what")
        settings = before.get("config") if isinstance(before, dict) else None
        if isinstance(settings, dict):
            if settings.get("ema") and "running_mean" not in settings:
                raise ConfigError(
                    f"{out} was begun by an earlier version, whose running mean of the weights "
                    "(ema) was another one, and cannot go on with this. Finish it with that "
                    "version, or choose another folder."
                )
            if settings.get("precision") == "64":
                raise ConfigError(
                    f"{out} was begun with precision 64, which is no more. Finish it with the "
                    "version that began it, or choose another folder."
                )
    return open_run(out, "pretraining", identity, about)


def _schedule(config: PretrainConfig) -> Schedule:
    return Schedule(
        steps=config.steps,
        learning_rate=config.learning_rate,
        warmup=config.warmup,
        weight_decay=config.weight_decay,
        clip_norm=config.clip_norm,
        seed=config.seed,
        ema=config.ema or 0.0,
        log_every=config.log_every,
        valid_every=config.valid_every if config.valid_share else None,
        patience=config.patience,
        checkpoint_every=config.checkpoint_every,
        compile=config.compile,
        scales_loss=config.precision == "16",
    )


def _fingerprints(data: Corpora) -> dict[str, Any]:
    """What tells each corpus from others, in their order: by it windows are numbered."""
    return {
        name: {"fingerprint": part.fingerprint, "n_windows": len(part)}
        for name, part in zip(data.names, data.parts, strict=True)
    }


def _source(
    config: PretrainConfig, fabric: Any, data: Corpora, parts: PretrainParts,
    train: npt.NDArray[np.bool_] | None, place: Mapping[str, Any] | None,
) -> Loader:  # fmt: skip
    """The batches of this process, from a place in their endless order."""
    mixed = len(data.parts) > 1 and config.mixing_temperature != 1.0
    groups = data.corpus_ids if mixed else None
    if train is not None:  # a window of a negative group is never drawn
        groups = np.where(train, 0 if groups is None else groups, -1)
    sampler = WindowSampler(
        len(data),
        seed=config.seed,
        groups=groups,
        temperature=config.mixing_temperature,
        together=recording_codes(data) if config.negatives == "recording" else None,
        run_length=RUN_LENGTH,
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


def _finish(
    out: Path, trainer: Trainer, parts: PretrainParts, data: Corpora, config: PretrainConfig
) -> None:
    """Write the models, ``model/`` last, and then the figure."""
    partial = out / ".models.partial"
    shutil.rmtree(partial, ignore_errors=True)
    weights = {name: value.cpu() for name, value in trainer.final_weights().items()}
    save_models(partial, parts, weights, data, config.card_fields)
    for folder in sorted(partial.iterdir(), key=lambda folder: folder.name == "model"):
        if (out / folder.name).exists():  # of a run that was killed here
            shutil.rmtree(out / folder.name)
        folder.rename(out / folder.name)
    partial.rmdir()
    about = read_json(out / RUN_FILE, ConfigError)
    lines = trainer.history.rows
    files = checksums_of(out, "model", "heads")
    write_json(out / RUN_FILE, {**about, "notes": _notes(lines), "files": files})
    plots.draw(
        out / "curves.png",
        lambda: curves(
            steps=[int(line["step"]) for line in lines],
            loss=[line["loss"] for line in lines],
            top1=[line["top1"] for line in lines],
            embedding_std=[line["embedding_std"] for line in lines],
            effective_rank=[line["effective_rank"] for line in lines],
            probe=_probe_of(lines),
        ),
    )
    add_run_report(out)


def _probe_of(lines: Sequence[Mapping[str, float]]) -> dict[str, list[float]] | None:
    """The curves of the probe, where there was one."""
    if not any("probe_score" in line for line in lines):
        return None
    columns = {"pretrained": "probe_score", "before the first step": "probe_random"}
    return {
        title: [line.get(column, math.nan) for line in lines] for title, column in columns.items()
    }


def _notes(lines: Sequence[Mapping[str, float]]) -> list[str]:
    """What a reader must know of the features at the end."""
    if not lines:
        return []
    wrong = collapse(lines[-1]["embedding_std"], lines[-1]["effective_rank"])
    return [] if wrong is None else [f"At the end {wrong}."]
