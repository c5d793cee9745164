"""`LabelFormat`: what labels are, and how a cell or a text says one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from biot.corpus.builder.labels.codes import codes_of
from biot.corpus.builder.settings import PrepareConfig
from biot.corpus.manifest import LabelCounts
from biot.corpus.schema import Label
from biot.errors import CorpusError
from biot.preprocessing import Task

__all__ = ["LabelFormat"]


@dataclass(frozen=True)
class LabelFormat:
    """What labels are, and the columns of a table that hold them."""

    task: Task = "classes"
    columns: tuple[str, ...] = ("label",)
    threshold: float | None = None
    """Least likelihood of codes in a table's cells; None: all count."""

    @classmethod
    def of(cls, how: PrepareConfig) -> LabelFormat:
        """What the settings of `prepare` say."""
        return cls(how.task, how.label_columns, how.label_threshold)

    def codes(self, texts: Sequence[str], where: str) -> tuple[str, ...] | None:
        """The codes of a row whose cell holds them with likelihoods; None of other rows."""
        if self.task == "regression" or len(texts) != 1:
            return None
        return codes_of(texts[0], self.threshold, f"{where}: the column {self.columns[0]}")

    @property
    def may_be_empty(self) -> bool:
        """Whether an empty cell says something: that no tag holds."""
        return self.task == "multilabel" and len(self.columns) == 1

    def of_cells(self, texts: Sequence[str], where: str) -> Label:
        """Label of one row of a table, whose cells are `texts`, one a column.

        Classes are taken as they are. Tags are separated by ``;`` in one column, or each has a
        column of 0 and 1. Targets are finite numbers.

        Raises
        ------
        CorpusError
            If a text is not what the task needs; `where` begins the message.
        """
        if self.task == "regression":
            named = zip(self.columns, texts, strict=True)
            return tuple(_number(text, f"{where}: the column {name}") for name, text in named)
        codes = self.codes(texts, where)
        if codes is not None:
            return codes
        if self.task == "multilabel":
            return _tags(texts[0]) if len(texts) == 1 else self._of_flags(texts, where)
        return texts[0] if len(texts) == 1 else tuple(texts)

    def of_text(self, text: str, where: str) -> Label:
        """Label of a text that stands alone, such as an annotation's; as :meth:`of_cells`."""
        if self.task == "regression":
            return (_number(text, where),)
        return _tags(text) if self.task == "multilabel" else text

    def names(self, tally: LabelCounts) -> tuple[str, ...]:
        """Names of the classes, tags or targets of a corpus with these labels."""
        fixed = self.task == "regression" or (self.task == "multilabel" and len(self.columns) > 1)
        return self.columns if fixed else tuple(sorted(tally.counts))

    def _of_flags(self, texts: Sequence[str], where: str) -> Label:
        for name, text in zip(self.columns, texts, strict=True):
            if text not in ("0", "1"):
                raise CorpusError(
                    f"{where}: the column {name} must be 0 or 1, as one of several columns of "
                    f"tags; got {text!r}."
                )
        held = (name for name, text in zip(self.columns, texts, strict=True) if text == "1")
        return tuple(sorted(held))


def _tags(text: str) -> Label:
    return tuple(sorted({tag.strip() for tag in text.split(";")} - {""}))


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CorpusError(f"{where} must be a number, the target of a regression; got {text!r}.")
    return value
