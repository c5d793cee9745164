"""Where and how precisely to compute."""

from __future__ import annotations

import warnings

import pytest
import torch

from biot.device import SlowPrecisionWarning, warn_if_slow


def a_processor(monkeypatch: pytest.MonkeyPatch, **facts: object) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: facts, raising=False)


def test_bfloat16_is_warned_of_where_the_processor_has_no_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_processor(monkeypatch, architecture="x86_64", avx2=True, avx512_bf16=False, amx_bf16=False)
    with pytest.warns(SlowPrecisionWarning, match=r"precision=bf16 is slow on this processor"):
        warn_if_slow("bf16", torch.device("cpu"))


@pytest.mark.parametrize(
    ("precision", "device", "facts"),
    [
        ("32", "cpu", {"architecture": "x86_64"}),
        ("bf16", "cuda", {"architecture": "x86_64"}),
        ("bf16", "cpu", {"architecture": "x86_64", "avx512_bf16": True}),
        ("bf16", "cpu", {"architecture": "x86_64", "amx_bf16": True}),
        ("bf16", "cpu", {"architecture": "aarch64"}),  # torch does not say it there
        ("bf16", "cpu", {}),
    ],
)
def test_what_is_fast_or_unknown_is_not_warned_of(
    monkeypatch: pytest.MonkeyPatch, precision: str, device: str, facts: dict[str, object]
) -> None:
    a_processor(monkeypatch, **facts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_slow(precision, torch.device(device))
