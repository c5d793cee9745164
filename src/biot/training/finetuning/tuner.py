"""What is trained in each mode of fine-tuning, and how."""

# W windows, E width of the features, K outputs
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from biot.errors import ConfigError, CorpusError, counted, require
from biot.evaluation.chance import notes_on, notes_on_loss
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.results import Evaluation, why_undefined
from biot.evaluation.tasks import Classes, MultiLabel, Regression, Task, Truth, plain_task
from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing
from biot.training.baseline import KeptBaseline
from biot.training.datasets import (
    LabelledWindows,
    Subset,
    batches_of,
    spread,
    usable,
    weights_of,
)
from biot.training.distributed import placed
from biot.training.finetuning.augment import Augmentation, require_fitting
from biot.training.finetuning.build import blind_spots, build_model
from biot.training.finetuning.config import AUGMENTATIONS, NEEDS_MODEL, FinetuneConfig
from biot.training.finetuning.linear_probe import features, fit_probe
from biot.training.finetuning.objective import Dataloaders, EpochRecord, RunFiles, fit
from biot.training.scoring import assess_rows, predict_logits, predicted_rows

__all__ = [
    "Learned",
    "Trained",
    "class_weights",
    "learn",
    "require_means",
    "train_model",
    "training_task",
]

LORA_LAYERS = {
    "attention": ["to_q", "to_k", "to_v", "to_out"],
    "all": ["to_q", "to_k", "to_v", "to_out", "w1", "w2"],
}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """How a training went; the model holds the result."""

    history: list[EpochRecord]
    """Empty for ridge and logistic regression, which know no epochs."""
    best_epoch: int | None = None
    """That validation chose; None where nothing validates, or there are no epochs."""
    penalty: float | None = None
    """That ridge or logistic regression chose."""
    refit: list[EpochRecord] = field(default_factory=list)
    """Of the second training, on all windows; empty without one."""

    @property
    def losses(self) -> list[float]:
        """Mean training loss of each epoch."""
        return [line.train_loss for line in self.history]


def require_means(config: FinetuneConfig, from_model: object) -> None:
    """Find out before the work whether a mode has what it needs.

    Raises
    ------
    ConfigError
        If it needs a model to start from, and there is none.
    MissingDependencyError
        If the mode is ``"lora"`` and PEFT is not installed.
    """
    if config.mode in NEEDS_MODEL and from_model is None:
        raise ConfigError(
            f"mode {config.mode!r} trains on the features of a pretrained model, and none is "
            "given. Name one with --from (from_model), or use mode full."
        )
    if config.mode == "lora":
        require("peft", extra="lora")


def training_task(
    contract: Preprocessing,
    config: FinetuneConfig,
    truth: Truth,
    *,
    weight: Floats | None = None,
    class_weight: tuple[float, ...] | None = None,
) -> Task:
    """The task of a contract with weights, smoothing and units for these training windows.

    `weight` says how much each window counts, (W,); `class_weight` that of each class, instead of
    what the config asks for, and then decides. Both are for classes only.

    Raises
    ------
    ConfigError
        If an option has no meaning for the task.
    """
    names = contract.label_names or ()
    _require_loss(contract, config)
    if contract.task == "classes":
        kind, weights = config.class_weights, None
        if class_weight is not None:
            kind = "balanced"
            mean = np.average(np.asarray(class_weight)[truth], weights=weight)
            weights = tuple((np.asarray(class_weight) / mean).tolist())
        elif kind != "none":
            weights = tuple(class_weights(truth, len(names), weight).tolist())
        return Classes(
            names=names, label_smoothing=config.label_smoothing,
            weights=weights if kind == "balanced" else None,
            shown=weights if kind == "sampled" else None, by_weights=class_weight is not None,
        )  # fmt: skip
    if weight is not None:
        raise ConfigError(f"sample_weight is for classes; the task is {contract.task}.")
    if config.class_weights == "sampled":
        raise ConfigError(
            f"class_weights='sampled' draws windows by their class; the task is {contract.task}. "
            "Use 'balanced' or 'none'."
        )
    if contract.task == "multilabel":
        # Ridge fits all tags at once, so that no window can count more for one of them.
        weighted = config.class_weights == "balanced" and config.mode != "ridge"
        return MultiLabel(
            names=names, label_smoothing=config.label_smoothing,
            weights=_tag_weights(truth) if weighted else None,
        )  # fmt: skip
    if config.label_smoothing:
        raise ConfigError("label_smoothing is for classes and tags; the task is regression.")
    spread = np.where(truth.std(axis=0) > 0, truth.std(axis=0), 1.0)
    return Regression(
        names=names, loss=config.regression_loss, mean=tuple(truth.mean(axis=0).tolist()),
        spread=tuple(spread.tolist()),
    )  # fmt: skip


