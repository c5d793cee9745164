"""Labels of the TUH EEG corpora: ``.tse``, ``.lbl``, ``.csv`` and ``.rec``, and their ``_bi``.

https://isip.piconepress.com/projects/nedc/html/tuh_eeg describes them. Where labels are of single
channels, a label holds for the recording wherever any channel has it: its stretches that overlap or
touch are joined over channels, and ``bckg`` is where no channel has another label. Stretches of
different labels may overlap; `label_rule` decides over a window that holds several. The events of
``.rec`` stay as they are, one a line, since TUEV and all who use it count them so.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from biot.corpus.builder.labels.sidecars.sidecar import (
    WITHOUT_LABEL,
    WITHOUT_TIME,
    Beside,
    Kind,
    Sidecar,
    damaged,
    seconds,
)
from biot.corpus.builder.labels.sidecars.text import first_lines, is_nothing, lines_of
from biot.corpus.builder.windows.events import Stretch
from biot.errors import counted

__all__ = [
    "CODES",
    "KINDS",
    "over_channels",
    "read_rec",
]

_CSV_COLUMNS = ("channel", "start_time", "stop_time", "label")

CODES = {"1": "spsw", "2": "gped", "3": "pled", "4": "eyem", "5": "artf", "6": "bckg"}
"""Of TUEV's .rec files."""

_BACKGROUND = "bckg"

_NONE = 1e-6
"""Seconds that rounding leaves between times of four decimals, which is no time."""

_EACH_CHANNEL = "events of channels count for the recording, one for each channel that has it"
_ANY_CHANNEL = (
    "labels of channels count for the recording where any channel has them, bckg where none has "
    "another"
)


