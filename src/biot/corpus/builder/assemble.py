"""From finished recordings to a whole corpus: what needs all of them."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.builder.channels.agreement import (
    Layout,
    difference_lines,
    layout_of,
    set_aside,
)
from biot.corpus.builder.channels.choice import choice_lines
from biot.corpus.builder.channels.given_units import unit_lines
from biot.corpus.builder.config import WorkerConfig
from biot.corpus.builder.labels.columns import of_other_columns
from biot.corpus.builder.labels.label_format import LabelFormat
from biot.corpus.builder.labels.mapping import LabelMap
from biot.corpus.builder.layouts.registry import layouts
from biot.corpus.builder.report import PrepareReport, write_quarantine
from biot.corpus.builder.staging import Staging
from biot.corpus.builder.writer import write_description
from biot.corpus.manifest import (
    Manifest,
    Record,
    left_out_of,
    several_lines,
    tally_of,
    versions,
)
from biot.corpus.schema import SHARDS
from biot.corpus.subjects import doubts, of_one_class, official_parts, origins
from biot.errors import CorpusError, counted_kind, listed, require
from biot.io import atomic_file, sha256_of
from biot.preprocessing import FILE_NAME, Preprocessing
from biot.signals.channels import canonical
from biot.signals.notes import is_slower

__all__ = [
    "channels_of",
    "finish",
    "quarantined",
    "reorder_channels",
    "report_of",
    "together",
]

_EQUAL_TOLD = 3
"""Cases of equal recordings that are told one by one."""

_PER_CHANNEL = ("scale", "offset", "q95", "ch_names", "units")


def channels_of(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the channels of a shard's rows."""
    _, batches = _read(path)
    first = batches[0]
    return tuple(first.column("ch_names")[0].as_py()), tuple(first.column("units")[0].as_py())


def reorder_channels(path: Path, ch_names: tuple[str, ...], units: tuple[str, ...]) -> None:
    """Rewrite a shard so that its rows have these channels, which by meaning are its own.

    Nothing is computed: a channel's numbers do not depend on the others. The file changes in one
    step.

    Raises
    ------
    CorpusError
        If the shard cannot be read.
    """
    pa = require("pyarrow", extra="corpus")
    schema, batches = _read(path)
    places = [canonical(name) for name in batches[0].column("ch_names")[0].as_py()]
    order = np.array([places.index(canonical(name)) for name in ch_names])
    with (
        atomic_file(path) as partial,
        pa.OSFile(str(partial), "wb") as sink,
        pa.ipc.new_stream(sink, schema) as to,
    ):
        for batch in batches:
            to.write_batch(_reordered(batch, order, {"ch_names": ch_names, "units": units}))


def _read(path: Path) -> tuple[Any, list[Any]]:
    """Schema and batches of a shard, mapped into memory."""
    pa = require("pyarrow", extra="corpus")
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            return stream.schema, list(stream)
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(f"{path}: damaged ({error}). Delete it and prepare again.") from error


def _reordered(batch: Any, order: npt.NDArray[np.intp], texts: dict[str, tuple[str, ...]]) -> Any:
    pa = require("pyarrow", extra="corpus")
    n_rows, n_chans = batch.num_rows, len(order)
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["signal"] = pa.array(
        [
            np.frombuffer(row.as_buffer(), "<i2").reshape(n_chans, -1)[order].tobytes()
            for row in columns["signal"]
        ],
        pa.large_binary(),
    )
    ends = pa.array(np.arange(n_rows + 1, dtype=np.int32) * n_chans)
    for name in _PER_CHANNEL:
        if name in texts:
            values = pa.array(texts[name] * n_rows)
        else:
            numbers = columns[name].flatten().to_numpy().reshape(n_rows, n_chans)
            values = pa.array(np.ascontiguousarray(numbers[:, order]).ravel())
        columns[name] = pa.ListArray.from_arrays(ends, values)
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)


