"""Dropout on a CPU: torch's meaning, cheaper random numbers."""

import pytest
import torch

from biot.model.layers import Dropout

N = 400_000


@pytest.mark.parametrize("p", [0.2, 0.5, 0.9])
def test_the_share_dropped_is_p_and_the_rest_is_scaled(p: float) -> None:
    torch.manual_seed(0)
    dropped = Dropout(p)(torch.ones(N))
    kept = dropped[dropped != 0]
    spread = (p * (1 - p) / N) ** 0.5
    assert 1 - len(kept) / N == pytest.approx(p, abs=4 * spread)
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-4, atol=0)


def test_neighbours_are_dropped_independently_of_each_other() -> None:
    torch.manual_seed(0)
    kept = (Dropout(0.5)(torch.ones(N)) != 0).double()
    for distance in (1, 2, 3, 4, 5, 8):  # four decisions share one random number
        correlation = torch.corrcoef(torch.stack([kept[:-distance], kept[distance:]]))[0, 1]
        assert abs(correlation) < 4 / N**0.5


def test_gradients_pass_where_values_passed() -> None:
    x = torch.ones(3, 5, 7, requires_grad=True)
    y = Dropout(0.3)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_a_seed_fixes_what_is_dropped() -> None:
    x, dropout = torch.randn(7, 11), Dropout(0.4)
    torch.manual_seed(3)
    first = dropout(x)
    torch.manual_seed(3)
    assert torch.equal(first, dropout(x))
    assert not torch.equal(first, dropout(x))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_kind_of_number_stays(dtype: torch.dtype) -> None:
    assert Dropout(0.4)(torch.ones(9, dtype=dtype)).dtype == dtype


def test_nothing_is_dropped_in_evaluation_or_at_zero_and_everything_at_one() -> None:
    x = torch.randn(33)
    assert torch.equal(Dropout(0.9).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
    assert torch.equal(Dropout(1.0)(x), torch.zeros(33))


def test_an_empty_tensor_stays_empty() -> None:
    assert Dropout(0.5)(torch.ones(0, 4)).shape == (0, 4)


def test_under_vmap_each_sample_drops_its_own_or_all_the_same_as_asked() -> None:
    torch.manual_seed(0)
    dropout, x = Dropout(0.4), torch.ones(3, 50)
    own = torch.func.vmap(dropout, randomness="different")(x)
    assert not torch.equal(own[0], own[1])
    same = torch.func.vmap(dropout, randomness="same")(x)
    assert torch.equal(same[0], same[1])
    gradient = torch.func.grad(lambda row: dropout(row).sum())
    assert 0 < (torch.func.vmap(gradient, randomness="different")(x) == 0).float().mean() < 1


def test_in_place_means_in_place() -> None:
    x = torch.ones(99)
    assert Dropout(0.4, inplace=True)(x) is x
    assert (x == 0).any()


def test_a_graph_exported_in_training_holds_one_dropout_of_torch() -> None:
    exported = torch.export.export(Dropout(0.4), (torch.ones(9),))
    called = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert called == ["aten.dropout.default"]
