"""BIOT written the long way in NumPy, float64: only tokens that exist, one after another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from biot import BIOT
from biot.model.tokenizer import sinusoidal_positions

Floats = npt.NDArray[np.float64]


class Reference:
    """The model's arithmetic as section 2 of Yang et al. (2023) tells it, without any mask."""

    def __init__(self, model: BIOT) -> None:
        self.weights: dict[str, Floats] = {
            name: parameter.detach().double().numpy()
            for name, parameter in model.named_parameters()
        }
        self.n_heads, self.n_layers = model.num_heads, model.num_layers
        self.n_fft, self.hop_length = model.n_fft, model.hop_length
        # The table itself is float32 by design and checked in test_missing.py.
        self.positions: Floats = sinusoidal_positions(1000, model.embed_dim).double().numpy()

    def logits(self, x_CT: Floats, present_CT: npt.NDArray[np.bool_], ids: list[int]) -> Floats:
        """Scores of one sample; NaN when it has no whole token."""
        tokens = self.tokens(x_CT, present_CT, ids)
        if not tokens:
            return np.full(self.weights["final_layer.classification_head.bias"].shape, np.nan)
        values = np.stack(tokens)
        for layer in range(self.n_layers):
            start = f"encoder.transformer.layers.layers.{layer}."
            values = values + self._attention(values, start + "0.")
            values = values + self._feed_forward(values, start + "1.")
        features = values.mean(axis=0)
        active = np.where(features > 0, features, np.expm1(features))
        return self._linear(active, "final_layer.classification_head")

    def tokens(
        self, x_CT: Floats, present_CT: npt.NDArray[np.bool_], ids: list[int]
    ) -> list[Floats]:
        """The tokens that touch no missing sample, channel by channel."""
        tokens = []
        for signal, present, row in zip(x_CT, present_CT, ids, strict=True):
            if row == -1:
                continue
            for n, start in enumerate(range(0, len(signal) - self.n_fft + 1, self.hop_length)):
                if not present[start : start + self.n_fft].all():
                    continue
                spectrum = np.abs(np.fft.rfft(signal[start : start + self.n_fft]))
                token = self._linear(spectrum, "encoder.patch_embedding.projection")
                channel = self.weights["encoder.channel_tokens.weight"][row]
                tokens.append(token + channel + self.positions[n])
        return tokens

    def _attention(self, values_NE: Floats, name: str) -> Floats:
        normed = self._norm(values_NE, name + "norm")
        q, k, v = (self._linear(normed, f"{name}fn.{part}") for part in ("to_q", "to_k", "to_v"))
        width = q.shape[1] // self.n_heads
        heads = []
        for head in range(self.n_heads):
            part = slice(head * width, (head + 1) * width)
            context_DD = _softmax(k[:, part], axis=0).T @ v[:, part]
            heads.append(_softmax(q[:, part], axis=1) / np.sqrt(width) @ context_DD)
        return self._linear(np.concatenate(heads, axis=1), name + "fn.to_out")

    def _feed_forward(self, values_NE: Floats, name: str) -> Floats:
        inner = self._linear(self._norm(values_NE, name + "norm"), name + "fn.fn.w1")
        return self._linear(inner * 0.5 * (1 + erf(inner / np.sqrt(2))), name + "fn.fn.w2")

    def _norm(self, values: Floats, name: str) -> Floats:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return centred / spread * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def _linear(self, values: Floats, name: str) -> Floats:
        return values @ self.weights[name + ".weight"].T + self.weights.get(name + ".bias", 0.0)


def _softmax(values: Floats, axis: int) -> Floats:
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
