"""How the channels of a recording meet a vocabulary: matched, derived or absent, never guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from biot.errors import ChannelError, counted, listed
from biot.signals.channels import COMMON_REFERENCES, ChannelName, canonical, parse

__all__ = ["MontageEntry", "MontagePlan", "plan"]


@dataclass(frozen=True, kw_only=True)
class MontageEntry:
    """Where one entry of the vocabulary comes from."""

    name: str
    """The entry as the vocabulary spells it."""
    plus: int | None = None
    """Index of the recording's channel that it is, or that it starts from; None: absent."""
    minus: int | None = None
    """Index of the channel that is subtracted; None unless derived."""
    reason: str = ""
    """Why it is absent."""

    @property
    def status(self) -> Literal["matched", "derived", "absent"]:
        """``matched`` with a channel, ``derived`` as a difference of two, or ``absent``."""
        if self.plus is None:
            return "absent"
        return "matched" if self.minus is None else "derived"


@dataclass(frozen=True, kw_only=True)
class MontagePlan:
    """How a recording's channels become a vocabulary's; ``str()`` is a table."""

    ch_names: tuple[str, ...]
    """The recording's channels."""
    entries: tuple[MontageEntry, ...]
    """One for each entry of the vocabulary, in its order."""

    def __post_init__(self) -> None:
        used = [i for entry in self.entries for i in (entry.plus, entry.minus) if i is not None]
        wrong = [i for i in used if not 0 <= i < len(self.ch_names)]
        if wrong:
            raise ChannelError(
                f"The plan uses channel {wrong[0]}, but has the "
                f"{counted(len(self.ch_names), 'channel')} "
                f"0 to {len(self.ch_names) - 1}."
            )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Names of all entries."""
        return tuple(entry.name for entry in self.entries)

    @property
    def present(self) -> tuple[int, ...]:
        """Rows of the vocabulary that the recording fills."""
        return tuple(i for i, entry in enumerate(self.entries) if entry.status != "absent")

    @property
    def matched(self) -> tuple[str, ...]:
        """Entries that are channels of the recording."""
        return self._with_status("matched")

    @property
    def derived(self) -> tuple[str, ...]:
        """Entries that are a difference of two channels of the recording."""
        return self._with_status("derived")

    @property
    def absent(self) -> tuple[str, ...]:
        """Entries that the recording does not hold."""
        return self._with_status("absent")

    @property
    def used(self) -> tuple[int, ...]:
        """Rows of the recording's channels that an entry uses."""
        pairs = ((entry.plus, entry.minus) for entry in self.entries)
        return tuple(sorted({i for pair in pairs for i in pair if i is not None}))

    @property
    def unused(self) -> tuple[str, ...]:
        """Channels of the recording that no entry uses."""
        return tuple(name for i, name in enumerate(self.ch_names) if i not in self.used)

    def apply(self, data: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
        """Arrange, and subtract, the channels of a recording.

        Parameters
        ----------
        data
            (…, n_chans, n_times), channels in the order of :attr:`ch_names`.

        Returns
        -------
        numpy.ndarray
            (…, len(vocabulary), n_times) of the data's floating type; NaN rows where absent.

        Raises
        ------
        ChannelError
            If the data has another number of channels.
        """
        array = np.asarray(data)
        if array.ndim < 2 or array.shape[-2] != len(self.ch_names):
            raise ChannelError(
                f"The plan is for {counted(len(self.ch_names), 'channel')}, (…, "
                f"{len(self.ch_names)}, "
                f"n_times); got data of shape {array.shape}."
            )
        shape = (*array.shape[:-2], len(self.entries), array.shape[-1])
        out = np.full(shape, np.nan, dtype=np.result_type(array, np.float32))
        for row, entry in enumerate(self.entries):
            if entry.plus is not None:
                out[..., row, :] = array[..., entry.plus, :]
            if entry.minus is not None:
                out[..., row, :] -= array[..., entry.minus, :]
        return out

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain values for JSON."""
        return {"ch_names": list(self.ch_names), "entries": [asdict(e) for e in self.entries]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MontagePlan:
        """The plan that :meth:`to_dict` gave.

        Raises
        ------
        ChannelError
            If the values are not those of a plan.
        """
        try:
            return cls(
                ch_names=tuple(values["ch_names"]),
                entries=tuple(MontageEntry(**entry) for entry in values["entries"]),
            )
        except (KeyError, TypeError) as error:
            raise ChannelError(f"These are not the values of a montage plan: {error}.") from error

    def __str__(self) -> str:
        from tabulate import tabulate

        rows = [(entry.name, entry.status, self._source(entry)) for entry in self.entries]
        table = tabulate(rows, headers=("vocabulary", "status", "from"), tablefmt="simple")
        counts = ", ".join(
            f"{len(self._with_status(status))} {status}"
            for status in ("matched", "derived", "absent")
        )
        return f"{table}\n\n{counts}. Unused: {', '.join(self.unused) or 'none'}."

    def _source(self, entry: MontageEntry) -> str:
        if entry.plus is None:
            return entry.reason
        if entry.minus is None:
            return self.ch_names[entry.plus]
        return f"{self.ch_names[entry.plus]} − {self.ch_names[entry.minus]}"

    def _with_status(self, status: str) -> tuple[str, ...]:
        return tuple(entry.name for entry in self.entries if entry.status == status)


def plan(ch_names: Sequence[str], vocabulary: Sequence[str]) -> MontagePlan:
    """How a recording's channels meet a vocabulary.

    An entry is *matched* with the channel of the same canonical name (case, aliases such as T3 for
    T7, and a common reference do not count), *derived* when it is bipolar, ``A-B``, and the
    recording has the electrodes A and B against one and the same reference, and *absent* otherwise.

    Parameters
    ----------
    ch_names
        Channels of the recording, as it spells them.
    vocabulary
        Channels wanted, in the order wanted, such as :data:`~biot.signals.PREST_16`.

    Raises
    ------
    ChannelError
        If an entry could come from several channels, the vocabulary names a channel twice, or
        nothing of it is in the recording.
    """
    _refuse_repeats(vocabulary)
    _refuse_biosemi_letters(ch_names, vocabulary)
    channels = [parse(name) for name in ch_names]
    entries = tuple(_entry(name, ch_names, channels) for name in vocabulary)
    if not any(entry.status != "absent" for entry in entries):
        raise ChannelError(_nothing_matches(ch_names, vocabulary))
    return MontagePlan(ch_names=tuple(ch_names), entries=entries)


def _entry(name: str, ch_names: Sequence[str], channels: list[ChannelName]) -> MontageEntry:
    wanted = parse(name)
    same = [i for i, channel in enumerate(channels) if channel.canonical == wanted.canonical]
    if len(same) == 1:
        return MontageEntry(name=name, plus=same[0])
    if same:
        raise ChannelError(_ambiguous(name, [ch_names[i] for i in same], same))
    if wanted.electrode is None or wanted.reference is None:
        return MontageEntry(name=name, reason=f"no {wanted.canonical}")
    return _difference(name, wanted.electrode, wanted.reference, ch_names, channels)


def _difference(
    name: str, first: str, second: str, ch_names: Sequence[str], channels: list[ChannelName]
) -> MontageEntry:
    """The entry ``first − second``, from two channels that share their reference."""
    plus = [i for i, channel in enumerate(channels) if channel.electrode == first]
    minus = [i for i, channel in enumerate(channels) if channel.electrode == second]
    lacking = [e for e, found in ((first, plus), (second, minus)) if not found]
    if lacking:
        return MontageEntry(name=name, reason=f"no {' and no '.join(lacking)}")
    pairs = [(a, b) for a in plus for b in minus if channels[a].reference == channels[b].reference]
    common = [pair for pair in pairs if _is_common(channels[pair[0]].reference)]
    pairs = common or pairs  # a reference shared by all comes before one shared by two
    if not pairs:
        names = [ch_names[i] for i in (*plus, *minus)]
        return MontageEntry(name=name, reason=f"different references: {', '.join(names)}")
    if len(pairs) > 1:
        positions = sorted({i for pair in pairs for i in pair})
        raise ChannelError(_ambiguous(name, [ch_names[i] for i in positions], positions))
    return MontageEntry(name=name, plus=pairs[0][0], minus=pairs[0][1])


def _is_common(reference: str | None) -> bool:
    return reference is None or reference in COMMON_REFERENCES


def _refuse_repeats(vocabulary: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in vocabulary:
        if canonical(name) in seen:
            raise ChannelError(
                f"The vocabulary names one channel twice: {seen[canonical(name)]!r} and {name!r}. "
                "Keep one."
            )
        seen[canonical(name)] = name


def _refuse_biosemi_letters(ch_names: Sequence[str], vocabulary: Sequence[str]) -> None:
    """BioSemi caps count sites A1 to A32, B1 to B32, …: their A1 and C3 are no 10-20 sites."""
    names = {canonical(name) for name in ch_names}
    if {"A3", "B1"} <= names and not {"A3", "B1"} <= {canonical(name) for name in vocabulary}:
        raise ChannelError(
            "The channels are counted by the letters of a BioSemi cap (A1, A2, A3, …, B1, …), "
            "where A1 or C3 is not the 10-20 site of that name. Rename them to 10-20 sites first."
        )


def _ambiguous(name: str, found: list[str], positions: list[int]) -> str:
    places = " and ".join(f"{n!r} (channel {i + 1})" for n, i in zip(found, positions, strict=True))
    return (
        f"{name!r} could come from {places} of the recording. "
        "Remove or rename all but the one that is meant."
    )


def _nothing_matches(ch_names: Sequence[str], vocabulary: Sequence[str]) -> str:
    spelling = {canonical(name): name for name in ch_names}
    hints = [
        f"{spelling[close[0]]!r} for {name!r}"
        for name in vocabulary
        if (close := get_close_matches(canonical(name), spelling, n=1))
    ]
    hint = f" Did you mean {hints[0]}?" if hints else ""
    return (
        f"No channel of the recording is in the vocabulary, matched or derived. The recording has "
        f"{listed(ch_names) or 'no channels'}; the vocabulary is {listed(vocabulary)}.{hint}"
        " Rename the recording's channels, or use a model whose vocabulary holds them."
    )
