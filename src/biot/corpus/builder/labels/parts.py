"""Official parts of a data set: what the column of folds says of each recording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from biot.corpus.builder.labels.cells import NOT_SAID
from biot.corpus.schema import PARTS
from biot.errors import ConfigError, CorpusError, listed

__all__ = [
    "PART_WORDS",
    "parts_of",
]

PART_WORDS = {
    "train": "train", "training": "train",
    "dev": "valid", "development": "valid", "val": "valid", "valid": "valid",
    "validation": "valid",
    "eval": "test", "evaluation": "test", "test": "test", "testing": "test",
}  # fmt: skip
"""What official parts are called, in any case, and which part that is."""
_NO_PART = "none"
_FEWEST_FOLDS = 3


def parts_of(
    values: Sequence[str], given: str | None, where: str
) -> tuple[dict[str, str | None], str]:
    """The part that each value of a column means, and that in words.

    Words are parts: train, training; dev, val, valid, validation; eval, test, testing. Whole
    numbers are folds, as in PTB-XL: the highest is the test, the one below it the validation, and
    the others are for training. An empty value is no part.

    Parameters
    ----------
    values
        All cells of the column.
    given
        Which values mean which part, such as ``train=1-8,valid=9,test=10``; None: as above.
    where
        Table and column, for messages.

    Raises
    ------
    CorpusError
        If values mean nothing, or not one thing.
    ConfigError
        If `given` cannot be read.
    """
    said = sorted({_plain(value) for value in values if value.lower() not in NOT_SAID}, key=_order)
    if not said:
        raise CorpusError(f"{where} is empty in every line.")
    known = _as_given(said, given, where) if given is not None else _as_usual(said, where)
    found: dict[str, str | None] = {
        value: None if value.lower() in NOT_SAID else known[_plain(value)]
        for value in dict.fromkeys(values)
    }
    meant = {part: [value for value in said if known[value] == part] for part in (*PARTS, None)}
    texts = [f"{part or 'no part'} is {', '.join(of)}" for part, of in meant.items() if of]
    return found, f"{where}: {'; '.join(texts)}"


def _as_usual(said: Sequence[str], where: str) -> dict[str, str | None]:
    way_out = "Say which value is which part with split_parts, such as train=1-8,valid=9,test=10."
    if all(_is_number(value) for value in said):
        if len(said) < _FEWEST_FOLDS:
            raise CorpusError(
                f"{where} holds the numbers {', '.join(said)}; folds are {_FEWEST_FOLDS} or more, "
                f"the highest for the test and the one below for validation. {way_out}"
            )
        return {**dict.fromkeys(said[:-2], "train"), said[-2]: "valid", said[-1]: "test"}
    unknown = [value for value in said if value.lower() not in PART_WORDS]
    if unknown:
        raise CorpusError(
            f"{where} holds {listed(unknown, 10)}, which are no parts; known are "
            f"{', '.join(PART_WORDS)}, or numbers of folds. {way_out}"
        )
    known: dict[str, str | None] = {value: PART_WORDS[value.lower()] for value in said}
    tests = {value.lower() for value in said if known[value] == "test"}
    if tests & {"eval", "evaluation"} and tests & {"test", "testing"}:
        raise CorpusError(
            f"{where} holds both {' and '.join(sorted(tests))}: which is the test? {way_out}"
        )
    return known


def _as_given(said: Sequence[str], given: str, where: str) -> dict[str, str | None]:
    known: dict[str, str | None] = {}
    for value, part in _pairs(given):
        if known.setdefault(value, part) != part:
            raise ConfigError(f"split_parts must have each value once; {value} is there twice.")
    unknown = [value for value in said if value not in known]
    if unknown:
        raise CorpusError(
            f"{where} holds {listed(unknown, 10)}, which split_parts does not name. Add them to a "
            f"part, or to {_NO_PART}=, which leaves their recordings out of every part."
        )
    return known


def _pairs(given: str) -> Iterator[tuple[str, str | None]]:
    part: str | None = None
    is_first = True
    for text in given.split(","):
        name, sign, value = (one.strip() for one in text.rpartition("="))
        if sign:
            part, is_first = PART_WORDS.get(name.lower(), name.lower()), False
        if is_first or not value or part not in (*PARTS, _NO_PART):
            raise ConfigError(
                "split_parts must be PART=VALUE, several with commas between them, such as "
                "train=1-8,valid=9,test=10; parts are train, valid, test and none; got "
                f"{given!r}."
            )
        span = re.fullmatch(r"([0-9]{1,4})\s*-\s*([0-9]{1,4})", value)
        each = [value] if span is None else map(str, range(int(span[1]), int(span[2]) + 1))
        yield from ((_plain(one), None if part == _NO_PART else part) for one in each)


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", value) is not None


def _plain(value: str) -> str:
    """The same fold in one spelling: ``9`` of ``9.0``, which pandas writes."""
    whole = re.fullmatch(r"([0-9]{1,9})(?:\.0*)?", value)
    return value if whole is None else str(int(whole[1]))


def _order(value: str) -> tuple[bool, int, str]:
    return (not _is_number(value), int(value) if _is_number(value) else 0, value)
