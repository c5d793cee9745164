"""What a model folder and the folder of a run hold, for `biot info`.

Nothing here needs PyTorch, but a model whose tokens are of another form than the published one is
opened, to tell what they are standardised by.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from biot.errors import CheckpointError, ConfigError, counted, listed
from biot.io import read_json
from biot.settings import Settings, settings_of
from biot.training.finetuning.config import FinetuneConfig
from biot.training.pretraining.config import PretrainConfig

if TYPE_CHECKING:
    from biot.preprocessing import Preprocessing

__all__ = ["contract_rows", "describe_model", "describe_run", "is_model", "is_run", "lines_of"]

_MOST_BYTES = 2**26
"""Of a JSON file; a run of many windows lists their numbers."""
_MOST_NAMES = 20
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_SETTINGS = (
    "embed_dim",
    "num_heads",
    "num_layers",
    "n_fft",
    "hop_length",
    "spectrum",
    "n_times",
    "n_outputs",
)


def is_run(folder: Path) -> bool:
    """Whether a folder is of a run of `finetune` or `pretrain`."""
    return (folder / "run.json").is_file()


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model."""
    return (folder / "config.json").is_file() and any((folder / n).is_file() for n in _WEIGHTS)


def describe_model(folder: Path) -> str:
    """What a model is, what it takes and says, and what it learned from.

    Raises
    ------
    BiotError
        If one of its files is damaged.
    """
    config = read_json(folder / "config.json", CheckpointError, most_bytes=_MOST_BYTES)
    weights = next(folder / name for name in _WEIGHTS if (folder / name).is_file())
    rows = [
        ("model", f"{folder}: BIOT, the biosignal transformer"),
        ("weights", f"{weights.name}, {weights.stat().st_size / 1e6:.2f} MB"),
        ("settings", _words({k: config[k] for k in _SETTINGS if config.get(k) is not None})),
    ]
    rows += _tokens(folder, config)
    channels = config.get("channels")
    if isinstance(channels, list) and channels:
        rows.append(("channels", f"{len(channels)}: {', '.join(map(str, channels))}"))
    else:
        rows.append(("channels", f"{config.get('n_chans', 'not said')}, unnamed"))
    rows += _preprocessing(folder) + _training_data(folder) + _provenance(folder, weights)
    run = folder.resolve().parent
    if is_run(run):
        about = read_json(run / "run.json", ConfigError, most_bytes=_MOST_BYTES)
        rows += _history_of(about)
        rows += _event_scores(run / "metrics.json") if "events" in dict(rows) else []
    else:
        rows.append(("versions", "not said: the run that made this model does not lie beside it"))
    return lines_of(rows)


