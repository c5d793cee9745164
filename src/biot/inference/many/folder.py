"""`predict_folder`: many recordings to one folder of tables, resumed where it was stopped."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from biot.corpus.builder.worker import checksum, stamp
from biot.corpus.leakage import SeenData
from biot.errors import ConfigError, counted, require
from biot.evaluation.groups import require_votes
from biot.events.files.writing import files_of_events
from biot.inference.many.outcomes import Outcome
from biot.inference.many.settings import ManySettings
from biot.inference.many.sources import ListedRecording, find_recordings, runs_of, subjects_in_words
from biot.inference.many.staging import ManyFolder
from biot.inference.many.summary import FolderReport, write_tables
from biot.inference.predictions import Predictions
from biot.inference.stream import PredictionFailure, Stream
from biot.inference.windowed import WindowPredictor
from biot.inference.windows import step_of
from biot.io import sha256_of
from biot.locks import alone_on
from biot.settings import configured, takes_settings

__all__ = ["Extras", "in_training", "predict_folder", "stems_of"]

_MODEL_FILES = ("config.json", "model.safetensors", "preprocessing.json", "training_data.json")
_SHOWN = 12
"""Letters of a checksum in messages."""


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What is written of each recording besides the tables."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Which files, and how, as plain values: other ones belong into another folder."""
    write: Callable[[ListedRecording, str, Predictions, Path], None] | None = None
    """Takes the recording, how names of its files begin, what was predicted, and the folder."""


@takes_settings(ManySettings)
def predict_folder(
    predictor: WindowPredictor,
    model: str | Path,
    paths: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    stride: float | None = None,
    units: str | None = None,
    table_sfreq: float | None = None,
    table_units: str | None = None,
    extras: Extras | None = None,
    progress: bool = False,
    config: ManySettings | None = None,
    **settings: Any,
) -> FolderReport:
    """Predict the recordings among files and in folders, and write one folder of tables.

    The folder appears when it is whole; a call that was stopped, however hard, goes on where it was
    and ends with the same bytes. On a folder that is there, what has changed among the recordings
    is brought up to date. A recording that cannot be predicted is listed with the reason.

    Parameters
    ----------
    predictor
        Made of `model`.
    model
        The model folder, or the ONNX file.
    paths
        Files, and folders that are searched as :func:`biot.prepare` does.
    out
        The folder to make, or one that was made by the same call.
    stride
        See :meth:`biot.Predictor.predict`.
    units, table_sfreq, table_units
        See :func:`biot.prepare`.
    extras
        What else is written.
    progress
        Show a bar over recordings on stderr.
    config, **settings
        See :class:`ManySettings`.

    Raises
    ------
    ConfigError
        If `out` is something else or was made by another call or model, another process is at work
        on it, it cannot be written, or no recording can be predicted.
    CorpusError
        If a path does not exist, a folder holds no recording, or two have the same name.
    MissingDependencyError
        If pyarrow is not installed.
    """
    how = configured(ManySettings, config, settings)
    require("pyarrow.parquet", extra="corpus")  # before a folder is begun
    contract = predictor.preprocessing
    require_votes(how.by, contract.task)
    given = [paths] if isinstance(paths, str | Path) else paths
    found, given_units = find_recordings(
        [Path(one) for one in given], contract, subject=how.subject, units=units,
        table_sfreq=table_sfreq, table_units=table_units,
    )  # fmt: skip
    final = Path(out).resolve()
    found = [one for one in found if final not in one.source.path.resolve().parents]
    if not found:
        raise ConfigError(f"All recordings that were found lie in --out {out}. Name others.")
    parameters = {
        "model": _model_checksum(Path(model)), "stride": stride, "precision": predictor.precision,
        "units": given_units.parameter, "table_sfreq": table_sfreq, "table_units": table_units,
        "per": how.per, "by": how.by, "subject": how.subject,
        **(extras.parameters if extras is not None else {}),
    }  # fmt: skip
    stream = Stream(
        contract, predictor.probabilities, step=step_of(stride, contract), workers=how.workers
    )
    with alone_on(Path(out), "these predictions", ConfigError, required=True):
        place = ManyFolder(Path(out))
        run = _Run(place, found, parameters, stream, SeenData.load(Path(model)))
        return run.made(how, extras or Extras(), progress)


