"""`biot info --check`: every byte of a corpus, a model or a run against its checksums."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biot.cli.options import as_table
from biot.cli.terminal import say
from biot.errors import BiotError, CheckpointError, ConfigError, CorpusError, listed
from biot.io import read_json, sha256_of

__all__ = ["check_corpus_folder", "check_run_or_model"]

_MOST_BYTES = 2**26


def check_corpus_folder(folder: Path) -> None:
    """Say of each file of a corpus whether it is what was written.

    Raises
    ------
    CorpusError
        If one is not; the message holds the command that repairs it.
    """
    from biot.corpus.integrity import check_corpus
    from biot.corpus.manifest import Manifest
    from biot.corpus.schema import STATE_FILE

    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder. A corpus is made by `biot prepare`.")
    if not any((folder / name).is_file() for name in (STATE_FILE, "manifest.json")):
        raise CorpusError(f"{folder} is not a corpus: it has no {STATE_FILE}.")
    checked = check_corpus(folder)
    say(as_table([(file.name, file.state) for file in checked], ("file", "state")))
    wrong = [file.name for file in checked if file.is_wrong]
    if not wrong:
        say(f"\nNothing is wrong with {folder}.")
        return
    command = None
    try:
        manifest, _ = Manifest.recover(folder)
        if manifest is not None and "sfreq" in manifest.parameters:
            command = _command(manifest.parameters, folder)
    except CorpusError:
        pass  # then it is not known how it was prepared
    repair = (
        f"Repair it with: {command}"
        if command
        else "How it was made is not known any more; delete the folder and make it again."
    )
    raise CorpusError(f"{folder}: {_counted(wrong)}. {repair}")


def _command(parameters: Mapping[str, Any], folder: Path) -> str:
    """The `biot prepare` that made a corpus; the names of its recordings are not kept."""
    from biot.corpus.builder.settings import PrepareConfig
    from biot.preprocessing import OF_EARLIER_RELEASES
    from biot.settings import settings_of

    given = {**OF_EARLIER_RELEASES, "label_rule": parameters.get("rule"), **parameters}
    words = []
    for one in settings_of(PrepareConfig):
        value = given.get(one.name)
        default = one.default if one.kind != "names" else list(one.default)
        if value is None or value in (default, False) or _is_implied(one.name, given):
            continue
        if one.kind == "pair":
            words += [one.option, *map(_spelled, value)]
            continue
        for each in value if isinstance(value, list) else [value]:
            words += [one.option] if value is True else [one.option, _spelled(each)]
    return f"biot prepare RECORDINGS --out {shlex.quote(str(folder))} {shlex.join(words)}"


def _is_implied(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a parameter is what it is without its option, because of another one."""
    epoch = given.get("epoch") is not None
    return {
        "window": epoch,
        "align": given.get("align") == ("events" if epoch else "grid"),
        "stride": given.get("stride") == given.get("window"),
        "min_overlap": given.get("min_overlap") == 0.5,
    }.get(name, False)


def _spelled(value: Any) -> str:
    if isinstance(value, dict):  # a table of units, or the map of labels
        return value.get("table") or ",".join(f"{old}={new}" for old, new in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def check_run_or_model(folder: Path) -> None:
    """Say of each file whose checksum is known whether it is what was written.

    Raises
    ------
    CheckpointError
        If one is not.
    """
    from biot.training.checkpoint import require_whole

    run = folder if (folder / "run.json").is_file() else folder.resolve().parent
    known: Mapping[str, Any] = {}
    if (run / "run.json").is_file():
        about = read_json(run / "run.json", ConfigError, most_bytes=_MOST_BYTES)
        found = about.get("files")
        known = found if isinstance(found, dict) else {}
    rows = []
    for name, sha256 in sorted(known.items()):
        path = run / name
        if folder == run or path.resolve().parent == folder.resolve():
            rows.append((name, _fault(path, sha256)))
    for path in sorted((folder / "checkpoints").glob("step-*.ckpt")):
        try:
            require_whole(path)
            rows.append((f"checkpoints/{path.name}", None))
        except BiotError as error:
            rows.append((f"checkpoints/{path.name}", str(error)))
    if not rows:
        say(f"No checksum of {folder} is kept: nothing could be checked.")
        return
    say(as_table([(name, fault or "sound") for name, fault in rows], ("file", "state")))
    wrong = [name for name, fault in rows if fault]
    if wrong:
        raise CheckpointError(
            f"{folder}: {_counted(wrong)}. Restore them from a copy, "
            "or train again in another folder."
        )
    say(f"\nNothing is wrong with {folder}.")


def _counted(wrong: list[str]) -> str:
    one = len(wrong) == 1
    return f"{len(wrong)} {'file is' if one else 'files are'} wrong ({listed(wrong)})"


def _fault(path: Path, sha256: object) -> str | None:
    try:
        return None if sha256_of(path) == sha256 else "its content is not what was written"
    except FileNotFoundError:
        return "it is missing"
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
