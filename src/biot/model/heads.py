"""The head that turns features into class scores."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["ClassificationHead"]


class ClassificationHead(nn.Module):
    """An activation and one linear layer.

    Parameters
    ----------
    embed_dim
        Width of the features.
    n_outputs
        Classes.
    activation
        Class of the activation, made without arguments.
    """

    def __init__(
        self, embed_dim: int = 256, n_outputs: int = 2, activation: type[nn.Module] = nn.ELU
    ) -> None:
        super().__init__()
        self.activation_layer = activation()
        self.classification_head = nn.Linear(embed_dim, n_outputs)

    def forward(self, features_BE: Tensor) -> Tensor:
        """(batch, embed_dim) → (batch, n_outputs)."""
        scores: Tensor = self.classification_head(self.activation_layer(features_BE))
        return scores