class _Run:
    """One call: what is there, what has changed, what is left to do."""

    def __init__(
        self,
        place: ManyFolder,
        found: Sequence[ListedRecording],
        parameters: Mapping[str, Any],
        stream: Stream,
        seen: SeenData | None,
    ) -> None:
        self._place, self._parameters = place, parameters
        self._stream, self._seen = stream, seen
        self._found = {one.name: one for one in found}
        self._runs = runs_of(found)
        self._run_of = {
            one.name: hashlib.sha256("\n".join(o.name for o in run).encode()).hexdigest()[:16]
            for run in self._runs
            for one in run
        }

    def made(self, how: ManySettings, extras: Extras, progress: bool) -> FolderReport:
        """Bring the folder to what these recordings give."""
        before, finished, changes = self._place.finished()
        begun, unfinished = self._place.begun()
        if before is not None:
            _require_same(before, self._parameters, self._place.out, "made")
        if begun is not None:
            _require_same(begun, self._parameters, self._place.partial, "begun")
        known = self._unchanged({**finished, **unfinished})
        todo = [[one for one in run if self._is_left(one, run, known)] for run in self._runs]
        todo = [run for run in todo if run]
        if before is not None:
            changes += self._changes(finished, known)
        elif known:
            changes.append(
                f"{counted(len(known), 'recording was', 'recordings were')} predicted by an "
                "earlier run"
            )
        if before is None or todo or changes:
            left = {one.name for run in todo for one in run}
            self._place.begin(
                self._parameters, [one for one in known.values() if one.name not in left]
            )
            for outcome in self._outcomes(todo, progress):
                known[outcome.name] = outcome
            self._finish(known, how, extras)
        else:
            self._place.discard()
            changes = ["none: the folder is as these recordings and this model make it"]
        return FolderReport(
            out=self._place.out, outcomes=tuple(known[name] for name in self._found),
            per=how.per, by=how.by, subjects=subjects_in_words([*self._found.values()]),
            changes=tuple(changes),
        )  # fmt: skip

    def _unchanged(self, known: Mapping[str, Outcome]) -> dict[str, Outcome]:
        """Those of the recordings given whose files are as they were."""
        kept = {}
        for name, outcome in known.items():
            one = self._found.get(name)
            if one is None or outcome.sha256 is None or not outcome.is_final:
                continue
            there = stamp(one.source)
            is_same = outcome.stamp == there if outcome.stamp else (
                checksum(one.source) == (outcome.size, outcome.sha256)
            )  # fmt: skip
            if is_same and outcome.subject == one.subject:
                run = outcome.run if outcome.shares_batches else self._run_of[name]
                kept[name] = replace(outcome, stamp=there, run=run)
        return kept

    def _is_left(
        self, one: ListedRecording, run: Sequence[ListedRecording], known: Mapping[str, Outcome]
    ) -> bool:
        """Whether a recording is to be predicted: also if another of its batches is."""
        mine = known.get(one.name)
        if mine is None or not mine.shares_batches:
            return mine is None
        others = (known.get(other.name) for other in run)
        return any(other is None or other.run != self._run_of[one.name] for other in others)

    def _changes(self, old: Mapping[str, Outcome], known: Mapping[str, Outcome]) -> list[str]:
        """What is other than in the finished folder, in words."""
        texts = []
        for name in self._found:
            if name not in old:
                texts.append(f"{name} was added")
            elif name not in known:
                again = old[name].sha256 is None or not old[name].is_final
                how = "was tried again" if again else "has changed and was predicted anew"
                texts.append(f"{name} {how}")
        gone = [name for name in old if name not in self._found]
        return [*texts, *(f"{name} is no longer given and was removed" for name in gone)]

    def _outcomes(
        self, todo: Sequence[Sequence[ListedRecording]], progress: bool
    ) -> Iterator[Outcome]:
        """Predict, and keep what is finished: a long recording by itself, others by the run."""
        stamps = {one.name: stamp(one.source) for run in todo for one in run}
        items = [[one.item for one in run] for run in todo]
        results = self._stream.predictions(items, progress=progress)
        for run in todo:
            together = []
            for one in run:
                outcome = self._outcome(one, next(results), stamps[one.name])
                if outcome.predictions is None or outcome.shares_batches:
                    together.append(outcome)
                else:
                    self._place.keep([outcome])
                yield outcome
            self._place.keep(together)
        next(results, None)

    def _outcome(
        self, one: ListedRecording, result: Predictions | PredictionFailure, before: Any
    ) -> Outcome:
        size, sha256 = checksum(one.source)
        if stamp(one.source) != before:
            why = f"{one.name}: changed while it was read. Start the same command again."
            result = PredictionFailure(name=one.name, reason=why, is_final=False)
        common: dict[str, Any] = {
            "name": one.name, "subject": one.subject, "subject_from": one.subject_from,
            "size": size, "sha256": sha256, "run": self._run_of[one.name], "stamp": before,
        }  # fmt: skip
        if isinstance(result, PredictionFailure):
            reason = _without_place(result.reason, one)
            return Outcome(**common, predictions=None, reason=reason, is_final=result.is_final)
        learnt = in_training(self._seen, sha256)
        return Outcome(**common, predictions=replace(result, in_training=learnt))

    def _finish(self, known: Mapping[str, Outcome], how: ManySettings, extras: Extras) -> None:
        outcomes = [known[name] for name in self._found]
        if not any(one.predictions for one in outcomes):
            self._place.discard()
            reasons = [one.reason for one in outcomes if one.reason is not None]
            more = f" (and {len(reasons) - 3} more)" if len(reasons) > 3 else ""
            raise ConfigError(
                f"None of {counted(len(reasons), 'recording')} can be predicted: "
                f"{' '.join(reasons[:3])}{more}"
            )
        stems = stems_of([one.name for one in outcomes])

        def write_more(folder: Path) -> None:
            write_tables(folder, outcomes, per=how.per, by=how.by)
            for one in outcomes if extras.write is not None else ():
                if one.predictions is not None:
                    assert extras.write is not None
                    found = self._found[one.name]
                    extras.write(found, stems[one.name], one.predictions, folder)

        self._place.publish(outcomes, self._parameters, write_more)


