"""`LabelMap`: labels under other names, several as one, or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from biot.corpus.builder.labels.cells import read_sheet
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import ConfigError, listed, near_word

__all__ = [
    "LabelMap",
]


@dataclass(frozen=True)
class LabelMap:
    """New names of labels; what has none keeps its own."""

    pairs: Mapping[str, str]
    """New by old; an empty one leaves the label out."""

    @classmethod
    def read(cls, text: str) -> LabelMap:
        """From ``A=B,C=``, where ``A,B=C`` merges two, or a table with the columns label and new.

        Raises
        ------
        ConfigError
            If the text is not of this form, the table has other columns, or a label is there twice.
        CorpusError
            If the table cannot be read.
        """
        rows = _of_table(Path(text)) if cls.is_table(text) else list(_of_text(text))
        pairs: dict[str, str] = {}
        for old, new in rows:
            if pairs.setdefault(old, new) != new:
                raise ConfigError(
                    f"label_map must have each label once; {old!r} is to be {pairs[old]!r} and "
                    f"{new!r}."
                )
        return cls(pairs)

    @staticmethod
    def is_table(text: str | None) -> bool:
        """Whether the text is the path of a table, and not the map itself."""
        return text is not None and Path(text).suffix.lower() in (".tsv", ".csv")

    def stretches(self, found: Iterable[Stretch]) -> list[Stretch]:
        """Labelled stretches under the new names, without those that are left out."""
        out = []
        for stretch in found:
            label = self._of(stretch.label)
            if label or not stretch.label:  # no tag at all is a label, too
                out.append(stretch._replace(label=label))
        return out

    def _of(self, label: Label) -> Label:
        if isinstance(label, str):
            return self.pairs.get(label, label)
        return tuple(sorted({self.pairs.get(str(tag), str(tag)) for tag in label} - {""}))

    @staticmethod
    def met(found: Iterable[Stretch]) -> dict[str, int]:
        """How many stretches have each label, or tag, before the map."""
        counts: Counter[str] = Counter()
        for stretch in found:
            counts.update([stretch.label] if isinstance(stretch.label, str) else stretch.label)
        return dict(sorted(counts.items()))

    def lines(self, met: Mapping[str, int], *, tell_absent: bool = True) -> Iterator[str]:
        """What became of the labels that were met, each with its number, and what was not met.

        The map of a layout names all that a data set may have, so what is absent says nothing.
        """
        new: dict[str, list[str]] = {}
        for label, count in met.items():
            if label in self.pairs:
                new.setdefault(self.pairs[label], []).append(f"{label} {count}")
        for name, olds in sorted(new.items()):
            yield f"{name or 'left out'}: {listed(olds, 10)}"
        untouched = [f"{label} {count}" for label, count in met.items() if label not in self.pairs]
        if untouched:
            yield f"not in the map, so as they were: {listed(untouched, 20)}"
        for old in self.pairs if tell_absent else ():
            if old not in met:
                near = near_word(old, [label for label in met if label not in self.pairs])
                yield f"no recording has the label {old!r}.{near}"


def _of_text(text: str) -> Iterator[tuple[str, str]]:
    waiting: list[str] = []
    for part in text.split(","):
        old, sign, new = (one.strip() for one in part.partition("="))
        waiting.append(old)
        if sign and "=" not in new:
            yield from ((one, new) for one in waiting)
            waiting = []
        if not old or "=" in new:
            waiting = [text]
            break
    if waiting:
        raise ConfigError(
            "label_map must be OLD=NEW, several with commas between them, where A,B=C merges two "
            "and A= leaves one out; or a table (.tsv, .csv) with the columns label and new; got "
            f"{text!r}."
        )


def _of_table(path: Path) -> list[tuple[str, str]]:
    sheet = read_sheet(path)
    if set(sheet.columns) != {"label", "new"}:
        raise ConfigError(
            f"label_map must be a table with the columns label and new; {path}: {sheet.has}."
        )
    return list(zip(sheet.cells("label"), sheet.cells("new"), strict=True))