def finish(
    place: Staging,
    recipe: WorkerConfig,
    records: Mapping[str, Record],
    old: Manifest | None,
    skipped: Mapping[str, int],
) -> tuple[Preprocessing, Manifest]:
    """Bring the shards into one layout and write what describes them; ``state.json`` comes last.

    Parameters
    ----------
    place
        The unfinished corpus.
    records
        All recordings that it is to hold, by name.
    old
        Manifest of the corpus that it is to replace, if there is one.
    skipped
        Recordings that have no record, by reason.

    Raises
    ------
    CorpusError
        If there is no window at all.
    ConfigError
        If the choice of channels names what no recording has.
    """
    final = _in_one_layout(place, records)
    if not any(record.shard for record in final.values()):
        raise CorpusError(_why_nothing(final, recipe, skipped))
    _tell_of_equal(final)
    wanted = {record.shard for record in final.values()}
    for path in (place.folder / SHARDS).iterdir():
        if f"{SHARDS}/{path.name}" not in wanted:
            path.unlink()
    layout = _layout(final)
    contract = replace(
        recipe.contract,
        ch_names=layout.ch_names,
        units=layout.units,
        recorded_references=tuple(sorted(_references(final))),
    )
    if recipe.how.labelled:
        names = _label_names(final, recipe.labels, old, place.out)
        contract = replace(contract, label_names=names)
    manifest = Manifest(
        parameters=recipe.parameters,
        recordings=final,
        versions=versions(),
        dropped=old.dropped if old is not None else (),
    )
    write_quarantine(place.folder, quarantined(final))
    write_description(place.folder, contract, manifest)
    return contract, manifest


def together(records: Mapping[str, Record]) -> dict[str, Record]:
    """The records; those that do not go together with the others are without windows then."""
    return _agreeing(records)[0]


def _agreeing(records: Mapping[str, Record]) -> tuple[dict[str, Record], Layout]:
    """The records, with those set aside that do not go with the others, and the layout of these."""
    columns = {
        name: record.label_column
        for name, record in records.items()
        if record.labelled and record.quarantine is None
    }
    of_one_column = set_aside(records, of_other_columns(columns))
    layout = _layout(of_one_column)
    return set_aside(of_one_column, layout.clashes), layout


def _layout(records: Mapping[str, Record]) -> Layout:
    return layout_of({n: record for n, record in records.items() if record.shard is not None})


def _in_one_layout(place: Staging, records: Mapping[str, Record]) -> dict[str, Record]:
    """The records, once the shards have the channels that they are to have."""
    final, layout = _agreeing(records)
    for name, record in final.items():
        if record.shard is None:
            continue
        shard = place.folder / record.shard
        channels = layout.of(record)
        if channels_of(shard) != channels:
            # killed between the two, the next run must not trust the old checksum
            place.keep(name, replace(record, shard_sha256=None), None)
            reorder_channels(shard, *channels)
            record = replace(record, shard_sha256=None)
        digest = record.shard_sha256 or sha256_of(shard)
        final[name] = replace(record, shard_sha256=digest)
    return final


