"""`BIOTEncoder`: all channels' tokens in one sentence, encoded and averaged."""

# B batch, C channels, T samples, N tokens a channel, E embedding width

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from biot.choices import Spectrum
from biot.errors import ChannelError, ConfigError
from biot.model.layers import (
    LinearAttentionTransformer,
    call_with_mask,
    is_making_graph,
    is_plain,
    is_tracing,
    masked_mean,
    runs_eagerly,
    runs_eagerly_without_gradients,
)
from biot.model.pieces import mean_in_pieces
from biot.model.spectra import SpectralEmbedding, WaveProjection, embedding_of
from biot.model.state_dict import complete_encoder
from biot.model.tokenizer import (
    PatchFrequencyEmbedding,
    PositionalEncoding,
    sinusoidal_positions,
    spectrum,
    spectrum_and_wave,
    token_mask,
)

__all__ = ["BIOTEncoder", "present_samples"]

CACHED_TOKENS = 2432
"""Tokens at a time that stay in a core's cache: 8 windows of 16 channels × 10 s."""
PACKED = 0.9
"""Largest share of tokens let in at which those left out are taken away, which costs a copy."""
ALIKE = 0.75
"""Least share of the tokens of a group's fullest sample that each sample of it has."""


class BIOTEncoder(nn.Module):
    """Signals to features: tokens of every channel, encoded as one sentence and averaged.

    Section 2 of Yang et al. (2023). A token whose patch touches a missing sample takes no part:
    not in attention, not in the mean. The module tree is that of braindecode's encoder; what is
    hung on a module, put in its place, or set (`n_fft`, `hop_length`, `stft`) has its effect.

    Parameters
    ----------
    embed_dim, num_heads, num_layers
        Size of the transformer.
    n_chans
        Rows of the channel-token table: channels that the encoder knows.
    n_fft, hop_length
        Samples a token, and between the starts of tokens.
    drop_prob
        Dropout on the tokens, in training.
    att_layer_drop_prob
        Dropout on what attention adds, in training.
    spectrum
        What a token is, as for :class:`biot.BIOT`.
    """

    index: Tensor

    def __init__(
        self,
        embed_dim: int = 256,
        num_heads: int = 8,
        num_layers: int = 4,
        n_chans: int = 16,
        n_fft: int = 200,
        hop_length: int = 100,
        drop_prob: float = 0.5,
        att_layer_drop_prob: float = 0.2,
        *,
        spectrum: Spectrum = "magnitude",
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.patch_embedding = embedding_of(spectrum, embed_dim, n_fft // 2 + 1, n_chans)
        self.transformer = LinearAttentionTransformer(
            embed_dim, num_heads, num_layers, att_layer_drop_prob
        )
        self.positional_encoding = PositionalEncoding(embed_dim, drop_prob)
        self.channel_tokens = nn.Embedding(n_chans, embed_dim)
        self.register_buffer("index", torch.arange(n_chans), persistent=False)
        # torch leaves this one method without types
        self.register_load_state_dict_pre_hook(complete_encoder)  # type: ignore[no-untyped-call]

    def forward(
        self,
        x: Tensor,
        n_channel_offset: int = 0,
        perturb: bool = False,
        *,
        valid: Tensor | None = None,
        channel_ids: Tensor | None = None,
        lengths: Tensor | None = None,
    ) -> Tensor:
        """Features of each sample, (batch, embed_dim).

        Parameters
        ----------
        x, valid, channel_ids, lengths
            As those of :meth:`biot.BIOT.forward`.
        n_channel_offset
            Row of the channel-token table that the first channel takes; not with `channel_ids`.
        perturb
            Keep random tokens only, at least half of each channel's, drawn by torch's generator.

        Returns
        -------
        Tensor
            (batch, embed_dim); NaN for a sample without one whole token.

        Raises
        ------
        ConfigError, ChannelError
            As :meth:`biot.BIOT.forward`.
        """
        if not is_tracing():
            self._check(x, valid, channel_ids, lengths)
        present = present_samples(x, valid, channel_ids, lengths)
        ids = channel_ids
        if n_channel_offset:
            ids = self._offset_ids(x, n_channel_offset, channel_ids)
        size = self._part_size(x)
        if perturb or size is None:
            tokens, mask = self.tokens(x, present, ids)
            return self.pooled(tokens, mask, _some_tokens(mask) if perturb else None)
        # Samples with about as many tokens meet in a part, so that few are computed in vain.
        order = present.flatten(1).sum(dim=1).argsort(descending=True, stable=True)
        pooled = [
            self.pooled(*self.tokens(x[rows], present[rows], None if ids is None else ids[rows]))
            for rows in order.split(size)
        ]
        return torch.cat(pooled)[order.argsort()]

    def stft(self, sample: Tensor) -> Tensor:
        """Magnitude spectra of overlapping patches: (batch, 1, n_times) → (batch, n_freq, tokens).

        Whatever takes its place, in a subclass or an instance, is used instead.
        """
        return spectrum(sample.squeeze(1), self.n_fft, self.hop_length)

    def reset_buffers(self) -> None:
        """Compute the tables of positions and of rows anew, as after ``to_empty``."""
        pe = self.positional_encoding.pe
        codes = sinusoidal_positions(pe.shape[1], pe.shape[2], pe.device)
        self.positional_encoding.pe = codes.unsqueeze(0).to(pe.dtype)
        self.index = torch.arange(len(self.index), device=self.index.device)

    def replace_channel_tokens(
        self, table: nn.Embedding, rows: Sequence[int | None] | None = None
    ) -> None:
        """Take another channel-token table, of any number of rows; the encoder knows as many.

        `rows` says which row of the old table each was, None a fresh one; by default they keep
        their order, and more are fresh. Statistics of log spectra follow.
        """
        if rows is None:
            known = len(self.index)
            rows = [row if row < known else None for row in range(table.num_embeddings)]
        if isinstance(self.patch_embedding, SpectralEmbedding):
            self.patch_embedding.take_rows(list(rows))
        self.channel_tokens = table
        self.index = torch.arange(table.num_embeddings, device=table.weight.device)

    def n_tokens(self, n_times: int) -> int:
        """Tokens that a channel of `n_times` samples gives."""
        return (n_times - self.n_fft) // self.hop_length + 1

    def cached_batch_size(self, n_chans: int, n_times: int) -> int:
        """Samples at a time whose activations stay in cache: the size of CPU micro-batches."""
        return max(1, CACHED_TOKENS // (n_chans * self.n_tokens(n_times)))

    def pooled(
        self, tokens_BCNE: Tensor, mask_BCN: Tensor, kept_CN: Tensor | None = None
    ) -> Tensor:
        """Features from :meth:`tokens`, (B, E); where the mask is False nothing is seen.

        A narrower mask gives another view of the same tokens; a masked channel is as good as
        absent. Dropout is drawn anew for each view. What `kept_CN` says no to never reaches the
        transformer, in any sample.
        """
        tokens_BNE = _one_sentence(self._with_positions(tokens_BCNE))
        mask_BN = _one_sentence(mask_BCN)
        if kept_CN is not None:
            tokens_BNE, mask_BN = tokens_BNE[:, kept_CN.flatten()], mask_BN[:, kept_CN.flatten()]
        nothing_B1 = ~mask_BN.any(dim=1, keepdim=True)
        # With every token let in, NaN arises at the end only: no gradient of a weight meets it.
        mask_BN = mask_BN | nothing_B1
        transformer: Any = self.transformer
        pooled_BE: Tensor
        if not is_making_graph() and is_plain(transformer):
            in_pieces = runs_eagerly_without_gradients(tokens_BNE)
            mean = partial(mean_in_pieces, transformer) if in_pieces else transformer.mean
            packs = runs_eagerly(mask_BN)
            pooled_BE = (
                _mean_of_packed(mean, tokens_BNE, mask_BN) if packs else mean(tokens_BNE, mask_BN)
            )
        else:
            encoded_BNE = call_with_mask(transformer, tokens_BNE, mask_BN)
            pooled_BE = masked_mean(encoded_BNE, _fitting(mask_BN, encoded_BNE))
        return pooled_BE.masked_fill(nothing_B1, torch.nan)

    def encoded(self, tokens_BCNE: Tensor, mask_BCN: Tensor) -> Tensor:
        """Each of the tokens from :meth:`tokens` after the transformer, (B, C, N, E).

        Those where the mask is False are not attended to, and what is returned for them means
        nothing.
        """
        tokens_BNE = _one_sentence(self._with_positions(tokens_BCNE))
        mask_BN = _one_sentence(mask_BCN)
        mask_BN = mask_BN | ~mask_BN.any(dim=1, keepdim=True)
        transformer: Any = self.transformer
        if runs_eagerly(mask_BN) and is_plain(transformer):
            packed_BME, mask_BM, rows_K = _packed(tokens_BNE, mask_BN)
            encoded_BNE = transformer(packed_BME, mask_BM)
            if rows_K is not None:
                places_KE = encoded_BNE.new_zeros(tokens_BNE.shape).flatten(0, 1)
                places_KE = places_KE.index_copy(0, rows_K, encoded_BNE.flatten(0, 1))
                encoded_BNE = places_KE.view_as(tokens_BNE)
        else:
            encoded_BNE = call_with_mask(transformer, tokens_BNE, mask_BN)
        encoded_BCNE: Tensor = encoded_BNE.unflatten(1, mask_BCN.shape[1:])
        return encoded_BCNE

    def tokens(
        self, x_BCT: Tensor, present_BCT: Tensor, channel_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens without their positions, and which are valid: (B, C, N, E) and (B, C, N) bool."""
        # One look at the data, where it costs little, saves masks that would mask nothing.
        complete = runs_eagerly(present_BCT) and bool(present_BCT.all())
        if complete:
            mask = present_BCT.new_ones((*x_BCT.shape[:2], self.n_tokens(x_BCT.shape[2])))
        else:
            mask = token_mask(present_BCT, self.n_fft, self.hop_length)
            x_BCT = torch.where(present_BCT, x_BCT, 0.0)
        spectra, waves = self._spectra(x_BCT)
        if not is_tracing() and spectra.shape[-1] != mask.shape[-1]:
            mask = self._other_tokens(mask, spectra.shape[-1])
        if not complete:
            spectra = torch.where(mask.unsqueeze(2), spectra, 0.0)
        if channel_ids is None:
            rows = self.index[: x_BCT.shape[1]]
        else:
            rows = channel_ids.clamp(min=0).long()
        embedded: Tensor
        if isinstance(self.patch_embedding, SpectralEmbedding):
            if waves is not None and not complete:
                waves = torch.where(mask.unsqueeze(3), waves, 0.0)
            embedded = self.patch_embedding(spectra, waves, rows)
        elif isinstance(self.patch_embedding, PatchFrequencyEmbedding):
            embedded = self.patch_embedding(spectra)
        else:  # a caller's, which is made for one channel, as the reference's is
            embedded = self.patch_embedding(spectra.flatten(0, 1)).unflatten(0, x_BCT.shape[:2])
        channels: Tensor = self.channel_tokens(rows)
        return embedded + channels.unsqueeze(-2).to(embedded.dtype), mask

    def _spectra(self, x_BCT: Tensor) -> tuple[Tensor, Tensor | None]:
        """Spectra of all channels, (B, C, F, N), by whatever `stft` is; and waves, if needed."""
        embedding = self.patch_embedding
        has_wave = isinstance(embedding, SpectralEmbedding) and embedding.has_wave
        if has_wave:
            if not self._stft_is_ours():
                raise ConfigError(
                    "The stft of this encoder was replaced. Its magnitudes do not hold the phase "
                    "that '+wave' needs: build the model with spectrum='magnitude' or 'log'."
                )
            return spectrum_and_wave(x_BCT, self.n_fft, self.hop_length)
        if self._stft_is_ours():
            return spectrum(x_BCT, self.n_fft, self.hop_length), None
        spectra: Any = self.stft(x_BCT.flatten(0, 1).unsqueeze(1))
        each: Tensor = spectra.unflatten(0, x_BCT.shape[:2])
        return each, None

    def _with_positions(self, tokens_BCNE: Tensor) -> Tensor:
        encoded: Tensor
        if isinstance(self.positional_encoding, PositionalEncoding):
            encoded = self.positional_encoding(tokens_BCNE)
        else:  # a caller's, which is made for one channel, as the reference's is
            encoded = self.positional_encoding(tokens_BCNE.flatten(0, 1))
            encoded = encoded.unflatten(0, tokens_BCNE.shape[:2])
        return encoded

    def _part_size(self, x: Tensor) -> int | None:
        """Samples that go through the encoder at a time; None: all of them."""
        if not runs_eagerly_without_gradients(x):
            return None
        size = self.cached_batch_size(x.shape[1], x.shape[2])
        return size if size < x.shape[0] and self._is_plain() else None

    def _stft_is_ours(self) -> bool:
        # A compiler sees no identity of bound methods, but that of functions of a class.
        return "stft" not in self.__dict__ and type(self).stft is BIOTEncoder.stft

    def _is_plain(self) -> bool:
        kinds = (
            PatchFrequencyEmbedding, SpectralEmbedding, WaveProjection, PositionalEncoding,
            nn.Embedding,
        )  # fmt: skip
        return self._stft_is_ours() and all(is_plain(part, also=kinds) for part in self.children())

    def _offset_ids(self, x: Tensor, offset: int, channel_ids: Tensor | None) -> Tensor:
        if channel_ids is not None:
            raise ConfigError("n_channel_offset and channel_ids both name rows: give one of them.")
        n_known = len(self.index)
        if not 0 <= offset <= n_known - x.shape[1]:
            raise ChannelError(
                f"n_channel_offset={offset} with {x.shape[1]} channels: the model has "
                f"{n_known} rows, so it must lie in 0 to {n_known - x.shape[1]}."
            )
        return self.index[offset : offset + x.shape[1]].expand(x.shape[0], -1)

    def _other_tokens(self, mask_BCN: Tensor, n_tokens: int) -> Tensor:
        """The mask for a caller's own `stft`, which makes another number of tokens."""
        if not mask_BCN.all():
            raise ConfigError(
                f"stft gives {n_tokens} tokens a channel, n_fft and hop_length tell of "
                f"{mask_BCN.shape[-1]}: which of them saw missing samples cannot be known. Set "
                "n_fft and hop_length to match, or pass complete windows."
            )
        return mask_BCN.new_ones((*mask_BCN.shape[:2], n_tokens))

    def _check(
        self, x: Tensor, valid: Tensor | None, channel_ids: Tensor | None, lengths: Tensor | None
    ) -> None:
        if x.ndim != 3 or 0 in x.shape:
            raise ConfigError(f"x must be (batch, n_chans, n_times), got shape {tuple(x.shape)}.")
        if not x.is_floating_point():
            raise ConfigError(f"x must hold floating-point numbers, got {x.dtype}.")
        if x.shape[2] < self.n_fft:
            raise ConfigError(f"x has {x.shape[2]} samples; a token needs n_fft = {self.n_fft}.")
        if channel_ids is None and x.shape[1] > len(self.index):
            raise ChannelError(
                f"x has {x.shape[1]} channels, the model knows "
                f"{len(self.index)}. Add channels to the model first."
            )
        for name, given, shape in (
            ("valid", valid, x.shape),
            ("channel_ids", channel_ids, x.shape[:2]),
            ("lengths", lengths, x.shape[:1]),
        ):
            if given is not None and given.shape != shape:
                raise ConfigError(
                    f"{name} must have shape {tuple(shape)}, got {tuple(given.shape)}."
                )
        if valid is not None and valid.dtype != torch.bool:
            raise ConfigError(f"valid must be bool, got {valid.dtype}.")
        if channel_ids is not None:
            _check_ids(channel_ids, len(self.index))
        if lengths is not None:
            _check_lengths(lengths, x.shape[2])


def _check_ids(channel_ids_BC: Tensor, n_known: int) -> None:
    if not _holds_integers(channel_ids_BC):
        raise ChannelError(f"channel_ids must be integers, got {channel_ids_BC.dtype}.")
    if torch.compiler.is_compiling():
        return  # a graph has no branch on values
    if ((channel_ids_BC < -1) | (channel_ids_BC >= n_known)).any():
        raise ChannelError(
            f"channel_ids must lie in −1 (absent) to {n_known - 1}, got "
            f"{int(channel_ids_BC.min())} to {int(channel_ids_BC.max())}."
        )
    ordered = channel_ids_BC.sort(dim=1).values
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ChannelError("channel_ids names a channel twice in one sample; each may come once.")


def _check_lengths(lengths_B: Tensor, n_times: int) -> None:
    if not _holds_integers(lengths_B):
        raise ConfigError(f"lengths must be integers, got {lengths_B.dtype}.")
    if torch.compiler.is_compiling():
        return
    if ((lengths_B < 0) | (lengths_B > n_times)).any():
        raise ConfigError(
            f"lengths must lie in 0 to {n_times}, the samples in x; got "
            f"{int(lengths_B.min())} to {int(lengths_B.max())}."
        )


def _holds_integers(values: Tensor) -> bool:
    return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)


def _mean_of_packed(
    mean: Callable[[Tensor, Tensor | None], Tensor], tokens_BNE: Tensor, mask_BN: Tensor
) -> Tensor:
    """`mean` of the tokens that the mask lets in, (B, E), samples with about as many at a time."""
    groups = _with_about_as_many(mask_BN.sum(dim=1))
    if len(groups) <= 1:  # none: no sample
        return mean(*_packed(tokens_BNE, mask_BN)[:2])
    means = [mean(*_packed(tokens_BNE[rows], mask_BN[rows])[:2]) for rows in groups]
    return torch.cat(means)[torch.cat(groups).argsort()]


def _with_about_as_many(counts_B: Tensor) -> tuple[Tensor, ...]:
    """Rows of the samples, fullest first, in groups whose samples have about as many tokens."""
    sorted_B, order_B = counts_B.sort(descending=True, stable=True)
    sizes, most = [], None
    for count in sorted_B.tolist():
        if most is None or count < ALIKE * most:
            most = count
            sizes.append(0)
        sizes[-1] += 1
    groups: tuple[Tensor, ...] = order_B.split(sizes)
    return groups


def _packed(tokens_BNE: Tensor, mask_BN: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """What the mask lets in of each sample, one after another, and the mask of it, None if all.

    Attention over all tokens and their mean know no order, so that the rest need not be computed.
    Third come the rows that were taken, of all samples' tokens; None if all were, in their order.
    """
    n_tokens, rows_K = mask_BN.shape[1], None
    most = int(mask_BN.sum(dim=1).max()) if mask_BN.numel() else 0
    if most <= PACKED * n_tokens:
        order_BM = mask_BN.byte().argsort(dim=1, descending=True, stable=True)[:, :most]
        first_B1 = torch.arange(0, mask_BN.numel(), n_tokens).unsqueeze(1)
        rows_K = (order_BM + first_B1).flatten()
        tokens_BNE = tokens_BNE.flatten(0, 1).index_select(0, rows_K).unflatten(0, order_BM.shape)
        mask_BN = mask_BN.gather(1, order_BM)
    return tokens_BNE, None if bool(mask_BN.all()) else mask_BN, rows_K


def _some_tokens(mask_BCN: Tensor) -> Tensor:
    """Random tokens of each channel, alike in all samples, as the reference draws them."""
    n_tokens = mask_BCN.shape[2]
    kept_CN = mask_BCN.new_zeros(mask_BCN.shape[1:])
    for kept_N in kept_CN:
        n_kept = max(1, int(torch.randint(low=n_tokens // 2, high=n_tokens, size=(1,))))
        kept_N[torch.randperm(n_tokens)[:n_kept].to(kept_N.device)] = True
    return kept_CN


def _fitting(mask_BN: Tensor, encoded_BNE: Tensor) -> Tensor | None:
    """The mask, or None where a caller's own transformer gave another number of tokens."""
    if is_tracing() or encoded_BNE.shape[1] == mask_BN.shape[1]:
        return mask_BN
    if not mask_BN.all():
        raise ConfigError(
            f"The transformer made {encoded_BNE.shape[1]} tokens of {mask_BN.shape[1]}: which of "
            "them are missing cannot be known. Keep their number, or pass complete windows."
        )
    return None


def _one_sentence(values: Tensor) -> Tensor:
    """Lay the tokens of all channels end to end: (B, C, N, …) → (B, C · N, …)."""
    if torch.compiler.is_exporting():
        # The exporter cannot prove that flatten is legal for every length; indexing always is.
        # ONNX knows no remainder by a size, hence the subtraction.
        token = torch.arange(values.shape[1] * values.shape[2], device=values.device)
        channel = token // values.shape[2]
        return values[:, channel, token - channel * values.shape[2]]
    return values.flatten(1, 2)


def present_samples(
    x_BCT: Tensor,
    valid: Tensor | None = None,
    channel_ids: Tensor | None = None,
    lengths: Tensor | None = None,
) -> Tensor:
    """Samples that were recorded, (B, C, T) bool; the arguments are those of ``BIOT``."""
    present = ~x_BCT.isnan()
    if valid is not None:
        present = present & valid
    if channel_ids is not None:
        present = present & (channel_ids >= 0).unsqueeze(2)
    if lengths is not None:
        within_BT = torch.arange(x_BCT.shape[2], device=x_BCT.device) < lengths.unsqueeze(1)
        present = present & within_BT.unsqueeze(1)
    return present