def _tokens(folder: Path, config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a token holds, where that is not the published form."""
    if config.get("spectrum", "magnitude") == "magnitude":
        return []
    from biot.model.biot import BIOT
    from biot.model.spectra import spectrum_in_words

    return [("tokens", spectrum_in_words(BIOT.from_pretrained(folder).encoder.patch_embedding))]


def _preprocessing(folder: Path) -> list[tuple[str, str]]:
    from biot.preprocessing import FILE_NAME, Preprocessing

    if not (folder / FILE_NAME).is_file():
        return [("preprocessing", f"not said: there is no {FILE_NAME}")]
    return contract_rows(Preprocessing.load(folder))


def contract_rows(found: Preprocessing) -> list[tuple[str, str]]:
    """What a contract says, each fact with its name."""
    names = found.label_names
    kinds = {"classes": "classes", "multilabel": "tags", "regression": "numbers"}
    return [
        ("rate", f"{found.sfreq:g} Hz"),
        ("window", f"{found.window:g} s ({found.n_times} samples)"),
        ("unit", ", ".join(dict.fromkeys(unit or "no unit" for unit in found.units)) or "not said"),
        ("scale", found.scale),
        ("filter", found.filter or "none"),
        ("reference", found.reference_in_words),
        ("flat channels", "kept as they are" if found.keep_flat else "missing data"),
        ("resampling", found.resample),
        ("labels", f"{len(names)} {kinds[found.task]}: {', '.join(names)}" if names else "none"),
        *([("decision", found.decision.described(names))] if names else []),
        *([("probabilities", _calibration(found))] if names else []),
        *([] if found.events is None else [("events", str(found.events))]),
    ]


def _calibration(found: Preprocessing) -> str:
    if found.task == "regression":
        return "none: numbers"
    parts = []
    if found.class_weights is not None:
        parts.append("corrected for class weights")
    if found.temperature is not None:
        parts.append(f"temperature {found.temperature:.3g}")
    return ", ".join(parts) or "as the outputs give them"


def _training_data(folder: Path) -> list[tuple[str, str]]:
    path = folder / "training_data.json"
    if not path.is_file():
        return [("trained on", f"not said: there is no {path.name}")]
    values = read_json(path, ConfigError, most_bytes=_MOST_BYTES)
    counts = {name: len(_sized(values.get(name))) for name in ("recordings", "unknown")}
    text = counted(counts["recordings"] + counts["unknown"], "recording")
    return [("trained on", f"{text}{_whose(values)}")]


def _provenance(folder: Path, weights: Path) -> list[tuple[str, str]]:
    """Who made the model, if it says so of these weights."""
    from biot.io import sha256_of
    from biot.provenance import PROVENANCE, Provenance

    found = Provenance.load(folder)
    if found is None:
        return [("made", f"not said: there is no {PROVENANCE}")]
    rows = list(found.in_words().items())
    if found.weights is not None and found.weights != sha256_of(weights):
        text = f"{PROVENANCE} speaks of other weights than {weights.name}: one of them was replaced"
        rows.insert(0, ("warning", text))
    return rows


def describe_run(folder: Path) -> str:
    """What a run was asked for, what it learned from, and how well it did.

    Raises
    ------
    BiotError
        If one of its files is damaged.
    """
    about = read_json(folder / "run.json", ConfigError, most_bytes=_MOST_BYTES)
    asked = _inner(about, "what")
    pretraining = asked if "corpora" in asked else {}  # what is fine-tuned has one corpus
    kind = (
        "pretraining"
        if pretraining
        else "cross-validation"
        if "tested" in about or "folds" in asked
        else "fine-tuning"
    )
    rows = [("run", f"{folder}: {kind}"), *_history_of(about)]
    if pretraining:
        corpora = _inner(pretraining, "corpora")
        rows += [
            ("corpora", "; ".join(f"{n}: {_windows(_inner(corpora, n))}" for n in corpora)),
            ("settings", _changed(_inner(pretraining, "config"), PretrainConfig)),
            ("state", "finished" if (folder / "model").is_dir() else "not finished"),
            *_heads(folder),
        ]
    else:
        rows += _of_corpus(about)
        rows.append(("settings", _changed(_inner(about, "config"), FinetuneConfig)))
    if (folder / "model").is_dir():
        rows.append(("model", f"{folder / 'model'} (`biot info` shows it)"))
    parts = [lines_of(rows)]
    if (folder / "metrics.json").is_file():
        parts.append(_scores(folder))
    return "\n\n".join(parts)


def _heads(folder: Path) -> list[tuple[str, str]]:
    """Models of supervised pretraining, one a corpus."""
    heads = folder / "heads"
    names = sorted(one.name for one in heads.iterdir()) if heads.is_dir() else []
    return [("heads", f"{heads}: {listed(names, _MOST_NAMES)}")] if names else []


def _history_of(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Command and versions."""
    return [
        ("command", str(about.get("command") or "not said")),
        ("versions", _words(_inner(about, "versions")) or "not said"),
    ]


def _of_corpus(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    from biot.report.runs.data import leakage_text

    corpus, split = _inner(about, "corpus"), _inner(about, "split")
    rows = [("corpus", f"{corpus.get('path', 'not said')}, {_windows(corpus)}")]
    if _inner(about, "test_corpus"):
        test = _inner(about, "test_corpus")
        rows.append(("test corpus", f"{test.get('path', 'not said')}, {_windows(test)}"))
    rows.append(("started from", str(about.get("from_model") or "scratch")))
    for part in ("train", "valid", "test"):
        found = _inner(split, part)
        if found:
            rows.append((part, f"{_windows(found)}{_whose(found)}"))
    return [*rows, ("leakage", leakage_text(about))]


def _of_events(metrics: dict[str, Any]) -> list[str]:
    """Rules for events that a run tuned, and their F1, a sentence each."""
    return list(map(str, _sized(_inner(metrics, "events").get("in_words"))))


def _event_scores(metrics: Path) -> list[tuple[str, str]]:
    """How well the events of a model's rules agree with labels, where its run says so."""
    if not metrics.is_file():
        return []
    _, *scores = _of_events(read_json(metrics, ConfigError, most_bytes=_MOST_BYTES)) or [""]
    return [("event scores", " ".join(scores))] if scores else []


def _scores(folder: Path) -> str:
    metrics = read_json(folder / "metrics.json", ConfigError, most_bytes=_MOST_BYTES)
    from biot.evaluation.tables import scores_text

    table = folder / "table.txt"
    if table.is_file():  # of folds
        return table.read_text(encoding="utf-8", errors="replace").rstrip()
    test = _inner(metrics, "test")
    kept = f", with the weights of epoch {epoch}" if (epoch := metrics.get("best_epoch")) else ""
    if refit := _inner(metrics, "refit"):
        kept = f", with the weights of a refit on all windows (epochs: {refit.get('epochs')})"
    notes = "".join(f"{note}\n\n" for note in map(str, _sized(metrics.get("notes"))))
    events = "".join(f"\n{line}" for line in _of_events(metrics))
    return f"{notes}Test{kept}: {scores_text(test)}" + (f"\n{events}" if events else "")


def _changed(config: Mapping[str, Any], kind: type[Settings]) -> str:
    """The settings of a run that are not the defaults."""
    defaults = {one.name: one.default for one in settings_of(kind)}
    changed = {k: v for k, v in config.items() if k not in defaults or defaults[k] != v}
    return _words(changed) or "the defaults"


def lines_of(rows: Sequence[tuple[str, str]]) -> str:
    """A line for each fact, its name before it; long ones are wrapped."""
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(
        textwrap.fill(
            text,
            100,
            initial_indent=name.ljust(width),
            subsequent_indent=" " * width,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for name, text in rows
    )


def _inner(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within an object; empty where there is none."""
    value = values.get(name)
    return value if isinstance(value, dict) else {}


def _sized(value: Any) -> Sequence[Any] | Mapping[str, Any]:
    return value if isinstance(value, list | dict) else ()


def _windows(values: Mapping[str, Any]) -> str:
    return counted(values.get("n_windows", "unknown"), "window")


def _whose(values: Mapping[str, Any]) -> str:
    """The subjects of windows or recordings, where they are known."""
    names = list(map(str, _sized(values.get("subjects"))))
    return f" of {counted(len(names), 'subject')}: {listed(names, _MOST_NAMES)}" if names else ""


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
