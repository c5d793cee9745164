"""`drop`: a subject leaves a corpus for good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from biot.corpus.builder.assemble import quarantined
from biot.corpus.builder.report import labels_without, write_labels, write_quarantine
from biot.corpus.builder.staging import Staging, locked
from biot.corpus.builder.writer import write_state
from biot.corpus.manifest import Manifest
from biot.corpus.schema import INFO_FILE, LABELS_FILE, STATE_FILE
from biot.corpus.seal import DESCRIPTION, require_unchanged
from biot.errors import CorpusError, listed, near_word
from biot.io import PARTIAL, read_json
from biot.preprocessing import FILE_NAME, Preprocessing

__all__ = [
    "drop",
]


def drop(corpus: str | Path, subject: str) -> int:
    """Remove all that a corpus holds of one subject, as when consent is withdrawn.

    Its windows, the names of its recordings and its own name are gone from every file; names of
    labels stay. What remains is a hash that differs between corpora of different parameters: by it
    `prepare` knows not to bring the subject back. (Who has a list of names can still test each
    against the hash.) Work on an unfinished update of the corpus is deleted.

    Killed in the middle, the corpus is as before or without the subject's windows; the same
    command again removes the rest.

    Parameters
    ----------
    corpus
        The folder.
    subject
        Name of the subject as the corpus has it.

    Returns
    -------
    int
        How many windows were removed.

    Raises
    ------
    CorpusError
        If the folder is no corpus with a manifest, the corpus does not know the subject or has no
        other, another run is at work on it, or it cannot be written.
    """
    folder = Path(corpus)
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder. A corpus is made by `biot prepare`.")
    try:
        with locked(folder):
            return _drop(folder, subject)
    except OSError as error:
        raise CorpusError(
            f"{error.filename or folder}: cannot be written ({error.strerror or error})."
        ) from error


def _drop(folder: Path, subject: str) -> int:
    place = Staging(folder)
    place.recover()
    manifest = Manifest.load(folder)
    if manifest is None or not (folder / STATE_FILE).is_file():
        raise CorpusError(
            f"{folder}: is no corpus with a manifest, so nothing says what belongs to whom. "
            "Prepare it again without the subject's recordings."
        )
    mine = {n: record for n, record in manifest.recordings.items() if record.subject == subject}
    if not mine:
        known = sorted({record.subject for record in manifest.recordings.values()})
        gone = manifest.is_dropped(subject)
        why = " It was removed before." if gone else near_word(subject, known)
        raise CorpusError(f"{folder}: has no subject {subject!r}.{why} Subjects: {listed(known)}.")
    state = read_json(folder / STATE_FILE, CorpusError)
    require_unchanged(folder, state, (STATE_FILE, *DESCRIPTION))
    others = {n: record for n, record in manifest.recordings.items() if n not in mine}
    if not any(record.shard for record in others.values()):
        raise CorpusError(
            f"{folder}: nothing remains without {subject!r}. Delete the folder instead."
        )
    place.discard()
    # The manifest knows the subject until the rest is gone, so that a killed run can be repeated.
    dropped = tuple(sorted({*manifest.dropped, manifest.hash_of(subject)}))
    after = replace(manifest, recordings=others, dropped=dropped)
    contract = Preprocessing.load(folder)
    write_state(folder, contract, after, described=(FILE_NAME, INFO_FILE))
    for record in mine.values():
        if record.shard is not None:
            (folder / record.shard).unlink(missing_ok=True)
    write_quarantine(folder, quarantined(others))
    table = folder / LABELS_FILE
    if table.is_file():
        write_labels(folder, labels_without(table.read_text("utf-8"), mine))
    after.save(folder)
    write_state(folder, contract, after)
    for path in folder.rglob(f".*{PARTIAL}"):  # of a run that was killed
        path.unlink()
    return sum(record.n_windows for record in mine.values())
