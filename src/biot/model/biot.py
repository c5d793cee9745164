"""`BIOT`: the public model, a drop-in for ``braindecode.models.BIOT``."""

# B batch, C channels, T samples

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from biot.choices import Spectrum
from biot.errors import ConfigError, require
from biot.model import config as cfg
from biot.model.card import model_card
from biot.model.encoder import BIOTEncoder
from biot.model.hub import Download, push_to_hub
from biot.model.layers import ClassificationHead, without_rows
from biot.model.loading import NewChannels, from_pretrained
from biot.model.saving import save_pretrained
from biot.model.signal import SignalParameters, resolve_signal
from biot.model.spectra import PUBLISHED, SpectrumStatistics, require_spectrum
from biot.model.state_dict import LoadReport, rename_authors
from biot.model.vocabulary import ChannelVocabulary
from biot.preprocessing import Preprocessing
from biot.provenance import Provenance

__all__ = ["BIOT"]


class BIOT(SignalParameters, ChannelVocabulary, SpectrumStatistics, nn.Module):
    """Biosignal transformer: any channels, one sentence of tokens, one prediction.

    BIOT (Yang, Westover and Sun, NeurIPS 2023) turns every channel into spectral tokens, adds a
    channel and a position embedding, lays all tokens in one sentence and encodes it with a
    linear-attention transformer. The first sixteen parameters are those of
    ``braindecode.models.BIOT``, in its order.

    Parameters
    ----------
    embed_dim, num_heads, num_layers
        Width of a token, attention heads and layers; `embed_dim` is a multiple of `num_heads`.
    sfreq
        Samples a second, in Hz. None infers it from `n_times` and `input_window_seconds`.
    hop_length
        Samples between the starts of neighbouring tokens. Above `sfreq`, ``int(sfreq) // 2`` is
        used, with a ``UserWarning``.
    return_feature
        Whether ``forward`` returns ``(scores, features)``.
    n_outputs
        Classes, or outputs of a regression.
    n_chans, chs_info
        Number of channels, or MNE's description of each (``info["chs"]``), or both.
    n_times, input_window_seconds
        Length of a window in samples, or in seconds.
    activation
        Class of the activation before the last linear layer.
    drop_prob
        Dropout on the tokens.
    max_seq_len, att_drop_prob
        No effect, as in the reference; kept for its configs.
    att_layer_drop_prob
        Dropout on what attention adds.
    n_fft
        Samples a token. Default: one second, or the whole window when that is shorter.
    spectrum
        What a token holds of its patch. ``"magnitude"``: the magnitudes of its spectrum, as
        published; ``"log"``: their logarithms, standardised by training windows
        (:meth:`fit_spectrum`); ``"magnitude+wave"``, ``"log+wave"``: the complex spectrum beside
        them, which knows polarity and place.
    channels
        Names of the channels: the model's vocabulary. Default: the names in `chs_info`, if given.
    add_log_softmax
        Deprecated: return log-probabilities instead of scores.
    **earlier_names
        ``emb_size``, ``att_num_heads`` and ``n_layers`` work with a ``FutureWarning``.

    Raises
    ------
    ConfigError
        (a ``ValueError``) if a parameter is missing, out of range, or contradicts another.
    """

    load_report: LoadReport | None = None
    """What was loaded, when the model came from a file."""
    provenance: Provenance | None = None
    """Who the model is, where the folder or repository that it was opened from says so."""
    mapping: Mapping[str, str] | None = None
    """The reference's table of other names of weights, of which BIOT has none."""
    _own_settings: Mapping[str, Any] = MappingProxyType({})
    """What a subclass was made with beyond our parameters."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__init__" in vars(cls):  # its own arguments belong to its configuration
            cls.__init__ = cfg.remembering(vars(cls)["__init__"], BIOT)  # type: ignore[method-assign]

    def __init__(
        self,
        embed_dim: int = 256,
        num_heads: int = 8,
        num_layers: int = 4,
        sfreq: float | None = 200,
        hop_length: int = 100,
        return_feature: bool = False,
        n_outputs: int | None = None,
        n_chans: int | None = None,
        chs_info: cfg.ChsInfo | None = None,
        n_times: int | None = None,
        input_window_seconds: float | None = None,
        activation: type[nn.Module] = nn.ELU,
        drop_prob: float = 0.5,
        max_seq_len: int = 1024,
        att_drop_prob: float = 0.2,
        att_layer_drop_prob: float = 0.2,
        *,
        n_fft: int | None = None,
        spectrum: Spectrum = "magnitude",
        channels: Sequence[str] | None = None,
        add_log_softmax: bool = False,
        **earlier_names: Any,
    ) -> None:
        super().__init__()
        renamed = cfg.modern_names(earlier_names)
        embed_dim = renamed.get("embed_dim", embed_dim)
        num_heads = renamed.get("num_heads", num_heads)
        num_layers = renamed.get("num_layers", num_layers)
        self._chs_info = cfg.chs_info_from_json(chs_info)
        self._signal = resolve_signal(
            n_chans=n_chans,
            chs_info=self._chs_info,
            channels=channels,
            n_times=n_times,
            input_window_seconds=input_window_seconds,
            sfreq=sfreq,
        )
        self._given = {
            # braindecode, which does not know `channels`, needs n_chans beside it
            "n_chans": n_chans if channels is None else self.n_chans,
            "n_times": n_times,
            "input_window_seconds": input_window_seconds,
            "sfreq": sfreq,
            "channels": None if channels is None else self.channels,
        }
        if n_outputs is None:
            raise ConfigError("n_outputs is missing: give the number of classes.")
        cfg.require_integers(
            embed_dim=embed_dim, num_heads=num_heads, hop_length=hop_length, n_outputs=n_outputs
        )
        cfg.require_integers(0, num_layers=num_layers)
        require_spectrum(spectrum)
        cfg.require_probabilities(drop_prob=drop_prob, att_layer_drop_prob=att_layer_drop_prob)
        cfg.require_booleans(return_feature=return_feature, add_log_softmax=add_log_softmax)
        if embed_dim % num_heads:
            raise ConfigError(f"embed_dim={embed_dim} is not a multiple of num_heads={num_heads}.")
        self.max_seq_len = max_seq_len
        self.att_drop_prob = att_drop_prob
        self._no_effect = {"max_seq_len": max_seq_len, "att_drop_prob": att_drop_prob}
        cfg.warn_no_effect(self._no_effect)
        if add_log_softmax:
            warnings.warn(
                "add_log_softmax is deprecated: apply log_softmax to the scores instead.",
                FutureWarning,
                stacklevel=2,
            )
        self.embed_dim = int(embed_dim)
        self.num_heads = int(num_heads)
        self.num_layers = int(num_layers)
        self.return_feature = bool(return_feature)
        self.add_log_softmax = bool(add_log_softmax)
        self.activation = activation
        self.drop_prob = drop_prob
        self.att_layer_drop_prob = att_layer_drop_prob
        self._n_outputs = int(n_outputs)
        self.spectrum: Spectrum = spectrum
        self.hop_length = cfg.usable_hop(int(hop_length), self.sfreq)
        self.n_fft = self._derived_n_fft() if n_fft is None else n_fft
        cfg.require_integers(n_fft=self.n_fft)
        if self.n_fft > self.n_times:
            raise ConfigError(
                f"n_fft={self.n_fft} is longer than the window of n_times={self.n_times}."
            )
        self.encoder = BIOTEncoder(
            self.embed_dim,
            self.num_heads,
            self.num_layers,
            self.n_chans,
            self.n_fft,
            self.hop_length,
            drop_prob,
            att_layer_drop_prob,
            spectrum=spectrum,
        )
        self.final_layer = self._new_head()
        # torch leaves this one method without types
        self.register_load_state_dict_pre_hook(rename_authors)  # type: ignore[no-untyped-call]

    def forward(
        self,
        x: Tensor,
        return_features: bool = False,
        *,
        valid: Tensor | None = None,
        channel_ids: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Any:
        """Scores of each class for each sample.

        Missing data take part in nothing: a token whose patch touches a missing sample is left
        out of the attention and of the mean, so a sample's result depends on neither padding
        nor the rest of its batch. A sample without one whole token gives NaN.

        Parameters
        ----------
        x
            Signals, (batch, n_chans, n_times), n_times ≥ n_fft. NaN is a missing sample.
        return_features
            Return the features instead; wins over the constructor's `return_feature`.
        valid
            (batch, n_chans, n_times) bool; False is a missing sample.
        channel_ids
            (batch, n_chans) integers: row of the vocabulary of each channel, −1 for absent.
            Default: rows 0 to n_chans − 1.
        lengths
            (batch,) integers: samples that were recorded; the rest is padding.

        Returns
        -------
        Tensor
            (batch, n_outputs), or whatever a caller's own `final_layer` gives: in each floating
            tensor of it, the row of a sample without a token is NaN. With `return_feature` the
            pair of it and the features (batch, embed_dim); with `return_features` the dictionary
            ``{"features": features, "cls_token": None}``.

        Raises
        ------
        ConfigError
            If a shape is wrong or a window is shorter than a token.
        ChannelError
            If there are more channels than the model knows, or an id is unknown or repeated.
        """
        about = {"valid": valid, "channel_ids": channel_ids, "lengths": lengths}
        # A caller's own encoder is called with the signals alone, as the reference calls it.
        features = self.encoder(x, **{name: t for name, t in about.items() if t is not None})
        if return_features:
            return {"features": features, "cls_token": None}
        # The head sees no NaN, so that the gradients of its weights stay numbers too.
        nothing_B1 = features.isnan().any(dim=1, keepdim=True)
        scores = self.final_layer(features.masked_fill(nothing_B1, 0.0))
        scores = without_rows(scores, nothing_B1.squeeze(1))
        if self.add_log_softmax:
            scores = scores.log_softmax(dim=-1)
        return (scores, features) if self.return_feature else scores

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path | None = None,
        *,
        n_outputs: int | None = None,
        channels: Sequence[str] | None = None,
        new_channels: NewChannels = "error",
        map_location: str | torch.device = "cpu",
        strict: bool = True,
        filename: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
        source: str | Path | None = None,
        **config: Any,
    ) -> BIOT:
        """Open a model; everything in the file finds its place, or an error says what does not.

        The keywords of ``huggingface_hub.PyTorchModelHubMixin`` and of braindecode are taken.

        Parameters
        ----------
        pretrained_model_name_or_path
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
        strict
            False: load what fits, warn of the rest and list it in the ``load_report``.
        filename
            Name of the file of weights, where it is not one of the usual names.
        revision, token, cache_dir, force_download, local_files_only
            How to fetch from the Hub, as in ``huggingface_hub.hf_hub_download``.
        source
            Another name of the first parameter.
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
            If a file is damaged, or (`strict`) anything is missing or left over: with the report's
            table; or if the Hub has no such repository or cannot be reached.
        ChannelError
            If `channels` asks for one that the file does not know.
        ConfigError
            If a keyword is no setting of the model.
        """
        download = Download(
            revision=revision, token=token, cache_dir=cache_dir, force_download=force_download,
            local_files_only=local_files_only,
        )  # fmt: skip
        model: BIOT = from_pretrained(
            cls,
            _one_of("from_pretrained", pretrained_model_name_or_path, source, "source"),
            n_outputs=n_outputs, channels=channels, new_channels=new_channels,
            map_location=map_location, download=download, strict=strict, filename=filename,
            **config,
        )  # fmt: skip
        return model

    def save_pretrained(
        self,
        save_directory: str | Path | None = None,
        *,
        config: Any = None,
        repo_id: str | None = None,
        push_to_hub: bool = False,
        model_card_kwargs: Mapping[str, Any] | None = None,
        preprocessing: Preprocessing | None = None,
        corpora: Sequence[str] = (),
        metrics: Mapping[str, float] | None = None,
        population: Mapping[str, str] | None = None,
        provenance: Provenance | None = None,
        folder: str | Path | None = None,
        **push_to_hub_kwargs: Any,
    ) -> Path | str:
        """Write ``config.json``, ``model.safetensors``, ``provenance.json`` and a model card.

        braindecode opens the folder too, where it can express the model. The folder holds the old
        model or the new one at any moment; other files in it stay.

        Parameters
        ----------
        save_directory
            Made if it is not there; an earlier model in it is replaced. A ``README.md`` that is
            no model card stays.
        config
            A dictionary or dataclass that agrees with the model's own configuration, which is
            what is written; for callers of the Hub's mixin.
        push_to_hub, repo_id, **push_to_hub_kwargs
            Upload too, to `repo_id` (default: the folder's name), as :meth:`push_to_hub` does.
        model_card_kwargs
            Further fields of the card's front matter: ``{"license": "mit"}``, of the weights.
        preprocessing
            The contract with the data; written as ``preprocessing.json`` and told in the card.
            Without it, one that an earlier model left in the folder is removed.
        corpora, metrics
            Names of the training corpora, and figures by name, for the card.
        population
            Whom these data are of: ``{"Subjects": "24", "Ages": "18 to 30"}``.
        provenance
            Who the model is. Default: what the folder said from which it was opened, as long as the
            weights are the same; where they are others, that model is the parent; and of a new
            model no more than when, and by which version, it was saved.
        folder
            Another name of the first parameter.

        Returns
        -------
        pathlib.Path or str
            The folder; with `push_to_hub` the address of the commit.

        Raises
        ------
        CheckpointError
            If a weight is NaN or infinite, or the parameters are not those of the configuration
            (adapters, replaced layers).
        OSError
            If the folder cannot be written.
        ConfigError
            If the activation is not one of torch.nn's, or `config` is another model's.
        ContractError
            If `preprocessing` is for another rate, length of windows, or number of classes.
        """
        place = Path(_one_of("save_pretrained", save_directory, folder, "folder"))
        card: dict[str, Any] = {
            "config": config, "model_card_kwargs": model_card_kwargs, "metrics": metrics,
            "preprocessing": preprocessing, "corpora": corpora, "population": population,
            "provenance": provenance,
        }  # fmt: skip
        if push_to_hub_kwargs and not push_to_hub:
            names = ", ".join(push_to_hub_kwargs)
            raise ConfigError(f"save_pretrained() takes {names} only with push_to_hub=True.")
        save_pretrained(self, place, **card)
        if push_to_hub:
            push_to_hub_kwargs["folder"] = place
            return self.push_to_hub(repo_id or place.name, **card, **push_to_hub_kwargs)
        return place

    def push_to_hub(
        self,
        repo_id: str,
        *,
        config: Any = None,
        commit_message: str = "Upload BIOT model",
        private: bool | None = None,
        token: str | bool | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        allow_patterns: list[str] | str | None = None,
        ignore_patterns: list[str] | str | None = None,
        delete_patterns: list[str] | str | None = None,
        model_card_kwargs: Mapping[str, Any] | None = None,
        folder: str | Path | None = None,
        **card: Any,
    ) -> str:
        """Save into a repository on the Hub, made if need be, and return the commit's address.

        What else lies in `folder`, such as ``baseline.npz``, is uploaded too, and its card unless
        anything is given for a card.

        Parameters
        ----------
        repo_id
            ``"owner/name"``.
        commit_message, private, token, branch, create_pr
            As in ``huggingface_hub.HfApi``: `private` for a new repository, `branch` to commit to.
        allow_patterns, ignore_patterns, delete_patterns
            Which files to upload, and which of the repository's to delete.
        config, model_card_kwargs, **card
            As in :meth:`save_pretrained`, with its `preprocessing`, `corpora`, `metrics`,
            `population`, `provenance`.
        folder
            That holds this model; by default what it was opened from, if it is the same still.

        Raises
        ------
        CheckpointError
            If `folder` holds another model, or the Hub refuses or cannot be reached.
        """
        return push_to_hub(
            self, repo_id, commit_message=commit_message, private=private, token=token,
            branch=branch, create_pr=create_pr, allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns, delete_patterns=delete_patterns, folder=folder,
            config=config, model_card_kwargs=model_card_kwargs, **card,
        )  # fmt: skip

    def generate_model_card(self, **front_matter: Any) -> Any:
        """The card as a ``huggingface_hub.ModelCard``; the keywords join its front matter."""
        from huggingface_hub import ModelCard

        return ModelCard(model_card(self, "path/to/model", front_matter=front_matter))

    def get_torchinfo_statistics(
        self,
        col_names: Iterable[str] = ("input_size", "output_size", "num_params", "kernel_size"),
        row_settings: Iterable[str] = ("var_names", "depth"),
    ) -> Any:
        """The layers with their shapes as a table of ``torchinfo.summary``.

        Raises
        ------
        MissingDependencyError
            If torchinfo is not installed.
        """
        torchinfo = require("torchinfo", extra="summary")
        return torchinfo.summary(
            self, input_size=self.input_shape, col_names=col_names, row_settings=row_settings,
            verbose=0,
        )  # fmt: skip

    def get_output_shape(self) -> tuple[int, ...]:
        """Shape of the scores of one sample; (1, n_outputs), unless `final_layer` is a caller's."""
        like = _first_weight(self)
        with torch.inference_mode():
            scores = self(torch.zeros(self.input_shape, device=like.device, dtype=like.dtype))
        return tuple((scores[0] if self.return_feature else scores).shape)

    def reset_head(self, n_outputs: int) -> None:
        """Replace the head by a fresh one with `n_outputs` outputs; the config follows."""
        cfg.require_integers(n_outputs=n_outputs)
        like = _first_weight(self.encoder)
        self._n_outputs = int(n_outputs)
        self.final_layer = self._new_head().to(like.device, like.dtype)

    def _new_head(self) -> ClassificationHead:
        try:
            head = ClassificationHead(self.embed_dim, self.n_outputs, self.activation)
        except TypeError as error:
            raise ConfigError(
                f"activation {self.activation!r} must be a module class made without arguments."
            ) from error
        if self.activation in cfg.OTHER_SHAPES:
            raise ConfigError(
                f"activation {self.activation!r} {cfg.OTHER_SHAPES[self.activation]}; the head "
                "needs one that keeps the shape (batch, embed_dim)."
            )
        return head

    def _derived_n_fft(self) -> int:
        return self.n_times if self.input_window_seconds < 1.0 else max(1, int(self.sfreq))

    def get_config(self) -> dict[str, Any]:
        """Every constructor argument as JSON holds it; keys braindecode lacks only when set."""
        config = {
            "embed_dim": self.embed_dim,
            "num_heads": self.num_heads,
            "num_layers": self.num_layers,
            "sfreq": self._given["sfreq"],
            "hop_length": self.hop_length,
            "return_feature": self.return_feature,
            "n_outputs": self.n_outputs,
            "n_chans": self._given["n_chans"],
            "chs_info": self._chs_info,
            "n_times": self._given["n_times"],
            "input_window_seconds": self._given["input_window_seconds"],
            "activation": cfg.activation_name(self.activation),
            "drop_prob": self.drop_prob,
            **self._no_effect,
            "att_layer_drop_prob": self.att_layer_drop_prob,
        }
        if self.n_fft != self._derived_n_fft():
            config["n_fft"] = self.n_fft
        if self.spectrum != PUBLISHED:
            config["spectrum"] = self.spectrum
        if self._given["channels"] is not None:
            config["channels"] = self._given["channels"]
        if self.add_log_softmax:
            config["add_log_softmax"] = True
        as_json = {name: cfg.to_json(value) for name, value in config.items()}
        return {**as_json, **cfg.own_to_json(self._own_settings)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> BIOT:
        """A fresh model from :meth:`get_config`'s dictionary, or from braindecode's.

        Raises
        ------
        ConfigError
            If a key is unknown, or `activation` names anything but an activation of torch.nn.
        """
        if not isinstance(config, Mapping):
            raise ConfigError(f"A configuration is a mapping, not a {type(config).__name__}.")
        given = {key: value for key, value in config.items() if not str(key).endswith("_version")}
        if "activation" in given:
            given["activation"] = cfg.activation_from_name(given["activation"])
        no_effect = {key: given.pop(key) for key in cfg.NO_EFFECT if key in given}
        # What a subclass takes no argument for it fixes itself; the two must agree.
        fixed = cfg.parameters_of(BIOT.__init__) - cfg.accepted_by(cls)
        stated = {key: given.pop(key) for key in fixed & set(given)}
        try:
            model = cls(**given)
        except TypeError as error:
            raise ConfigError(f"The configuration does not fit {cls.__name__}: {error}.") from error
        model._no_effect.update(no_effect)
        has = model.get_config() if stated else {}
        for key, value in stated.items():
            said = value is not None and has.get(key) is not None
            if said and not cfg.is_same_setting(value, has[key]):
                raise ConfigError(
                    f"{cls.__name__} is made with {key}={has[key]!r}, the configuration says "
                    f"{value!r}: it is of another class."
                )
        return model


def _first_weight(module: nn.Module) -> Tensor:
    """A floating parameter, which tells the device and the precision of a module."""
    for parameter in module.parameters():
        if parameter.is_floating_point():
            return parameter
    return torch.empty(0)


def _one_of(caller: str, given: Any, other: Any, name: str) -> Any:
    """A parameter that has two names."""
    if (given is None) == (other is None):
        how = "misses the folder" if given is None else f"takes the first argument or {name}="
        raise ConfigError(f"{caller}() {how}; give exactly one.")
    return other if given is None else given