def over_channels(found: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Stretches of channels as stretches of the recording: those of one label joined.

    Background is where no channel has another label.
    """
    by_label: dict[str, list[Stretch]] = {}
    for stretch in sorted(found, key=lambda s: s[:2]):
        joined = by_label.setdefault(str(stretch.label), [])
        if joined and stretch.onset <= joined[-1].onset + joined[-1].duration + _NONE:
            last = joined[-1]
            stop = max(last.onset + last.duration, stretch.onset + stretch.duration)
            joined[-1] = last._replace(duration=stop - last.onset)
        else:
            joined.append(stretch)
    background = by_label.pop(_BACKGROUND, [])
    others = sorted((s for all_ in by_label.values() for s in all_), key=lambda s: s[:2])
    rest = [part for stretch in background for part in _without(stretch, others)]
    return tuple(sorted((*others, *rest), key=lambda s: s[:2]))


def _without(stretch: Stretch, others: Iterable[Stretch]) -> Iterator[Stretch]:
    """The parts of a stretch that none of the others, sorted by onset, covers."""
    start, stop = stretch.onset, stretch.onset + stretch.duration
    for other in others:
        if other.onset > start:
            end = min(other.onset, stop)
            if end > start + _NONE:
                yield stretch._replace(onset=start, duration=end - start)
        start = max(start, other.onset + other.duration)
    if stop > start + _NONE:
        yield stretch._replace(onset=start, duration=stop - start)


def _stretch(path: Path, line: int, start: str, stop: str, label: str) -> Stretch:
    onset, end = seconds(path, line, "start", start), seconds(path, line, "stop", stop)
    if end < onset:
        damaged(path, line, f"the stop {stop} before the start {start}", "a stop after the start")
    return Stretch(onset, end - onset, label)


def _read_tse(path: Path, beside: Beside) -> Sidecar:
    lines = [(n, line) for n, line in lines_of(path) if not line.startswith("#")]
    if not lines or "=" not in lines[0][1]:
        found = repr(lines[0][1]) if lines else "nothing"
        damaged(path, lines[0][0] if lines else None, found, "'version = tse_v1.0.0'")
    stretches = []
    left_out: Counter[str] = Counter()
    for n, line in lines[1:]:
        cells = line.split()
        if len(cells) not in (3, 4):
            damaged(path, n, repr(line), "start, stop, label and probability")
        if not _says_nothing(cells[:2], cells[2], left_out):
            stretches.append(_stretch(path, n, *cells[:3]))
    return Sidecar(path, _name(path), {"label": tuple(stretches)}, left_out)


def _says_nothing(times: Iterable[str], label: str, left_out: Counter[str]) -> bool:
    reason = (
        WITHOUT_TIME if any(map(is_nothing, times)) else WITHOUT_LABEL if is_nothing(label) else ""
    )
    if reason:
        left_out[reason] += 1
    return bool(reason)


def _is_csv(path: Path, recording: Path) -> bool:
    lines = [line for line in first_lines(path, 100) if not line.startswith("#")]
    return bool(lines) and tuple(_cells(lines[0].lower()))[:4] == _CSV_COLUMNS


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]), [])]


def _read_csv(path: Path, beside: Beside) -> Sidecar:
    lines = [(n, _cells(line)) for n, line in lines_of(path) if not line.startswith("#")]
    header = [cell.lower() for cell in lines[0][1]] if lines else []
    if tuple(header[:4]) != _CSV_COLUMNS:
        found = ",".join(header) if lines else "nothing"
        expected = f"the columns {','.join(_CSV_COLUMNS)},confidence"
        damaged(path, lines[0][0] if lines else None, repr(found), expected)
    stretches = []
    channels = set()
    left_out: Counter[str] = Counter()
    for n, cells in lines[1:]:
        if len(cells) != len(header):
            damaged(path, n, counted(len(cells), "cell"), f"{len(header)}, as the columns are")
        if not _says_nothing(cells[1:3], cells[3], left_out):
            channels.add(cells[0])
            stretches.append(_stretch(path, n, *cells[1:4]))
    return _of_channels(path, stretches, len(channels), left_out)


def _of_channels(
    path: Path, stretches: list[Stretch], n_channels: int, left_out: Counter[str]
) -> Sidecar:
    if n_channels < 2:
        return Sidecar(path, _name(path), {"label": tuple(stretches)}, left_out)
    joined = over_channels(stretches)
    return Sidecar(path, _name(path), {"label": joined}, left_out, (_ANY_CHANNEL,))


def _is_rec(path: Path, recording: Path) -> bool:
    lines = first_lines(path, 3)
    return bool(lines) and all(_rec_cells(line) is not None for line in lines)


def _rec_cells(line: str) -> list[str] | None:
    cells = _cells(line)
    number = re.compile(r"-?\d+(?:\.\d*)?(?:e[+-]?\d+)?", re.IGNORECASE)
    return cells if len(cells) == 4 and all(number.fullmatch(cell) for cell in cells) else None


def read_rec(path: Path, beside: Beside) -> Sidecar:
    """The events of a ``.rec``, one a line.

    Raises
    ------
    RecordingError
        If a line is none of channel, start, stop and code.
    """
    stretches = []
    channels = set()
    left_out: Counter[str] = Counter()
    for n, line in lines_of(path):
        cells = _cells(line)
        if len(cells) != 4:
            damaged(path, n, repr(line), "channel,start,stop,code")
        if _says_nothing(cells[1:3], cells[3], left_out):
            continue
        code = cells[3].removesuffix(".0")
        if code not in CODES:
            codes = ", ".join(f"{number} {word}" for number, word in CODES.items())
            damaged(path, n, f"the code {cells[3]!r}", f"one of {codes}")
        channels.add(cells[0])
        stretches.append(_stretch(path, n, cells[1], cells[2], CODES[code]))
    told = (_EACH_CHANNEL,) if len(channels) > 1 else ()
    return Sidecar(path, _name(path), {"label": tuple(stretches)}, left_out, told)


_SYMBOLS = re.compile(r"symbols\[(\d+)\]\s*=\s*(\{.*\})")
_LABEL = re.compile(r"label\s*=\s*\{(.*)\}")


def _read_lbl(path: Path, beside: Beside) -> Sidecar:
    symbols: dict[int, dict[int, str]] = {}
    rows: list[tuple[int, list[str], list[float]]] = []
    for n, line in lines_of(path):
        named, given = _SYMBOLS.fullmatch(line), _LABEL.fullmatch(line)
        if named is not None:
            symbols[int(named[1])] = _dict(path, n, named[2])
        elif given is not None:
            cells, _, rest = given[1].partition("[")
            weights = [seconds(path, n, "weight", cell) for cell in rest.rstrip("] ").split(",")]
            rows.append((n, [cell.strip() for cell in cells.split(",")][:5], weights))
        elif not line.startswith(("#", "version", "montage", "number_of_levels", "level[")):
            damaged(path, n, repr(line), "a line of montage, symbols or label")
    stretches = []
    for n, cells, weights in rows:
        if len(cells) != 5 or not cells[0].isdigit() or int(cells[0]) not in symbols:
            expected = "label = {level, sublevel, start, stop, channel, [weights]} of known symbols"
            damaged(path, n, repr(",".join(cells)), expected)
        names = symbols[int(cells[0])]
        best = max(range(len(weights)), key=weights.__getitem__)
        if best not in names:
            damaged(path, n, counted(len(weights), "weight"), f"{len(names)}, one a symbol")
        stretches.append(_stretch(path, n, cells[2], cells[3], names[best]))
    return _of_channels(path, stretches, len({cells[4] for _, cells, _ in rows}), Counter())


def _dict(path: Path, line: int, text: str) -> dict[int, str]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(key, int) for key in value):
        damaged(path, line, repr(text[:60]), "symbols such as {0: 'null', 1: 'seiz'}")
    return {key: str(word) for key, word in value.items()}


def _name(path: Path) -> str:
    return f"TUH {path.suffix.lower()}"


KINDS = (
    Kind(name="TUH .csv_bi", pattern=r"\.csv_bi", read=_read_csv),
    Kind(name="TUH .tse_bi", pattern=r"\.tse_bi", read=_read_tse),
    Kind(name="TUH .csv", pattern=r"\.csv", read=_read_csv, recognises=_is_csv, any_name=_is_csv),
    Kind(name="TUH .tse", pattern=r"\.tse(?:_agg)?", read=_read_tse),
    Kind(name="TUH .rec", pattern=r"\.rec", read=read_rec, recognises=_is_rec, any_name=_is_rec),
    Kind(name="TUH .lbl_bi", pattern=r"\.lbl_bi", read=_read_lbl),
    Kind(name="TUH .lbl", pattern=r"\.lbl(?:_agg)?", read=_read_lbl),
)