def _require_loss(contract: Preprocessing, config: FinetuneConfig) -> None:
    """Refuse a loss that nothing would compute."""
    numbers = contract.task == "regression"
    if config.regression_loss != "mse" and not numbers:
        raise ConfigError(f"regression_loss is for numbers; the task is {contract.task}.")
    if config.regression_loss != "mse" and config.mode == "ridge":
        raise ConfigError("mode 'ridge' minimises squares; regression_loss must be 'mse' with it.")
    if config.mode == "logistic" and numbers:
        raise ConfigError("mode 'logistic' predicts classes or tags, not numbers. Use ridge.")


def class_weights(labels: Ints, n_classes: int, weight: Floats | None = None) -> Floats:
    """Weight of each class, (K,): each class weighs the same in sum, a window 1 on average.

    `weight` says how much each window counts, (W,); None: all alike.
    """
    counts = np.bincount(labels, weight, minlength=n_classes)
    return np.asarray(counts.sum() / (n_classes * counts))


def _tag_weights(truth_WK: Truth) -> tuple[tuple[float, float], ...]:
    """Of the windows without and with each tag; 1 where all or none have it."""
    shares = (truth_WK > 0.5).mean(axis=0).tolist()
    return tuple(
        (0.5 / (1 - share), 0.5 / share) if 0 < share < 1 else (1.0, 1.0) for share in shares
    )


def train_model(
    fabric: Any,
    model: BIOT,
    train: LabelledWindows,
    valid: LabelledWindows | None,
    task: Task,
    config: FinetuneConfig,
    progress: bool = False,
    files: RunFiles | None = None,
) -> tuple[BIOT, Trained]:
    """Train a model in the mode of the config.

    Returns
    -------
    tuple
        The trained model, a plain one in every mode, whose outputs are in the units of the
        truth; and how it went.

    Raises
    ------
    ConfigError
        If training diverges, or an option has no meaning here.
    MissingDependencyError
        If the mode is ``"lora"`` and PEFT is not installed.
    """
    if config.mode == "full":
        history, best = _fit(fabric, model, model, train, valid, task, config, progress, files)
        trained = Trained(history=history, best_epoch=best)
    elif config.mode == "lora":
        model, trained = _lora(fabric, model, train, valid, task, config, progress, files)
    else:
        trained = _on_features(fabric, model, train, valid, task, config, progress, files)
    if isinstance(task, Regression):
        _in_units(model, task)
    model.requires_grad_(True)
    return model.eval(), trained


