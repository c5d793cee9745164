"""Which recordings go together in a corpus: the majority decides over units, names and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from biot.corpus.manifest import Record
from biot.errors import listed
from biot.signals.channels import canonical
from biot.signals.units import respelled

__all__ = [
    "Layout",
    "difference_lines",
    "layout_of",
    "set_aside",
]

_FAR = 10
"""How many times a rate must be above or below the median to be told."""

_MOST_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The channels of a corpus, and what of its recordings does not go together with them."""

    ch_names: tuple[str, ...]
    units: tuple[str, ...]
    mixed: bool
    """Whether recordings have different channels; each row keeps its recording's own then."""
    clashes: Mapping[str, str]
    """Recordings that have a channel in another unit than most, each with the reason."""

    def of(self, record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Channels and units of the rows of one recording, in their order."""
        if self.mixed:
            return record.ch_names, tuple(map(respelled, record.units))
        return self.ch_names, self.units


def layout_of(records: Mapping[str, Record]) -> Layout:
    """The channels of recordings, given by name, that each gave windows.

    A channel's unit is the one that most recordings have; of units in equally many, one that is
    declared goes before none, then the first by the recordings' names. Recordings with another unit
    do not go together with these. Where all that remain have the same channels, their order is the
    one that most recordings have, and so are the spellings; otherwise the channels are all that
    occur, by their canonical names, sorted.
    """
    own = {name: _units(records[name]) for name in sorted(records)}
    votes = _votes(own)
    common = {channel: _first_of_most(counts) for channel, counts in votes.items()}
    odd = {
        name: sum(unit != common[channel] for channel, unit in units.items())
        for name, units in own.items()
    }
    units: dict[str, str] = {}
    kept: list[str] = []
    # An odd one may still go with all that is kept, where the others that have its channel do not.
    for name in sorted(own, key=lambda name: (odd[name], name)):
        if all(units.get(channel, unit) == unit for channel, unit in own[name].items()):
            units |= own[name]
            kept.append(name)
    clashes = {
        name: _reason(name, own[name], units, votes) for name in own if name not in set(kept)
    }
    used = [records[name] for name in sorted(kept)]
    if not used:
        return Layout(ch_names=(), units=(), mixed=False, clashes=clashes)
    mixed = any(len(record.ch_names) < len(units) for record in used)
    names = tuple(sorted(units)) if mixed else _usual_names(used)
    return Layout(
        ch_names=names,
        units=tuple(units[canonical(name)] for name in names),
        mixed=mixed,
        clashes=clashes,
    )


def _units(record: Record) -> dict[str, str]:
    """Unit of each channel, by its canonical name."""
    pairs = zip(record.ch_names, record.units, strict=True)
    return {canonical(channel): respelled(unit) for channel, unit in pairs}


def _votes(own: Mapping[str, Mapping[str, str]]) -> dict[str, Counter[str]]:
    """For each channel, how many recordings have it in each unit; the first by name comes first."""
    votes: dict[str, Counter[str]] = {}
    for units in own.values():
        for channel, unit in units.items():
            votes.setdefault(channel, Counter())[unit] += 1
    return votes


def _first_of_most(counts: Counter[str]) -> str:
    """The unit of most recordings; a declared one before none, then the one counted first."""
    most = max(counts.values())
    those = [unit for unit, count in counts.items() if count == most]
    return next(filter(None, those), those[0])


def _usual_names(records: Sequence[Record]) -> tuple[str, ...]:
    """Names in the order, then in the spelling, of most recordings, which have equal channels."""
    orders = Counter(tuple(map(canonical, record.ch_names)) for record in records)
    order = orders.most_common(1)[0][0]
    spelled = [r.ch_names for r in records if tuple(map(canonical, r.ch_names)) == order]
    return Counter(spelled).most_common(1)[0][0]


def _reason(
    name: str,
    own: Mapping[str, str],
    units: Mapping[str, str],
    votes: Mapping[str, Counter[str]],
) -> str:
    """Why a recording is set aside; without the others' names, which may be removed one day."""
    found: dict[tuple[str, str, int, int], list[str]] = {}
    for channel, unit in own.items():
        if units.get(channel, unit) != unit:
            counts = votes[channel]
            key = (unit, units[channel], counts[units[channel]], counts.total())
            found.setdefault(key, []).append(channel)
    parts = [
        f"{listed(channels)} {_with(unit, len(channels))}, but {_with(wanted, len(channels))} in "
        f"{count} of {total} recordings"
        for (unit, wanted, count, total), channels in found.items()
    ]
    if all(unit and wanted for unit, wanted, *_ in found):
        way = "Convert it"
    else:
        whose = "its unit" if any(not unit for unit, *_ in found) else "the unit of the others"
        way = f"Say {whose} with units="
    return f"{name}: {'; '.join(parts)}. {way}, or prepare it apart."


def _with(unit: str, n_chans: int) -> str:
    if unit:
        return f"{'is' if n_chans == 1 else 'are'} in {unit}"
    return f"{_has(n_chans)} no unit"


def set_aside(records: Mapping[str, Record], reasons: Mapping[str, str]) -> dict[str, Record]:
    """The records, those with a reason not to go with the others without windows; by name."""
    return {
        name: record
        if name not in reasons
        else Record(
            size=record.size,
            sha256=record.sha256,
            subject=record.subject,
            subject_from=record.subject_from,
            rows=record.rows,
            split=record.split,
            quarantine=reasons[name],
            clash=True,
        )
        for name, record in sorted(records.items())
    }


# what is told of those that are kept ----------------------------------------------------------


def difference_lines(records: Mapping[str, Record]) -> Iterator[str]:
    """Which recordings that gave windows have other channels than most, or a rate far from most."""
    used = {name: record for name, record in sorted(records.items()) if record.shard is not None}
    yield from _other_channels(used)
    yield from _other_rates(used)


def _other_channels(used: Mapping[str, Record]) -> Iterator[str]:
    sets = Counter(frozenset(map(canonical, record.ch_names)) for record in used.values())
    if len(sets) < 2:
        return
    usual, count = sets.most_common(1)[0]
    order = next(
        [canonical(ch) for ch in record.ch_names]
        for record in used.values()
        if frozenset(map(canonical, record.ch_names)) == usual
    )
    n = len(used)
    if 2 * count <= n:
        if n > 2:
            yield f"{n} recordings have {len(sets)} sets of channels; none is that of most"
        return
    yield f"{n - count} of {n} recordings {_has(n - count)} other channels than most:"
    others = [one for one, _ in sets.most_common() if one != usual]
    for one in others[:_MOST_LINES]:
        names = [n for n, r in used.items() if frozenset(map(canonical, r.ch_names)) == one]
        lacks = [channel for channel in order if channel not in one]
        more = sorted(one - usual)
        parts = [f"{'lacks' if len(names) == 1 else 'lack'} {listed(lacks)}"] if lacks else []
        parts += [f"{_has(len(names))} {listed(more)} besides"] if more else []
        yield f"  {listed(names, 3)} {' and '.join(parts)}"
    if len(others) > _MOST_LINES:
        yield f"  and {len(others) - _MOST_LINES} more sets of channels"


def _other_rates(used: Mapping[str, Record]) -> Iterator[str]:
    rates = {name: record.sfreq for name, record in used.items() if record.sfreq}
    if len(rates) < 3:
        return
    usual = median(rates.values())
    far = {n: rate for n, rate in rates.items() if not usual / _FAR < rate < usual * _FAR}
    if far:
        named = [f"{name} at {rate:g} Hz" for name, rate in far.items()]
        yield (
            f"{len(far)} of {len(rates)} recordings {_has(len(far))} a rate far from that of most, "
            f"{usual:g} Hz, which may be wrong: {listed(named, 3)}"
        )


def _has(n: int) -> str:
    return "has" if n == 1 else "have"
