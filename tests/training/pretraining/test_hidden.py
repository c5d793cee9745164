"""Hidden tokens: how many, of which windows, and that batches and padding do not matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.training.pretraining.hidden import Hiding, hidden_tokens

HIDING = Hiding(seed=3, n_channels=6, n_tokens=20)


def scores_of(windows: list[int], ids: list[list[int]], step: int = 7) -> torch.Tensor:
    return HIDING.scores(step, torch.tensor(windows), torch.tensor(ids))


@settings(max_examples=40, deadline=None)
@given(
    step=st.integers(0, 10**6),
    share=st.floats(0.01, 0.99),
    valid=st.lists(st.booleans(), min_size=36, max_size=36),
)
def test_as_many_as_asked_for_are_hidden_and_one_is_seen(step, share, valid):
    mask = torch.tensor(valid).view(1, 3, 12)
    hidden = hidden_tokens(mask, scores_of([5], [[0, 4, 2]], step), share)
    n = int(mask.sum())
    assert not (hidden & ~mask).any()
    expected = min(max(1, int(np.round(np.float32(n * share)))), n - 1) if n > 1 else 0
    assert abs(int(hidden.sum()) - expected) <= (1 if abs(n * share % 1 - 0.5) < 1e-3 else 0)


def test_a_single_token_is_never_hidden():
    mask = torch.zeros(2, 1, 4, dtype=torch.bool)
    mask[0, 0, 2] = True
    assert not hidden_tokens(mask, scores_of([0, 1], [[0], [0]]), 0.9).any()


def test_a_window_hides_the_same_in_every_batch_padding_and_channel_order():
    mask = torch.ones(1, 3, 9, dtype=torch.bool)
    alone = hidden_tokens(mask, scores_of([11], [[1, 3, 5]]), 0.6)
    padded = torch.zeros(2, 4, 13, dtype=torch.bool)
    padded[1, :3, :9] = True
    padded[0] = True
    ids = [[0, 1, 2, 3], [5, 1, 3, -1]]
    together = hidden_tokens(padded, scores_of([2, 11], ids), 0.6)
    assert torch.equal(together[1, [1, 2, 0], :9], alone[0])
    assert not together[1, 3].any()
    assert not together[1, :, 9:].any()


def test_another_step_window_or_seed_hides_others():
    mask = torch.ones(1, 3, 20, dtype=torch.bool)
    ids = torch.tensor([[0, 1, 2]])
    draws = [
        hidden_tokens(mask, hiding.scores(step, torch.tensor([window]), ids), 0.6)
        for hiding, step, window in (
            (HIDING, 7, 0), (HIDING, 8, 0), (HIDING, 7, 1),
            (Hiding(seed=4, n_channels=6, n_tokens=20), 7, 0),
        )
    ]  # fmt: skip
    assert all(not torch.equal(draws[0], other) for other in draws[1:])


def test_what_is_hidden_forms_blocks():
    mask = torch.ones(400, 6, 20, dtype=torch.bool)
    scores = scores_of(list(range(400)), [list(range(6))] * 400)
    hidden = hidden_tokens(mask, scores, 0.6)
    assert hidden.float().mean() == pytest.approx(0.6)
    alike = (hidden[:, :, 1:] == hidden[:, :, :-1]).float().mean()
    assert alike > 0.75, "by chance 0.52 of the neighbours in time would be alike"
    whole_channels = hidden.all(dim=2).float().mean()
    assert whole_channels > 0.05, "by chance 0.6 ** 20 of the channels would be hidden wholly"
    assert torch.equal(hidden, hidden_tokens(mask, scores, 0.6))
