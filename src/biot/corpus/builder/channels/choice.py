"""Which channels of a recording count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from biot.corpus.manifest import Record
from biot.errors import ConfigError, RecordingError, counted, listed, near_word
from biot.signals.channels import canonical, kind
from biot.signals.naming import renames_of
from biot.signals.recording import Recording

__all__ = [
    "ChannelChoice",
    "choice_lines",
    "fits",
    "same_channel",
    "without_trigger",
    "without_triggers",
]


def same_channel(ch_names: Sequence[str]) -> tuple[str, str] | None:
    """Two names that mean the same channel, if there are any."""
    seen: dict[str, str] = {}
    for name in ch_names:
        key = canonical(name)
        if key in seen:
            return seen[key], name
        seen[key] = name
    return None


def without_triggers(recording: Recording) -> tuple[Recording, list[str]]:
    """The recording's channels of signal, and the names of those of triggers.

    Raises
    ------
    RecordingError
        If there are channels of triggers only.
    """
    rows = [row for row, name in enumerate(recording.ch_names) if kind(name) != "stim"]
    ch_names = tuple(recording.ch_names[row] for row in rows)
    if not rows:
        raise RecordingError(f"{recording.name}: holds channels of triggers only.")
    if len(rows) == len(recording.ch_names):
        return recording, []
    triggers = [name for name in recording.ch_names if name not in ch_names]
    return recording.pick(rows), triggers


def without_trigger(recording: Recording, wanted: str | None) -> tuple[Recording, list[str]]:
    """The recording without the channel that was named as that of triggers, and its name.

    It holds the labels, whatever its name says. None: nothing was named.

    Raises
    ------
    RecordingError
        If there is no other channel.
    """
    if wanted is None:
        return recording, []
    names = recording.ch_names
    triggers = [name for name in names if canonical(name) == canonical(wanted)]
    rows = [row for row, name in enumerate(names) if name not in triggers]
    if not rows:
        raise RecordingError(f"{recording.name}: holds channels of triggers only.")
    return (recording.pick(rows), triggers) if triggers else (recording, [])


_TYPES = ("eeg", "ecg", "eog", "emg", "resp", "acc", "gyro", "misc")


@dataclass(frozen=True, kw_only=True)
class ChannelChoice:
    """Which channels of recordings become windows, and what they are called."""

    channels: tuple[str, ...] = ()
    """Names, types (``eeg``) and patterns (``F*``) of those that are kept; none: all."""
    drop_channels: tuple[str, ...] = ()
    """The same for those that are left out, of what is kept."""
    renames: Mapping[str, str] | None = None
    """New names by the old ones."""
    by_layout: frozenset[str] = frozenset()
    """Settings that a layout gave, which may name what not every copy of the data set has."""

    @classmethod
    def of(
        cls, channels: str | None, drop_channels: str | None, rename_channels: str | None
    ) -> ChannelChoice:
        """From the texts of the settings, with commas between names.

        Raises
        ------
        ConfigError
            If one is not of its form.
        """
        return cls(
            channels=_words("channels", channels),
            drop_channels=_words("drop_channels", drop_channels),
            renames=renames_of(rename_channels),
        )

    def rows(self, recording: Recording) -> tuple[list[int], tuple[str, ...]]:
        """Positions of the channels that are kept, and the words that fit none.

        Raises
        ------
        RecordingError
            If no channel is kept.
        """
        names = recording.ch_names
        rows = [
            row
            for row, name in enumerate(names)
            if (not self.channels or any(fits(word, name) for word in self.channels))
            and not any(fits(word, name) for word in self.drop_channels)
        ]
        if not rows:
            raise RecordingError(f"{recording.name}: {self._nothing(names)}")
        words = (*self.channels, *self.drop_channels)
        idle = [word for word in words if not any(fits(word, name) for name in names)]
        return rows, tuple(dict.fromkeys(idle))

    def _nothing(self, names: Sequence[str]) -> str:
        """Why none of these channels is kept."""
        if any(fits(word, name) for word in self.channels for name in names):
            return f"drop_channels must leave a channel of those chosen ({listed(names, 10)})."
        if not self.channels:
            return f"drop_channels must leave a channel ({listed(names, 10)})."
        words = listed([repr(word) for word in self.channels])
        near = near_word(self.channels[0], names)
        return (
            f"channels must name channels that are there, or their type ({', '.join(_TYPES)}); got "
            f"{words}, but there are {listed(names, 10)}.{near}"
        )

    def require_used(self, records: Mapping[str, Record]) -> None:
        """Refuse a word that fits no channel of any recording.

        Raises
        ------
        ConfigError
            If there is one; the message names the setting, and a channel of a similar name.
        """
        read = [record for record in records.values() if record.ch_names]
        if not read:
            return
        idle = set(read[0].unmatched).intersection(*(record.unmatched for record in read))
        seen = Counter(name for record in read for name in (*record.ch_names, *record.unused))
        names = [name for name, _ in seen.most_common()]
        for setting, words in (
            ("rename_channels", tuple(self.renames or ())),
            ("channels", self.channels),
            ("drop_channels", self.drop_channels),
        ):
            for word in words if setting not in self.by_layout else ():
                if word not in idle:
                    continue
                raise ConfigError(
                    f"{setting} must name channels that recordings have, or their type "
                    f"({', '.join(_TYPES)}); {word!r} fits none. They have {listed(names, 10)}."
                    f"{near_word(word, names)}"
                )


def _words(setting: str, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigError(
            f"{setting} must be names, types or patterns with commas between them, such as "
            f"'eeg,ECG,EMG*'; got {text!r}."
        )
    return words


def fits(word: str, name: str) -> bool:
    """Whether a channel is meant: by its type, a pattern, or its name in any spelling."""
    if word.lower() in _TYPES:
        return kind(name) == word.lower()
    if any(sign in word for sign in "*?["):
        return any(fnmatchcase(text.upper(), word.upper()) for text in (name, canonical(name)))
    return canonical(word) == canonical(name)


def choice_lines(records: Mapping[str, Record]) -> Iterator[str]:
    """What the choice of channels left out, and which of its words fit in some recordings only."""
    read = {name: record for name, record in records.items() if record.ch_names}
    out = Counter(channel for record in read.values() for channel in record.unused)
    if out:
        named = [f"{channel} in {count}" for channel, count in out.most_common()]
        yield f"not chosen, of {counted(len(read), 'recording')}: {listed(named, 10)}"
    for word in dict.fromkeys(word for record in read.values() for word in record.unmatched):
        without = [name for name, record in sorted(read.items()) if word in record.unmatched]
        yield f"{word!r} fits nothing in {len(without)} of {len(read)}: {listed(without, 3)}"