def report_of(
    out: Path,
    contract: Preprocessing,
    manifest: Manifest,
    skipped: Mapping[str, int],
    changes: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> PrepareReport:
    """What became of all recordings of a corpus, whichever run prepared them."""
    for doubt in doubts(manifest, contract.task):
        warnings.warn(doubt, stacklevel=4)
    used = [record for record in manifest.recordings.values() if record.shard is not None]
    tally, names = tally_of(manifest.recordings), contract.label_names or ()
    one_class = of_one_class(manifest.recordings) if contract.task == "classes" else None
    return PrepareReport(
        out=out,
        preprocessing=contract,
        n_recordings=len(used),
        n_subjects=len({record.subject for record in used}),
        subjects_from=origins(manifest.recordings),
        parts=official_parts(manifest.recordings),
        n_windows=sum(record.n_windows for record in used),
        labels={name: tally.counts[name] for name in names if not tally.spreads},
        targets=dict(zip(names, tally.spreads, strict=False)),
        dropped=dict(left_out_of(manifest.recordings) + Counter(skipped)),
        references=_references(manifest.recordings),
        slower={
            name: each.sfreq
            for name, each in manifest.recordings.items()
            if each.shard and each.sfreq and is_slower(each.sfreq, contract)
        },
        channels=(
            *choice_lines(manifest.recordings),
            *unit_lines(manifest.recordings),
            *difference_lines(manifest.recordings),
        ),
        label_map=_map_lines(manifest),
        several=tuple(several_lines(manifest)),
        flat={name: each.flat for name, each in manifest.recordings.items() if each.flat},
        quarantined=quarantined(manifest.recordings),
        changes=changes,
        notes=(
            *notes,
            *_told_lines(manifest.recordings),
            *([one_class] if one_class is not None else []),
        ),
    )


def _map_lines(manifest: Manifest) -> tuple[str, ...]:
    pairs = manifest.parameters.get("label_map")
    if pairs is None:
        return ()
    met: Counter[str] = Counter()
    for record in manifest.recordings.values():
        met.update(record.met)
    known = layouts().get(manifest.parameters.get("layout") or "")
    default = known.settings.get("label_map") if known is not None else None
    is_own = default is None or dict(LabelMap.read(default).pairs) != pairs
    return tuple(LabelMap(pairs).lines(dict(sorted(met.items())), tell_absent=is_own))


def _told_lines(records: Mapping[str, Record]) -> Iterator[str]:
    """What was assumed of the labels of recordings, each once with those that it concerns."""
    names: dict[str, list[str]] = {}
    for name, record in sorted(records.items()):
        for text in record.told:
            names.setdefault(text, []).append(name)
    for text, files in names.items():
        yield f"{text}, in {len(files)}: {listed(files, 3)}"


def _references(records: Mapping[str, Record]) -> dict[str, tuple[str, ...]]:
    """Recordings that are used, by what their EEG was measured against, as far as they say it."""
    found: dict[str, tuple[str, ...]] = {}
    for name, record in sorted(records.items()):
        if record.shard is not None and record.reference is not None:
            found[record.reference] = (*found.get(record.reference, ()), name)
    return found


def quarantined(records: Mapping[str, Record]) -> tuple[tuple[str, str], ...]:
    """Recordings that are not used, each with the reason."""
    return tuple((n, r.quarantine) for n, r in sorted(records.items()) if r.quarantine is not None)


def _why_nothing(
    records: Mapping[str, Record], recipe: WorkerConfig, skipped: Mapping[str, int]
) -> str:
    """Why no window could be prepared."""
    counts = left_out_of(records) + Counter(skipped)
    reasons = [counted_kind(count, what) for what, count in counts.items()]
    unusable = quarantined(records)
    settings = _unsuitable_settings(unusable, recipe)
    if settings and not reasons:
        return f"{settings}. No window could be prepared."
    reasons += [reason.rstrip(".") for _, reason in unusable[:3]]
    if len(unusable) > 3:
        reasons.append(f"and {len(unusable) - 3} more that cannot be read")
    if any(what.endswith(("in their layout", ", empty or n/a")) for what in counts):
        reasons.append(
            "if labels are in another column, name it with label_columns; labels must be "
            "'annotations' or 'sidecars' then"
        )
    read = [record for record in records.values() if record.quarantine is None]
    if recipe.how.labelled and read and not any(record.labelled for record in read):
        met = sum((Counter(record.met) for record in read), Counter[str]())
        labels = [f"{label} {count}" for label, count in met.most_common()]
        nothing = f"label_map leaves out all labels ({listed(labels, 10)})"
        reasons.append(nothing if labels else "no recording has a label")
        reasons += list(dict.fromkeys(text for record in read for text in record.told))[:3]
    if any("shorter than a window" in what for what in counts):
        longest = recipe.contract.window
        reasons.append(f"window must be less than {longest:g} s, or keep_short be set")
    return f"No window could be prepared: {'; '.join(reasons)}."


def _unsuitable_settings(unusable: Sequence[tuple[str, str]], recipe: WorkerConfig) -> str | None:
    """What no recording allows of the settings, each said once; None if anything else is wrong."""
    suffering: dict[str, list[str]] = {}
    for name, reason in unusable:
        text = reason.removeprefix(f"{name}: ").rstrip(".")
        setting = re.match(r"(\w+)(?= must |=)", text)
        if text.startswith("Resampling"):
            text = f"sfreq must be another rate. {text}"
        elif setting is None or setting[1] not in recipe.parameters:
            return None
        suffering.setdefault(text, []).append(name)
    return "; ".join(f"{text} ({listed(names, 3)})" for text, names in suffering.items())


def _label_names(
    records: Mapping[str, Record], labels: LabelFormat, old: Manifest | None, out: Path
) -> tuple[str, ...]:
    """Those that occur; after a subject was removed also those that it alone had."""
    tally = tally_of(records)
    if old is not None and old.dropped and (out / FILE_NAME).is_file():
        tally.counts.update(dict.fromkeys(Preprocessing.load(out).label_names or (), 0))
    return labels.names(tally)


def _tell_of_equal(records: Mapping[str, Record]) -> None:
    names: dict[str, list[str]] = {}
    for name, record in sorted(records.items()):
        if record.sha256 is not None and record.shard is not None:
            names.setdefault(record.sha256, []).append(name)
    told = [" and ".join(equal) for equal in names.values() if len(equal) > 1]
    if len(told) > _EQUAL_TOLD:  # as in data sets of which one part is a copy of another
        more = f"; and {len(told) - _EQUAL_TOLD} more such cases"
        told = ["; ".join(told[:_EQUAL_TOLD]) + more]
    for equal in told:
        warnings.warn(
            f"{equal} are the same recording by content; all are kept. "
            "Leave one out unless it is meant.",
            stacklevel=4,
        )
