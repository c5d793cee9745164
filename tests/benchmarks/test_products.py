"""The products of a run are counted by their sizes, forward and backward."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from biot import onednn

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from products import LINEAR, Products, share_cells


def test_products_of_a_layer_count_two_operations_a_multiplication() -> None:
    layer, x = nn.Linear(5, 7), torch.randn(11, 5, requires_grad=True)
    with torch.no_grad():
        assert Products(lambda: layer(x)).gflop == pytest.approx(2e-9 * 11 * 5 * 7)
    both = Products(lambda: layer(x).sum().backward())
    assert both.gflop == pytest.approx(3 * 2e-9 * 11 * 5 * 7)  # two gradients beside the layer
    both()


def test_products_of_heads_and_in_place_count_and_elements_do_not() -> None:
    heads, rows, weight = torch.randn(6, 9, 4), torch.randn(9, 8), torch.randn(8, 8)
    products = Products(
        lambda: (heads.mT @ heads, rows.clone().addmm_(rows, weight.T), rows.softmax(1) + rows)
    )
    assert [call[0][0] for call in products.calls] == [(6, 4, 9), (9, 8)]
    assert products.gflop == pytest.approx(2e-9 * (6 * 4 * 9 * 4 + 9 * 8 * 8))
    assert products.calls[0][0][1] == (36, 1, 4), "layouts are kept"
    products()


@pytest.mark.skipif(LINEAR is None, reason="this torch has no oneDNN")
def test_products_of_onednns_linear_layers_count_and_their_activations_do_not() -> None:
    tokens, weight, bias = torch.randn(2, 9, 16), torch.randn(5, 16), torch.randn(5)
    with torch.no_grad():
        products = Products(lambda: onednn.linear(tokens, weight, bias, gelu="none"))
        assert products.gflop == pytest.approx(2e-9 * 2 * 9 * 16 * 5)
        left, right, by_onednn = products.calls[0]
        assert (left[0], right[0], by_onednn) == ((18, 16), (16, 5), True)
    products()


def test_a_share_is_of_the_whole_time() -> None:
    weight = torch.randn(100, 100)
    cells = share_cells(Products(lambda: weight @ weight), alone=0.5, whole=2.0)
    assert cells == pytest.approx([2e-3, 4e-3, 25.0])
