"""Where a model's files are: a folder, a file, or a repository on the Hugging Face Hub."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from biot.errors import CheckpointError, fetch_first, may_be_repository
from biot.io import require_text_name
from biot.model.card import renamed_card
from biot.model.saving import CARD_NAME, CONFIG_NAME, WEIGHT_NAMES, save_pretrained
from biot.signals.channels import PREST_16, PREST_18

__all__ = [
    "PUBLISHED_CHANNELS",
    "Download",
    "fetched_beside",
    "locate",
    "push_to_hub",
]

PUBLISHED_CHANNELS: Mapping[str, tuple[str, ...]] = {
    "braindecode/biot-pretrained-prest-16chs": PREST_16,
    "braindecode/biot-pretrained-shhs-prest-18chs": PREST_18,
    "braindecode/biot-pretrained-six-datasets-18chs": PREST_18,
}
"""Published repositories and the documented channels of their rows, which their files lack."""


@dataclass(frozen=True, kw_only=True)
class Download:
    """How files are fetched from the Hub; the names are those of ``huggingface_hub``."""

    revision: str | None = None
    token: str | bool | None = None
    cache_dir: str | Path | None = None
    force_download: bool = False
    local_files_only: bool = False


def locate(
    source: str | Path, download: Download, *, filename: str | None = None
) -> tuple[Path | None, Path]:
    """Configuration (None for a bare file of weights) and weights of a model.

    `filename` is what the weights are called, where that is not one of the usual names.

    Raises
    ------
    CheckpointError
        If there is no such folder, file or repository, or it holds no model.
    """
    names = WEIGHT_NAMES if filename is None else (filename,)
    path = Path(source)
    require_text_name(path, CheckpointError)
    if path.is_file() and path.suffix == ".onnx":
        raise CheckpointError(
            f"{path}: is an ONNX file, which cannot be opened as a model. Give the model folder "
            "that it was exported from, RUN/model. (biot predict, szcore and live take the file, "
            "and so does biot.runtime.OnnxPredictor.)"
        )
    if path.is_file():
        beside = path.parent / CONFIG_NAME
        return (beside if path.name in WEIGHT_NAMES and beside.is_file() else None), path
    if path.is_dir():
        return _in_folder(path, names)
    if not isinstance(source, str) or not may_be_repository(source):
        raise CheckpointError(f"{source}: no such folder or file.{fetch_first(source)}")
    return _on_hub(source, download, names)


def _in_folder(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    weights = next((folder / name for name in names if (folder / name).is_file()), None)
    if weights is None and (folder / "model").is_dir():
        raise CheckpointError(f"{folder}: is a run; its model is {folder / 'model'}.")
    if weights is None:
        # not a name of the corpus: its room lies above this one
        what = "It is a corpus; a" if (folder / "state.json").is_file() else "A"
        raise CheckpointError(
            f"{folder}: holds {_neither(names)}. {what} model is the folder RUN/model that "
            "`biot finetune` writes."
        )
    config = folder / CONFIG_NAME
    if not config.is_file():
        raise CheckpointError(
            f"{folder}: holds no {CONFIG_NAME}; restore it. A file of bare weights opens "
            "by its own path, under a name of its own."
        )
    return config, weights


def _on_hub(repo_id: str, download: Download, names: Sequence[str]) -> tuple[Path, Path]:
    config = _fetch(repo_id, CONFIG_NAME, download)
    if config is None:
        raise CheckpointError(f"{repo_id}: the repository holds no {CONFIG_NAME}.")
    failure: CheckpointError | None = None
    for name in names:
        try:
            weights = _fetch(repo_id, name, download)
        except CheckpointError as error:  # offline, the cache may hold the other name
            failure = failure or error
            continue
        if weights is not None:
            return config, weights
    raise failure or CheckpointError(f"{repo_id}: the repository holds {_neither(names)}.")


def fetched_beside(repo_id: str, name: str, download: Download) -> Path | None:
    """A file that a repository may hold beside its model; None where it cannot be had."""
    try:
        return _fetch(repo_id, name, download)
    except CheckpointError:  # offline, or out of order: the model itself is here
        return None


def _neither(names: Sequence[str]) -> str:
    return f"no {names[0]}" if len(names) == 1 else f"neither {' nor '.join(names)}"


def _fetch(repo_id: str, name: str, download: Download) -> Path | None:
    """A file of a repository, from the cache or the Hub; None if the repository lacks it."""
    import huggingface_hub
    from huggingface_hub import errors

    try:
        return Path(huggingface_hub.hf_hub_download(repo_id, name, **vars(download)))
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"{repo_id}: neither a folder or file here nor a repository on the Hub that this "
            "login may read. Check the name; a private or gated repository needs token=."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"{repo_id}: the repository has no revision {download.revision!r}."
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{repo_id}: not here as a folder or file, {name} is not in the cache, and the Hub was "
            f"not asked or did not answer ({_first_line(error.__cause__ or error)}). Fetch it once "
            "while online, or give a folder."
        ) from error
    except errors.EntryNotFoundError:
        return None
    except Exception as error:  # the HTTP library's own kinds differ from release to release
        raise CheckpointError(f"{repo_id}: fetching {name} failed: {_first_line(error)}") from error


def push_to_hub(
    model: Any,
    repo_id: str,
    *,
    commit_message: str,
    private: bool | None,
    token: str | bool | None,
    branch: str | None,
    create_pr: bool | None,
    allow_patterns: list[str] | str | None,
    ignore_patterns: list[str] | str | None,
    delete_patterns: list[str] | str | None,
    folder: str | Path | None = None,
    **saving: Any,
) -> str:
    """Save a model into a repository, made if need be; see :meth:`biot.BIOT.push_to_hub`."""
    import huggingface_hub

    with tempfile.TemporaryDirectory() as parent:
        staged = save_pretrained(model, Path(parent) / "model", source=repo_id, **saving)
        own = _folder_of(model, staged, folder)
        if own is not None:
            _add_files(staged, own, repo_id, keep_card=not any(saving.values()))
        try:
            api = huggingface_hub.HfApi(token=token)
            api.create_repo(repo_id, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=staged,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
                allow_patterns=allow_patterns,
                ignore_patterns=ignore_patterns,
                delete_patterns=delete_patterns,
            )
        except Exception as error:  # the HTTP library's own kinds differ from release to release
            raise CheckpointError(
                f"{repo_id}: uploading the model failed: {_first_line(error)}"
            ) from error
    return str(commit)


def _folder_of(model: Any, staged: Path, given: str | Path | None) -> Path | None:
    """The folder that holds the very model that is to be uploaded; None if none is known."""
    opened = getattr(model.load_report, "source", None)
    place = given if given is not None else opened
    if place is None:
        return None
    folder = Path(place)
    same = all(
        (folder / name).is_file() and (folder / name).read_bytes() == (staged / name).read_bytes()
        for name in (CONFIG_NAME, WEIGHT_NAMES[0])
    )
    if given is not None and not same:
        raise CheckpointError(
            f"{folder}: holds no model, or another than the one to upload. Save this one there "
            "first with save_pretrained(), or leave folder out."
        )
    return folder if same else None


def _add_files(staged: Path, folder: Path, repo_id: str, *, keep_card: bool) -> None:
    """Put what lies beside a model's weights into what is uploaded, and its card by the new name.

    Hidden files and folders are left out.
    """
    for file in sorted(folder.iterdir()):
        wanted = file.is_file() and not file.name.startswith(".")
        if wanted and file.name not in {path.name for path in staged.iterdir()}:
            shutil.copyfile(file, staged / file.name)
    if keep_card and (folder / CARD_NAME).is_file():
        card = (folder / CARD_NAME).read_text(encoding="utf-8", errors="replace")
        (staged / CARD_NAME).write_text(renamed_card(card, repo_id), encoding="utf-8")


def _first_line(error: BaseException) -> str:
    """What an error says, and what caused it, in one line."""
    text = (str(error).strip() or repr(error)).splitlines()[0]
    cause = "" if error.__cause__ is None else _first_line(error.__cause__)
    return text if cause in text else f"{text} ({cause})"
