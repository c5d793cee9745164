"""Cells that hold several codes with a likelihood each, as PTB-XL's ``scp_codes``."""

from __future__ import annotations

import ast
import math
from collections import Counter
from collections.abc import Iterable

from biot.corpus.builder.labels.cells import Sheet
from biot.corpus.builder.windows.events import Stretch
from biot.errors import ConfigError, CorpusError

__all__ = [
    "codes_of",
    "is_statements",
    "of_statements",
    "with_one_label",
]

_MOST_CHARACTERS = 10_000
"""Of a cell; PTB-XL's have less than 200."""


def codes_of(text: str, threshold: float | None, where: str) -> tuple[str, ...] | None:
    """The codes of a cell such as ``{'NORM': 100.0, 'SR': 0.0}``, sorted; None of another cell.

    Parameters
    ----------
    threshold
        Least likelihood of a code that counts; None: all do, as in PTB-XL's own example, where a
        likelihood of 0 means that it is not known.
    where
        Begins messages.

    Raises
    ------
    CorpusError
        If the cell begins like one of codes, and is none.
    """
    if not (text.startswith("{") and text.endswith("}")):
        return None
    wrong = CorpusError(
        f"{where}: codes must be like {{'NORM': 100.0, 'SR': 0.0}}, each with its likelihood as a "
        f"number; got {text[:80]!r}."
    )
    if len(text) > _MOST_CHARACTERS:
        raise wrong
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise wrong from None
    is_mapping = isinstance(found, dict) and all(
        isinstance(code, str) and type(value) in (int, float) and math.isfinite(value)
        for code, value in found.items()
    )
    if not is_mapping:
        raise wrong
    return tuple(sorted(c for c, value in found.items() if threshold is None or value >= threshold))


def is_statements(sheet: Sheet) -> bool:
    """Whether a table is PTB-XL's ``scp_statements.csv``."""
    return {"diagnostic", "diagnostic_class"} <= set(sheet.columns) and (
        sheet.key(sheet.header[0]) in ("", "code", "scp_code", "unnamed_0", "index")
    )


def of_statements(sheet: Sheet) -> list[tuple[str, str]]:
    """The diagnostic superclass of each code; an empty one of codes that are no diagnosis.

    As PTB-XL's own example does: the column ``diagnostic_class`` where ``diagnostic`` is 1.

    Raises
    ------
    ConfigError
        If a diagnosis has no superclass.
    """
    pairs = []
    for number, cells in sheet.lines:
        code, name = cells[0], cells[sheet.place("diagnostic_class")]
        is_diagnosis = cells[sheet.place("diagnostic")] in ("1", "1.0")
        if is_diagnosis and not name:
            raise ConfigError(
                f"label_map: {sheet.path}, line {number}: {code} is a diagnosis without a "
                "diagnostic_class."
            )
        pairs.append((code, name if is_diagnosis else ""))
    return pairs


def with_one_label(stretches: Iterable[Stretch], left_out: Counter[str]) -> list[Stretch]:
    """Classes instead of codes: stretches with exactly one, after the map; others are counted."""
    kept = []
    for stretch in stretches:
        if len(stretch.label) == 1:
            kept.append(stretch._replace(label=str(stretch.label[0])))
        else:
            several = "several labels" if stretch.label else "no label that counts"
            left_out[f"rows with {several}, where classes need one"] += 1
    return kept