def _fit(
    fabric: Any, network: torch.nn.Module, model: BIOT, train: LabelledWindows,
    valid: LabelledWindows | None, task: Task, config: FinetuneConfig, progress: bool,
    files: RunFiles | None,
) -> tuple[list[EpochRecord], int | None]:  # fmt: skip
    """The loop over windows, or over features when the network is a head."""
    part_size = config.micro_batch_size or config.batch_size
    on_windows = network is not model.final_layer
    if config.micro_batch_size is None and fabric.device.type == "cpu" and on_windows:
        part_size = model.encoder.cached_batch_size(model.n_chans, model.n_times)
    augment: Augmentation | None = None
    if any(getattr(config, name) > 0 for name in AUGMENTATIONS):
        require_fitting(config, model.sfreq, model.n_times)
        augment = Augmentation(
            config=config, sfreq=model.sfreq, n_fft=model.n_fft, hop_length=model.hop_length
        )

    def shown(epoch: int, first: int) -> Any:
        order = _order(train.truth, config, epoch)[first * config.batch_size :]
        for step, batch in enumerate(train.batches(order, config.batch_size), first):
            yield batch if augment is None else augment(batch, (config.seed, epoch, step))

    loaders = Dataloaders(
        train=shown,
        valid=None if valid is None else lambda: batches_of(valid, config.batch_size),
        n_steps=-(-len(train.truth) // config.batch_size),
        describe=train.describe,
        valid_weight=None if valid is None else weights_of(valid),
    )
    return fit(
        fabric,
        network,
        loaders,
        task=task,
        part_size=part_size,
        config=config,
        files=files,
        progress=progress,
    )


def _order(truth: Truth, config: FinetuneConfig, epoch: int) -> Ints:
    """Positions of the windows of one epoch: each once, or, sampled, each class equally often."""
    sequence = np.random.SeedSequence([config.seed, epoch])
    generator = np.random.default_rng(int(sequence.generate_state(1)[0]))
    if config.class_weights != "sampled":
        return generator.permutation(len(truth))
    classes = np.unique(truth)
    wanted = np.bincount(np.arange(len(truth)) % len(classes))
    drawn = [
        _cycled(np.flatnonzero(truth == label), n, generator)
        for label, n in zip(generator.permutation(classes), wanted, strict=True)
    ]
    return generator.permutation(np.concatenate(drawn))


def _cycled(rows: Ints, n: int, generator: np.random.Generator) -> Ints:
    """`n` of the rows, each once before any comes again."""
    rounds = [generator.permutation(rows) for _ in range(-(-n // len(rows)))]
    return np.concatenate(rounds)[:n]


def _lora(
    fabric: Any, model: BIOT, train: LabelledWindows, valid: LabelledWindows | None, task: Task,
    config: FinetuneConfig, progress: bool, files: RunFiles | None,
) -> tuple[BIOT, Trained]:  # fmt: skip
    peft = require("peft", extra="lora")
    settings = peft.LoraConfig(
        r=config.lora_rank,
        lora_alpha=2 * config.lora_rank,
        target_modules=LORA_LAYERS[config.lora_layers],
        modules_to_save=["final_layer"],
    )
    adapted = peft.get_peft_model(model, settings)
    history, best = _fit(fabric, adapted, model, train, valid, task, config, progress, files)
    merged: BIOT = adapted.merge_and_unload()
    return merged, Trained(history=history, best_epoch=best)


def _on_features(
    fabric: Any, model: BIOT, train: LabelledWindows, valid: LabelledWindows | None, task: Task,
    config: FinetuneConfig, progress: bool, files: RunFiles | None,
) -> Trained:  # fmt: skip
    known, inputs = features(fabric, model, train, config.batch_size)
    if config.mode == "head":
        checked = None if valid is None else features(fabric, model, valid, config.batch_size)[0]
        head = model.final_layer
        history, best = _fit(fabric, head, model, known, checked, task, config, progress, files)
        return Trained(history=history, best_epoch=best)
    assert valid is not None  # the config refuses the other modes without
    checked, valid_inputs = features(fabric, model, valid, config.batch_size)
    probe = fit_probe(
        config.mode, task, task.require_metric(config.metric), (inputs, known.truth),
        (valid_inputs, checked.truth), calibrated=config.calibration,
        weights=(known.weight, checked.weight),
    )  # fmt: skip
    probe.put_into(model)
    return Trained(history=[], penalty=probe.penalty)


def _in_units(model: BIOT, task: Regression) -> None:
    """Fold the standardisation of the targets into the last layer."""
    layer = model.final_layer.classification_head
    spread, mean = (torch.tensor(v, dtype=torch.float64) for v in (task.spread, task.mean))
    with torch.no_grad():
        layer.weight.copy_(layer.weight.cpu().double() * spread[:, None])
        layer.bias.copy_(layer.bias.cpu().double() * spread + mean)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A trained model and all that belongs to it."""

    model: BIOT
    contract: Preprocessing
    """The corpus', with the decision that was fitted to the validation windows."""
    trained: Trained
    metric: str
    """That decided."""
    kept: Ints
    """Positions of the training windows that were learned from: those with a whole token."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know, a sentence each."""
    before: Learned | None = None
    """What validation windows did not train, where `model` is a refit on all of them."""
    refit_kept: Ints | None = None
    """Positions among training and validation windows together that a refit learned from."""

    @property
    def validated(self) -> Learned:
        """What validation windows did not train, so that they can score it."""
        return self if self.before is None else self.before

    def predict(self, fabric: Any, part: Subset, config: FinetuneConfig) -> Floats:
        """(W, K) probabilities or numbers for some windows; NaN without usable data."""
        return predicted_rows(
            placed(fabric, self.model), part, self.contract, device=fabric.device,
            batch_size=config.batch_size,
        )  # fmt: skip

    def assess(
        self, part: Subset, predicted_WK: Floats, config: FinetuneConfig,
        baseline: KeptBaseline | None = None,
    ) -> Evaluation:  # fmt: skip
        """Scores of what :meth:`predict` said of some windows, and of a ridge beside them."""
        return assess_rows(
            part, predicted_WK, self.contract, seed=config.seed, metric=self.metric,
            ridge=None if baseline is None else baseline.answers(part),
        )  # fmt: skip


def learn(
    fabric: Any,
    contract: Preprocessing,
    train: LabelledWindows,
    valid: LabelledWindows | None,
    config: FinetuneConfig,
    *,
    from_model: Path | None = None,
    where: str = "The corpus",
    files: Callable[[BIOT], RunFiles] | None = None,
    progress: bool = False,
    class_weight: tuple[float, ...] | None = None,
) -> Learned:
    """Build and train a model on windows that a contract describes, and fit its decision.

    Without validation windows the last weights are kept. With ``config.refit`` a second model is
    trained on all windows for as many epochs as validation chose for the first.

    The caller's random state is left as it was; `where` names the windows in errors; `files`, given
    the model as it is before training, says where the run keeps what it needs to go on;
    `class_weight` is as in :func:`training_task`.

    Raises
    ------
    BiotError
        As :func:`biot.training.finetune`.
    """
    train_on = partial(
        _fitted, fabric, contract, from_model=from_model, where=where, progress=progress,
        class_weight=class_weight,
    )  # fmt: skip
    first = train_on(train, valid, config, files=files)
    if valid is None:
        return _unvalidated(first, contract, config)
    outputs, truth, weight = _validation_outputs(fabric, first.model, valid, config.batch_size)
    decision = first.task.fitted(outputs, truth, calibrated=config.calibration, weight=weight)
    learned = Learned(
        model=first.model,
        contract=contract.deciding(decision),
        trained=first.trained,
        metric=first.metric,
        kept=first.kept,
        notes=first.notes
        + notes_on(
            plain_task(contract), first.trained.losses, outputs, truth, decision, config.calibration
        ),
    )
    if not config.refit:
        return learned
    n_epochs = first.trained.best_epoch
    assert n_epochs is not None  # the config refuses modes without epochs
    second = train_on(
        train.joined(valid), None, replace(config, epochs=n_epochs, metric=first.metric),
        files=None if files is None else lambda model: replace(files(model), refit=True),
    )  # fmt: skip
    return _refitted(learned, second)


@dataclass(frozen=True, kw_only=True)
class _Fitted:
    """What one training made."""

    model: BIOT
    trained: Trained
    task: Task
    metric: str
    kept: Ints
    notes: tuple[str, ...]


def _fitted(
    fabric: Any, contract: Preprocessing, train: LabelledWindows, valid: LabelledWindows | None,
    config: FinetuneConfig, *, from_model: Path | None, where: str,
    files: Callable[[BIOT], RunFiles] | None, progress: bool,
    class_weight: tuple[float, ...] | None,
) -> _Fitted:  # fmt: skip
    """Build a model and train it; all that is drawn follows from the config's seed."""
    # On a GPU its generator is forked too.
    gpus = [fabric.device.index] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.manual_seed(config.seed)
        model = build_model(config, contract, from_model=from_model)
        keep = _usable_to(model, train, config, where)
        learned_from = train.chosen(keep)
        if model.needs_spectrum:
            model.fit_spectrum(spread(learned_from))
        _require_every_class(contract, learned_from, where)
        task = training_task(
            contract, config, learned_from.truth, weight=weights_of(learned_from),
            class_weight=class_weight,
        )  # fmt: skip
        metric, deciding = _deciding_metric(task, config.metric, valid)
        model, trained = train_model(
            fabric,
            model,
            learned_from,
            valid,
            task,
            replace(config, metric=metric) if valid is not None else config,
            progress=progress,
            files=None if files is None else files(model),
        )
    return _Fitted(
        model=model, trained=trained, task=task, metric=metric, kept=keep,
        notes=(*blind_spots(model, from_model), *deciding),
    )  # fmt: skip


def _usable_to(model: BIOT, train: LabelledWindows, config: FinetuneConfig, where: str) -> Ints:
    """Positions of the windows from which the model can learn anything."""
    keep = usable(
        train, n_fft=model.n_fft, hop_length=model.hop_length, batch_size=config.batch_size
    )
    if not len(keep):
        raise CorpusError(
            f"{where}: none of {counted(len(train.truth), 'training window')} holds {model.n_fft} "
            "samples "
            "of a channel without a gap, which a token needs: there is nothing to learn from."
        )
    return keep


def _unvalidated(first: _Fitted, contract: Preprocessing, config: FinetuneConfig) -> Learned:
    """The last weights, whose outputs are read by the weights of the classes alone."""
    decision = first.task.plain_decision
    if config.calibration and decision.task != "regression":
        decision = replace(decision, class_weights=first.task.learned_weights())
    return Learned(
        model=first.model, contract=contract.deciding(decision), trained=first.trained,
        metric=first.metric, kept=first.kept,
        notes=(*first.notes, *notes_on_loss(first.trained.losses)),
    )  # fmt: skip


def _refitted(learned: Learned, second: _Fitted) -> Learned:
    """The model of all windows, with the decision of the one whose training was validated."""
    decision = learned.contract.decision
    if decision.class_weights is not None:  # of its own loss: their share is taken out exactly
        decision = replace(decision, class_weights=second.task.learned_weights())
    return replace(
        learned, model=second.model, contract=learned.contract.deciding(decision),
        trained=replace(learned.trained, refit=second.trained.history), before=learned,
        refit_kept=second.kept,
        notes=(*learned.notes, *notes_on_loss(second.trained.losses)),
    )  # fmt: skip


def _deciding_metric(
    task: Task, asked: str | None, valid: LabelledWindows | None
) -> tuple[str, tuple[str, ...]]:
    """The score that decides what is kept; and a note, where it is not the one asked for.

    A score that is undefined on the validation windows, whatever a model says of them, cannot tell
    one epoch from another: the loss decides then.
    """
    metric = task.require_metric(asked)
    if metric == "loss" or valid is None:
        return metric, ()
    anything = np.random.default_rng(0).normal(size=(len(valid.truth), len(task.names)))
    score = task.validation_score(metric, anything, valid.truth, weight=weights_of(valid))
    if np.isfinite(score):
        return metric, ()
    reason = why_undefined(task, valid.truth, {metric: score})[metric]
    return "loss", (
        f"The validation loss decided what was kept: {metric} is undefined on the "
        f"{counted(len(valid.truth), 'validation window')} ({reason}).",
    )


def _validation_outputs(
    fabric: Any, model: BIOT, valid: LabelledWindows, batch_size: int
) -> tuple[Floats, Truth, Floats | None]:
    """Outputs for the validation windows that have any, their truth, and how much they count."""
    network = placed(fabric, model)
    outputs, _, _ = predict_logits(network, batches_of(valid, batch_size), fabric.device)
    kept = np.isfinite(outputs).all(axis=1)
    weight = weights_of(valid)
    return outputs[kept], valid.truth[kept], None if weight is None else weight[kept]


def _require_every_class(contract: Preprocessing, train: LabelledWindows, where: str) -> None:
    if contract.task != "classes":
        return
    names = contract.label_names or ()
    missing = [name for index, name in enumerate(names) if not (train.truth == index).any()]
    if missing:
        raise CorpusError(
            f"{where}: no training window with usable data is labelled "
            f"{', '.join(missing)}. Choose another seed, or --split recording|time, or prepare "
            "the corpus without that class."
        )
