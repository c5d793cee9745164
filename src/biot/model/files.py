"""A model's files, as methods: open, save, upload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from biot.model.hub import Download, push_to_hub
from biot.model.pretrained import from_pretrained
from biot.model.saving import save_pretrained
from biot.model.state_dict import LoadReport
from biot.preprocessing import Preprocessing

if TYPE_CHECKING:
    from biot.model.biot import BIOT

__all__ = ["ModelFiles"]


class ModelFiles:
    """Opening and saving, on folders, files and the Hugging Face Hub."""

    load_report: LoadReport | None = None
    """What was loaded, when the model came from a file."""

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        n_outputs: int | None = None,
        channels: Sequence[str] | None = None,
        new_channels: Literal["error", "init"] = "error",
        map_location: str | torch.device = "cpu",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        **config: Any,
    ) -> BIOT:
        """Open a model; everything in the file finds its place, or an error says what does not.

        Parameters
        ----------
        source
            A folder that we or braindecode wrote, a checkpoint of the BIOT authors (a bare
            encoder, a classifier, a Lightning checkpoint), or a repository on the Hub.
        n_outputs
            Outputs of the head. Another number than the file's, or a file without a head, gives
            a fresh head.
        channels
            The vocabulary to have: rows are picked by name. A file without names takes these
            as theirs if there is one a row.
        new_channels
            What to do with channels that the file does not know: ``"error"``, or ``"init"``
            fresh rows.
        map_location
            Device of the model.
        revision, token, cache_dir, force_download, local_files_only
            How to fetch from the Hub, as in ``huggingface_hub.hf_hub_download``.
        **config
            Settings that win over the file's. What neither says is the published default, listed
            as *assumed* in the report.

        Returns
        -------
        BIOT
            In evaluation mode, its precision the file's, with a ``load_report``.

        Raises
        ------
        CheckpointError
            If a file is damaged, or anything is missing or left over: with the report's table; or
            if the Hub has no such repository or cannot be reached.
        ChannelError
            If `channels` asks for one that the file does not know.
        ConfigError
            If a keyword is no setting of the model.
        """
        download = Download(
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
        )
        return from_pretrained(
            cast("type[BIOT]", cls),
            source,
            n_outputs=n_outputs,
            channels=channels,
            new_channels=new_channels,
            map_location=map_location,
            download=download,
            **config,
        )

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        preprocessing: Preprocessing | None = None,
        corpora: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
    ) -> Path:
        """Write ``config.json``, ``model.safetensors`` and a model card (``README.md``).

        braindecode opens the folder too, where it can express the model.

        Parameters
        ----------
        folder
            Made if it is not there; files of these names are replaced.
        preprocessing
            The contract with the data; written as ``preprocessing.json`` and told in the card.
            Without it, one that an earlier model left in the folder is removed.
        corpora, metrics
            Names of the training corpora, and figures by name, for the card.

        Returns
        -------
        pathlib.Path
            The folder.

        Raises
        ------
        CheckpointError
            If a weight is NaN or infinite, or the parameters are not those of the configuration
            (adapters, replaced layers).
        ConfigError
            If the activation is not one of torch.nn's.
        ContractError
            If `preprocessing` is for another rate, or names another number of classes.
        """
        return save_pretrained(
            cast("BIOT", self),
            Path(folder),
            preprocessing=preprocessing,
            corpora=corpora,
            metrics=metrics,
        )

    def push_to_hub(self, repo_id: str, **arguments: Any) -> str:
        """Save into a repository on the Hub, made if need be.

        Parameters
        ----------
        repo_id
            ``"owner/name"``.
        **arguments
            ``commit_message``, ``private``, ``token``, ``branch`` and ``create_pr`` as in
            ``huggingface_hub``; ``preprocessing``, ``corpora`` and ``metrics`` as in
            :meth:`save_pretrained`.

        Returns
        -------
        str
            Address of the commit.

        Raises
        ------
        CheckpointError
            If the Hub refuses or cannot be reached.
        """
        return push_to_hub(cast("BIOT", self), repo_id, **arguments)