def in_training(seen: SeenData | None, sha256: str | None) -> bool | None:
    """Whether the training of a model read the files of this checksum; None: nobody knows."""
    if seen is None or sha256 is None:
        return None
    if sha256 in seen.recordings:
        return True
    return None if seen.unknown else False


def stems_of(names: Sequence[str]) -> dict[str, str]:
    """How names of files begin: a recording's name without its suffix.

    Where files of another recording would have the same name, such as those of ``a_eeg.edf`` and
    ``a_ecg.edf``, it is the name with its suffix; and with a number, where that is not enough.
    """
    stems = {name: name[: -len(Path(name).suffix) or None] for name in names}
    for name in _shared(stems):
        stems[name] = name
    for number, name in enumerate(sorted(_shared(stems)), 1):
        stems[name] = f"{name}-{number}"
    return stems


def _shared(stems: Mapping[str, str]) -> list[str]:
    """Recordings with a file that another has too, as a disk that ignores capitals sees it."""
    files = {name: _files_of(stem) for name, stem in stems.items()}
    counts = Counter(file for those in files.values() for file in those)
    return [name for name, those in files.items() if any(counts[file] > 1 for file in those)]


def _files_of(stem: str) -> set[str]:
    named = files_of_events(("bids", "wfdb"), Path(stem).name)
    files = {Path(stem).name, *(file for those in named.values() for file in those)}
    return {str(Path(stem).with_name(file)).casefold() for file in files}


def _model_checksum(model: Path) -> str:
    if model.is_file():
        return sha256_of(model)
    return sha256_of(*(model / name for name in _MODEL_FILES if (model / name).is_file()))


def _without_place(reason: str, one: ListedRecording) -> str:
    """A reason without the folder in which the file lies on this machine."""
    for place in (one.source.path, one.source.path.resolve()):
        reason = reason.replace(f"{place.parent}/", "")
    return " ".join(reason.split())


def _require_same(
    there: Mapping[str, Any], asked: Mapping[str, Any], folder: Path, what: str
) -> None:
    differing = []
    for name in dict.fromkeys([*there, *asked]):
        old, new = there.get(name), asked.get(name)
        if old == new:
            continue
        if name == "model":
            short = (str(value)[:_SHOWN] for value in (old, new))
            differing.append("with another model (checksum {}…, not {}…)".format(*short))
        elif old is None:
            differing.append(f"without {name}=, not with {new}")
        else:
            differing.append(f"with {name}={old}, {'not without' if new is None else f'not {new}'}")
    if differing:
        raise ConfigError(
            f"{folder} exists already: it was {what} {'; '.join(differing)}. Choose another "
            f"folder for --out, or delete {folder}."
        )
