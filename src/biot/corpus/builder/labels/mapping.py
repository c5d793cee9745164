"""`LabelMap`: labels under other names, several as one, or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from biot.corpus.builder.labels.cells import read_sheet
from biot.corpus.builder.labels.codes import is_statements, of_statements
from biot.corpus.builder.settings import is_path_of_table
from biot.corpus.builder.windows.events import Stretch
from biot.corpus.schema import Label
from biot.errors import ConfigError, CorpusError, RecordingError, counted, listed, near_word

__all__ = [
    "NAMED",
    "LabelMap",
]

_AAMI = {
    **dict.fromkeys("NLRBej", "N"),
    **dict.fromkeys("AaJSn", "S"),
    **dict.fromkeys("VEr", "V"),
    "F": "F",
    **dict.fromkeys("/fQ?", "Q"),
    **dict.fromkeys("[!]x()ptu`'^|~+sT*D=\"@", ""),
}
"""Symbols of PhysioNet by the classes of beats in ANSI/AAMI EC57:2012: N normal and bundle branch
block, S supraventricular ectopic, V ventricular ectopic, F fusion, Q paced and unknown; what is no
beat is left out. De Chazal et al. 2004, IEEE Trans. Biomed. Eng. 51(7), 1196-1206, table I."""

NAMED = {"aami": _AAMI}
"""Maps that are known by name."""


_MOST_ABSENT = 10
"""Labels of a map without a recording that are told one by one."""


@dataclass(frozen=True)
class LabelMap:
    """New names of labels; what has none keeps its own."""

    pairs: Mapping[str, str]
    """New by old; an empty one leaves the label out."""

    @classmethod
    def read(cls, text: str) -> LabelMap:
        """From ``A=B,C=``, where ``A,B=C`` merges two, a table with the columns label and new, or
        the name of a map: ``aami``, the classes of beats of ANSI/AAMI EC57.

        PTB-XL's ``scp_statements.csv`` gives each code its diagnostic superclass; codes without one
        are left out.

        Raises
        ------
        ConfigError
            If the text is not of this form, the table has other columns, or a label is there twice.
        CorpusError
            If the table cannot be read.
        """
        if text.strip().lower() in NAMED:
            return cls(NAMED[text.strip().lower()])
        rows = _of_table(Path(text)) if is_path_of_table(text) else list(_of_text(text))
        pairs: dict[str, str] = {}
        for old, new in rows:
            if pairs.setdefault(old, new) != new:
                raise ConfigError(
                    f"label_map must have each label once; {old!r} is to be {pairs[old]!r} and "
                    f"{new!r}."
                )
        return cls(pairs)

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

    @property
    def name(self) -> str | None:
        """What the map is known by, if it is one of :data:`NAMED`."""
        return next((name for name, pairs in NAMED.items() if pairs == self.pairs), None)

    def require_known(self, met: Iterable[str], recording: str) -> None:
        """Refuse labels that a map with a name does not know.

        Raises
        ------
        RecordingError
            If there are any.
        """
        unknown = [repr(label) for label in met if label not in self.pairs]
        if self.name is not None and unknown:
            raise RecordingError(
                f"{recording}: label_map {self.name!r} is for symbols of beats "
                f"({' '.join(old for old, new in self.pairs.items() if new)}), and its labels are "
                f"others: {listed(unknown, 5)}. Choose the column of beats with label_columns, "
                "or give another map."
            )

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
        absent = [old for old in self.pairs if old not in met and self.name is None]
        absent = absent if tell_absent else []
        if len(absent) > _MOST_ABSENT:
            yield f"no recording has {counted(len(absent), 'label')} of the map: {listed(absent)}"
        else:
            for old in absent:
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
    try:
        sheet = read_sheet(path)
    except CorpusError as error:
        raise CorpusError(f"label_map: {error}") from error
    if is_statements(sheet):
        return of_statements(sheet)
    if set(sheet.columns) != {"label", "new"}:
        raise ConfigError(
            f"label_map must be a table with the columns label and new; {path}: {sheet.has}."
        )
    return list(zip(sheet.cells("label"), sheet.cells("new"), strict=True))
