"""The time stamps and annotations of EDF+ and BDF+ files."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction
from pathlib import Path

from biot.errors import RecordingError, counted
from biot.signals.formats.edf_header import EdfHeader
from biot.signals.formats.headers import text_of
from biot.signals.recording import Annotation

__all__ = [
    "read_timeline",
]

# One time-stamped annotation list: onset, perhaps duration, texts; \x14 ends each, \x00 the list.
_TAL = re.compile(rb"([+-]\d{1,15}(?:\.\d*)?)(?:\x15(\d{1,15}(?:\.\d*)?|))?\x14([^\x00]*)\x14\x00")


# Text that holds for one channel only: it stands behind the text, by a label of 16 characters.
_OF_CHANNEL = re.compile(r"(.+?)@@[^@]{1,16}", re.DOTALL)


def read_timeline(path: Path, header: EdfHeader) -> tuple[list[Fraction], tuple[Annotation, ...]]:
    """When each data record starts, and the annotations; both in seconds from the first sample.

    Of an annotation of one channel (``text@@Fp1``), the label is the text; the same for several
    channels is one annotation.

    Raises
    ------
    RecordingError
        If the file is discontinuous and a record does not say when it starts.
    """
    regular = [i * header.record_duration for i in range(header.n_records)]
    if not header.annotations:
        return regular, ()
    stamps: list[Fraction | None] = []
    found: list[tuple[Fraction, float, str]] = []
    damaged = 0
    with path.open("rb") as file:
        for i in range(header.n_records):
            stamps.append(None)
            for signal in header.annotations:
                file.seek(header.n_bytes + i * header.record_bytes + signal.first_byte)
                raw = file.read(signal.n_samples * header.sample_bytes)
                lists = _TAL.findall(raw)
                damaged += bool(_TAL.sub(b"", raw).strip(b"\x00"))
                for position, (onset, duration, texts) in enumerate(lists):
                    first, *others = texts.split(b"\x14")
                    if position == 0 and not first and signal is header.annotations[0]:
                        stamps[-1] = Fraction(onset.decode())  # the record's own start
                        texts_here = others
                    else:
                        texts_here = [first, *others]
                    seconds = float(duration or 0)
                    found += [(Fraction(onset.decode()), seconds, text_of(t)) for t in texts_here]
    if damaged:
        warnings.warn(
            f"{path.name}: {damaged} data records hold annotations that cannot be read; these were "
            "left out.",
            stacklevel=3,
        )
    zero = stamps[0] or Fraction(0)
    found = _of_all_channels(path, found)
    annotations = tuple(
        Annotation(onset=float(onset - zero), duration=duration, label=label)
        for onset, duration, label in sorted(found)
    )
    return _starts(path, header, stamps, zero, regular), annotations


def _of_all_channels(
    path: Path, found: list[tuple[Fraction, float, str]]
) -> list[tuple[Fraction, float, str]]:
    """The annotations without the names of channels, each once; says how many there are."""
    common, of_channels = [], set()
    n = 0
    for onset, duration, label in found:
        match = _OF_CHANNEL.fullmatch(label)
        if match is None:
            common.append((onset, duration, label))
        else:
            of_channels.add((onset, duration, match[1]))
            n += 1
    if n:
        one = "annotation holds for one channel (text@@channel); it is"
        several = "annotations hold for one channel each (text@@channel); they are"
        warnings.warn(
            f"{path.name}: {counted(n, one, several)} read as the text alone, for all channels.",
            stacklevel=4,
        )
    return common + sorted(of_channels - set(common))


MOST_DAYS = 31
"""Between the first and the last sample of a recording; gaps are kept as long as that."""


def _starts(
    path: Path,
    header: EdfHeader,
    stamps: list[Fraction | None],
    zero: Fraction,
    regular: list[Fraction],
) -> list[Fraction]:
    starts = [None if stamp is None else stamp - zero for stamp in stamps]
    if not header.discontinuous:
        limit = header.record_duration / 2
        if any(
            start is not None and abs(start - expected) > limit
            for start, expected in zip(starts, regular, strict=True)
        ):
            warnings.warn(
                f"{path.name}: the header says that it is continuous, the time stamps of its data "
                "records do not; read as continuous.",
                stacklevel=3,
            )
        return regular
    known = [start for start in starts if start is not None]
    if len(known) < len(starts):
        raise RecordingError(
            f"{path.name}: is discontinuous, but data record {starts.index(None) + 1} has no time "
            "stamp, so its samples have no certain place in time."
        )
    days = float(max(known, default=Fraction(0)) - min(known, default=Fraction(0))) / 86_400
    if days > MOST_DAYS:
        raise RecordingError(
            f"{path.name}: the time stamps of its data records lie {days:,.0f} days apart, more "
            f"than the {MOST_DAYS} that a recording may take. One of them is damaged, or these are "
            "several recordings: save each in a file of its own."
        )
    return known
