"""XML of the National Sleep Research Resource, such as ``shhs1-200001-nsrr.xml``.

https://sleepdata.org/datasets/shhs. The file lies beside the recording, or where the sets are
published: ``polysomnography/annotations-events-nsrr/shhs1/`` for ``polysomnography/edfs/shhs1/``.
Stages are one column of labels, ``stage``; what else was scored, such as arousals and apneas, is
the column ``event``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from biot.corpus.builder.labels.sidecars.sidecar import (
    WITHOUT_LABEL,
    WITHOUT_TIME,
    Beside,
    Kind,
    Sidecar,
    damaged,
    seconds,
)
from biot.corpus.builder.labels.sidecars.text import first_lines, is_nothing, text_of
from biot.corpus.builder.windows.events import Stretch

__all__ = [
    "KINDS",
]

_NAME = "NSRR XML"
_FOLDER = "annotations-events-nsrr"


def _is_nsrr(path: Path, recording: Path) -> bool:
    return any("<PSGAnnotation" in line for line in first_lines(path, 20))


def _in_sister_folder(path: Path) -> Iterable[Path]:
    """Where the published sets keep the file: in a folder beside ``edfs``."""
    parts = path.absolute().parts
    for place, part in enumerate(parts[:-1]):
        if part.lower() in ("edfs", "edf"):
            folder = Path(*parts[:place], _FOLDER, *parts[place + 1 : -1])
            for name in (f"{path.stem}-nsrr.xml", f"{path.stem}.xml"):
                yield folder / name


def _read(path: Path, beside: Beside) -> Sidecar:
    root = _parsed(path)
    found: dict[str, list[Stretch]] = {"stage": [], "event": []}
    left_out: Counter[str] = Counter()
    events = [node for node in root.iter() if _tag(node) == "ScoredEvent"]
    if _tag(root) != "PSGAnnotation" or not events:
        damaged(path, None, f"<{_tag(root)}> with {len(events)} scored events", "<PSGAnnotation>")
    for number, node in enumerate(events, start=1):
        values = {_tag(child): (child.text or "").strip() for child in node}
        concept = values.get("EventConcept", "").partition("|")[0].strip()
        if concept == "Recording Start Time":
            continue
        if any(is_nothing(values.get(name, "")) for name in ("Start", "Duration")):
            left_out[WITHOUT_TIME] += 1
            continue
        if is_nothing(concept):
            left_out[WITHOUT_LABEL] += 1
            continue
        onset, duration = (
            seconds(path, None, f"{name} of scored event {number}", values[name])
            for name in ("Start", "Duration")
        )
        if duration < 0:
            damaged(path, None, f"the Duration {duration:g} of scored event {number}", "0 or more")
        of_stages = values.get("EventType", "").lower().startswith("stages")
        found["stage" if of_stages else "event"].append(Stretch(onset, duration, concept))
    columns = {name: tuple(sorted(all_, key=lambda s: s[:2])) for name, all_ in found.items()}
    return Sidecar(path, _NAME, columns, left_out)


def _tag(node: ElementTree.Element) -> str:
    return node.tag.rpartition("}")[2]


def _parsed(path: Path) -> ElementTree.Element:
    text = text_of(path)
    # entities may expand without end, or name other files; annotations need none
    if re.search(r"<!(?:DOCTYPE|ENTITY)", text, re.IGNORECASE):
        damaged(path, None, "a document type or entities", "plain elements, as NSRR writes them")
    try:
        return ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        damaged(path, error.position[0], f"no XML ({error})", "the XML of NSRR")


KINDS = (
    Kind(
        name=_NAME, pattern=r"[-_.]?nsrr\.xml|\.xml|\.edf\.xml", read=_read, recognises=_is_nsrr,
        elsewhere=_in_sister_folder, any_name=_is_nsrr,
    ),
)  # fmt: skip
