"""Missing data take part in nothing: properties of `BIOT.forward` in float64, to 1e-9."""

# B batch, C channels, T samples

from __future__ import annotations

import copy
import shutil
import sys
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy_reference import Reference
from torch import Tensor

from biot import BIOT
from biot.errors import ChannelError, ConfigError
from biot.model import encoder
from biot.model.tokenizer import sinusoidal_positions

N_KNOWN, N_FFT, HOP, N_TIMES = 5, 20, 8, 70
GARBAGE = (0.0, 1e4, float("nan"), float("inf"), -float("inf"))
checked = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def model() -> BIOT:
    """A small float64 model whose every parameter is off its initial value."""
    torch.manual_seed(0)
    small: dict[str, Any] = {"embed_dim": 16, "num_heads": 2, "num_layers": 2, "hop_length": HOP}
    made = BIOT(sfreq=N_FFT, n_outputs=3, n_chans=N_KNOWN, n_times=N_TIMES, **small)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return made.double().eval()


@dataclass
class Case:
    """A batch, and in `present` which of its samples are there, whichever way that is told."""

    x: Tensor
    present: Tensor
    channel_ids: Tensor
    lengths: Tensor

    def everywhere(self) -> Tensor:
        """What is there when the lengths and the absent channels have had their say too."""
        within = torch.arange(self.x.shape[2]) < self.lengths.unsqueeze(1)
        return self.present & within.unsqueeze(1) & (self.channel_ids >= 0).unsqueeze(2)

    def arguments(self) -> dict[str, Tensor]:
        """As `forward` takes them."""
        return {
            "x": self.x,
            "valid": self.present,
            "channel_ids": self.channel_ids,
            "lengths": self.lengths,
        }

    def sample(self, index: int) -> Case:
        """One sample as a batch of its own."""
        only = slice(index, index + 1)
        return Case(self.x[only], self.present[only], self.channel_ids[only], self.lengths[only])

    def pick(self, order: list[int]) -> Case:
        """The samples in another order."""
        return Case(
            self.x[order], self.present[order], self.channel_ids[order], self.lengths[order]
        )


@st.composite
def cases(draw: st.DrawFn, *, with_gaps: bool = True, some_empty: bool = False) -> Case:
    """Batches of mixed montages, gaps and lengths; each sample has a token unless `some_empty`."""
    n_samples, n_chans = draw(st.integers(1, 4)), draw(st.integers(1, N_KNOWN))
    n_times = draw(st.integers(N_FFT, N_TIMES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = torch.from_numpy(rng.normal(size=(n_samples, n_chans, n_times)))
    present = torch.ones_like(x, dtype=torch.bool)
    rows, lengths = [], []
    for sample in range(n_samples):
        row = draw(st.permutations(range(N_KNOWN)))[:n_chans]
        kept = draw(st.integers(0, n_chans - 1))
        rows.append([i if c == kept or draw(st.booleans()) else -1 for c, i in enumerate(row)])
        lengths.append(draw(st.integers(0 if some_empty else N_FFT, n_times)))
        if not with_gaps:
            continue
        for _ in range(draw(st.integers(0, 4))):
            channel, start = draw(st.integers(0, n_chans - 1)), draw(st.integers(0, n_times - 1))
            stop = start + draw(st.integers(1, n_times))
            if some_empty or channel != kept:
                present[sample, channel, start:stop] = False
            else:  # the kept channel keeps its first token
                present[sample, channel, max(start, N_FFT) : stop] = False
    return Case(x, present, torch.tensor(rows), torch.tensor(lengths))


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance, equal_nan=True)


def gradients(model: BIOT, *batches: Case) -> list[Tensor]:
    """Gradients of the parameters, summed over batches."""
    scores = torch.cat([model(**batch.arguments()) for batch in batches])
    return list(torch.autograd.grad(scores.square().sum(), list(model.parameters())))


def test_positions_are_those_of_vaswani() -> None:
    found = sinusoidal_positions(300, 16)
    n, i = np.arange(300)[:, None], np.arange(0, 16, 2)
    angle = n / 10000.0 ** (i / 16)
    expected = np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(300, 16)
    np.testing.assert_allclose(found, expected, atol=5e-5)


@checked
@given(case=cases(some_empty=True))
def test_only_whole_tokens_count_as_in_plain_numpy(model: BIOT, case: Case) -> None:
    reference = Reference(model)
    found = model(**case.arguments()).detach()
    for scores, x, there, ids in zip(
        found, case.x, case.everywhere(), case.channel_ids.tolist(), strict=True
    ):
        close(scores, torch.from_numpy(reference.logits(x.numpy(), there.numpy(), ids)))


@checked
@given(case=cases(some_empty=True))
def test_a_sample_in_a_batch_equals_the_sample_alone(model: BIOT, case: Case) -> None:
    found = model(**case.arguments())
    for index, scores in enumerate(found):
        close(scores, model(**case.sample(index).arguments())[0])


@checked
@given(case=cases())
def test_gradients_of_a_batch_are_the_sum_of_its_samples(model: BIOT, case: Case) -> None:
    alone = [case.sample(index) for index in range(len(case.x))]
    for found, expected in zip(gradients(model, case), gradients(model, *alone), strict=True):
        close(found, expected)


@checked
@given(case=cases(some_empty=True), data=st.data())
def test_the_order_of_a_batch_changes_nothing(model: BIOT, case: Case, data: st.DataObject) -> None:
    order = list(data.draw(st.permutations(range(len(case.x)))))
    close(model(**case.pick(order).arguments()), model(**case.arguments())[order])


@checked
@given(case=cases(), data=st.data())
def test_the_order_of_channels_changes_nothing(
    model: BIOT, case: Case, data: st.DataObject
) -> None:
    order = list(data.draw(st.permutations(range(case.x.shape[1]))))
    turned = Case(
        case.x[:, order], case.present[:, order], case.channel_ids[:, order], case.lengths
    )
    close(model(**turned.arguments()), model(**case.arguments()))
    for found, expected in zip(gradients(model, turned), gradients(model, case), strict=True):
        close(found, expected)


@checked
@given(case=cases(), value=st.sampled_from(GARBAGE), told=st.sampled_from(["nan", "valid"]))
def test_what_stands_at_a_missing_sample_changes_nothing(
    model: BIOT, case: Case, value: float, told: str
) -> None:
    """NaN equals valid=False equals whatever value stands there."""
    there = case.everywhere()
    expected = model(**case.arguments())
    if told == "valid":
        found = model(torch.where(there, case.x, value), valid=there, channel_ids=case.channel_ids)
    else:
        found = model(torch.where(there, case.x, torch.nan), channel_ids=case.channel_ids)
    close(found, expected)


@checked
@given(
    case=cases(),
    value=st.sampled_from(GARBAGE),
    n_more=st.integers(1, 50),
    told=st.sampled_from(["nan", "valid", "lengths"]),
)
def test_padding_in_time_changes_nothing(
    model: BIOT, case: Case, value: float, n_more: int, told: str
) -> None:
    padding = torch.full((*case.x.shape[:2], n_more), torch.nan if told == "nan" else value)
    there = torch.full(padding.shape, told != "valid")
    lengths = case.lengths if told == "lengths" else torch.full_like(case.lengths, N_TIMES + n_more)
    if told != "lengths":
        case = replace(case, present=case.everywhere())
    padded = Case(
        torch.cat([case.x, padding.double()], dim=2),
        torch.cat([case.present, there], dim=2),
        case.channel_ids,
        lengths.clamp(max=case.x.shape[2] + n_more),
    )
    close(model(**padded.arguments()), model(**case.arguments()))
    for found, expected in zip(gradients(model, padded), gradients(model, case), strict=True):
        close(found, expected)


@checked
@given(case=cases(), value=st.sampled_from(GARBAGE), told=st.sampled_from(["nan", "id"]))
def test_an_absent_channel_equals_leaving_it_out(
    model: BIOT, case: Case, value: float, told: str
) -> None:
    sample = case.sample(0)
    there = sample.channel_ids[0] >= 0
    x, ids = sample.x.clone(), sample.channel_ids
    if told == "nan":  # the absent channels get rows that nobody uses, and no sample
        free = iter(sorted(set(range(N_KNOWN)) - set(ids[0].tolist())))
        ids = torch.tensor([[i if i >= 0 else next(free) for i in ids[0].tolist()]])
        value = float("nan")
    x[0, ~there] = value
    full = Case(x, sample.present, ids, sample.lengths)
    left = Case(x[:, there], sample.present[:, there], ids[:, there], sample.lengths)
    close(model(**full.arguments()), model(**left.arguments()))
    for found, expected in zip(gradients(model, full), gradients(model, left), strict=True):
        close(found, expected)


@checked
@given(case=cases(some_empty=True), fill=st.sampled_from((0.0, 1e4, float("nan"), float("inf"))))
def test_gradients_to_missing_samples_are_exactly_zero(
    model: BIOT, case: Case, fill: float
) -> None:
    there = case.everywhere()
    case.x = torch.where(there, case.x, fill).requires_grad_()
    scores = model(**case.arguments())
    scores[scores.isfinite()].square().sum().backward()
    assert case.x.grad is not None
    whole = scores.isfinite().all(dim=1)
    assert case.x.grad[whole].isfinite().all()
    assert (case.x.grad[whole][~there[whole]] == 0).all()
    touched = ~there.unfold(2, N_FFT, HOP).all(dim=3)
    only_dropped = torch.ones_like(there)
    for n in range(touched.shape[2]):  # a sample that sits in no whole token has no say
        only_dropped[:, :, n * HOP : n * HOP + N_FFT] &= touched[:, :, n : n + 1]
    assert (case.x.grad[whole][only_dropped[whole]] == 0).all()


@checked
@given(case=cases(with_gaps=False))
def test_with_nothing_missing_masks_change_nothing(model: BIOT, case: Case) -> None:
    n_samples, n_chans, n_times = case.x.shape
    masked = model(
        case.x,
        valid=torch.ones_like(case.x, dtype=torch.bool),
        channel_ids=torch.arange(n_chans).expand(n_samples, -1),
        lengths=torch.full((n_samples,), n_times),
    )
    close(masked, model(case.x))


@checked
@given(case=cases(some_empty=True))
def test_micro_batches_without_gradients_equal_the_path_with_gradients(
    model: BIOT, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model(**case.arguments())
    monkeypatch.setattr(encoder, "CACHED_TOKENS", 20)
    assert model.encoder.cached_batch_size(*case.x.shape[1:]) <= 20
    names = ("valid", "channel_ids", "lengths")
    with torch.no_grad():
        close(model(**case.arguments()), expected.detach())
        for name in names:  # each argument alone, so that parts stay aligned without the others
            one = {name: case.arguments()[name]}
            with torch.enable_grad():
                whole = model(case.x, **one).detach()
            close(model(case.x, **one), whole)


def test_a_sample_without_a_token_is_nan_and_leaves_the_others_alone(model: BIOT) -> None:
    x = torch.randn(3, 4, N_TIMES, dtype=torch.float64)
    expected = model(x)
    damaged = x.clone()
    damaged[1, :, ::N_FFT] = torch.nan
    damaged.requires_grad_()
    scores = model(damaged)
    assert scores[1].isnan().all()
    close(scores[[0, 2]], expected[[0, 2]])
    features = model(damaged, return_features=True)["features"]
    assert features[1].isnan().all()
    scores[[0, 2]].square().sum().backward()
    assert damaged.grad is not None
    assert damaged.grad[[0, 2]].isfinite().all()
    for ways in (
        {"lengths": torch.tensor([N_TIMES, N_FFT - 1, N_TIMES])},
        {"lengths": torch.tensor([N_TIMES, 0, N_TIMES])},
        {"channel_ids": torch.tensor([[0, 1, 2, 3], [-1] * 4, [0, 1, 2, 3]])},
    ):
        scores = model(x, **ways)
        assert scores[1].isnan().all()
        close(scores[[0, 2]], expected[[0, 2]])


@pytest.mark.parametrize("way", ["NaN", "valid", "lengths", "channel_ids"])
def test_a_sample_without_a_token_that_the_loss_leaves_out_spoils_no_gradient(
    model: BIOT, way: str
) -> None:
    x = torch.randn(3, 4, N_TIMES, dtype=torch.float64)
    parameters = list(model.parameters())
    expected = torch.autograd.grad(model(x[[0, 2]]).square().sum(), parameters)
    given: dict[str, Tensor] = {}
    if way == "NaN":
        x[1] = torch.nan
    elif way == "valid":
        given["valid"] = torch.tensor([True, False, True])[:, None, None].expand(x.shape)
    elif way == "lengths":
        given["lengths"] = torch.tensor([N_TIMES, 0, N_TIMES])
    else:
        given["channel_ids"] = torch.tensor([[0, 1, 2, 3], [-1] * 4, [0, 1, 2, 3]])
    scores = model(x, **given)
    assert scores[1].isnan().all()
    loss = scores[scores.isfinite()].square().sum()
    for found, clean in zip(torch.autograd.grad(loss, parameters), expected, strict=True):
        close(found, clean)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_flat_channels_give_numbers_and_finite_gradients(model: BIOT, value: float) -> None:
    x = torch.full((2, 4, N_TIMES), value, dtype=torch.float64)
    x[1, 1:] = torch.randn(3, N_TIMES, dtype=torch.float64)
    x.requires_grad_()
    ids = torch.tensor([[0, 1, 2, -1], [3, 2, 1, 0]])
    scores = model(x, channel_ids=ids)
    assert scores.isfinite().all()
    scores.square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_a_channel_row_that_no_sample_uses_gets_no_gradient(model: BIOT) -> None:
    x = torch.randn(2, 3, N_TIMES, dtype=torch.float64)
    scores = model(x, channel_ids=torch.tensor([[-1, 3, 1], [4, -1, 1]]))
    table = model.encoder.channel_tokens.weight
    (grad,) = torch.autograd.grad(scores.square().sum(), [table])
    assert (grad.abs().sum(dim=1) > 0).tolist() == [False, True, False, True, True]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"channel_ids": [[0, 1, 1]]}, ChannelError, "names a channel twice in one sample"),
        ({"channel_ids": [[0, 1, 5]]}, ChannelError, r"must lie in −1 \(absent\) to 4, got 0 to 5"),
        ({"channel_ids": [[0, 1, -2]]}, ChannelError, r"must lie in −1 \(absent\) to 4, got -2 to"),
        ({"channel_ids": [[0.0, 1.0, 2.0]]}, ChannelError, r"must be integers, got torch.float32"),
        ({"channel_ids": [[True, False, True]]}, ChannelError, r"must be integers, got torch.bool"),
        ({"channel_ids": [0, 1, 2]}, ConfigError, r"channel_ids must have shape \(1, 3\), got \(3"),
        ({"lengths": [[70]]}, ConfigError, r"lengths must have shape \(1,\), got \(1, 1\)"),
        ({"lengths": [70.0]}, ConfigError, r"lengths must be integers, got torch.float32"),
        ({"lengths": [True]}, ConfigError, r"lengths must be integers, got torch.bool"),
        ({"lengths": [-1]}, ConfigError, r"lengths must lie in 0 to 70.*got -1 to -1"),
        ({"lengths": [71]}, ConfigError, r"lengths must lie in 0 to 70.*got 71 to 71"),
        ({"valid": [[True] * 3]}, ConfigError, r"valid must have shape \(1, 3, 70\), got \(1, 3\)"),
        ({"valid": [[[1] * 70] * 3]}, ConfigError, r"valid must be bool, got torch.int64"),
        ({"valid": [[[1.0] * 70] * 3]}, ConfigError, r"valid must be bool, got torch.float32"),
    ],
)
def test_wrong_masks_say_what_is_wrong(
    model: BIOT, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    x = torch.randn(1, 3, N_TIMES, dtype=torch.float64)
    given = {name: torch.tensor(value) for name, value in arguments.items()}
    with pytest.raises(error, match=message):
        model(x, **given)


def test_signals_that_are_no_real_numbers_or_no_channels_are_refused(model: BIOT) -> None:
    with pytest.raises(ConfigError, match=r"x must hold floating-point numbers, got torch.int64"):
        model(torch.ones(1, 3, N_TIMES, dtype=torch.int64))
    for shape in ((1, 0, N_TIMES), (0, 3, N_TIMES)):
        with pytest.raises(
            ConfigError, match=rf"x must be \(batch.*got shape \({shape[0]}, {shape[1]}"
        ):
            model(torch.ones(shape))


def test_an_infinite_sample_in_a_dropped_token_has_no_influence(model: BIOT) -> None:
    x = torch.randn(1, 2, N_TIMES, dtype=torch.float64)
    x[0, 1, :HOP] = torch.nan
    expected = model(x)
    x[0, 1, 1:HOP] = torch.inf
    close(model(x), expected)


def test_ids_of_any_integer_type_are_the_same(model: BIOT) -> None:
    x = torch.randn(2, 3, N_TIMES, dtype=torch.float64)
    ids = torch.tensor([[2, 0, -1], [1, 3, 4]])
    expected = model(x, channel_ids=ids)
    for dtype in (torch.int8, torch.int16, torch.int32):
        close(model(x, channel_ids=ids.to(dtype)), expected)


def mixed_batch(dtype: torch.dtype, n_chans: int = 4, n_times: int = N_TIMES) -> dict[str, Tensor]:
    """Three samples with a gap told by NaN, one by `valid`, an absent channel and padding."""
    torch.manual_seed(1)
    x = torch.randn(3, n_chans, n_times, dtype=dtype)
    x[0, 1, 30] = torch.nan
    valid = torch.ones(x.shape, dtype=torch.bool)
    valid[1, 0, 5:9] = False
    ids = torch.stack([torch.randperm(N_KNOWN)[:n_chans] for _ in range(3)])
    ids[2, 0] = -1
    lengths = torch.tensor([n_times, n_times, n_times - 15])
    return {"x": x, "valid": valid, "channel_ids": ids, "lengths": lengths}


@pytest.mark.parametrize("way", ["autocast", "bfloat16"])
def test_half_width_numbers_with_masks_agree_and_stay_finite(model: BIOT, way: str) -> None:
    batch = mixed_batch(torch.float32)
    expected = copy.deepcopy(model).float()(**batch)
    half = copy.deepcopy(model).to(torch.bfloat16 if way == "bfloat16" else torch.float32)
    if way == "bfloat16":
        batch["x"] = batch["x"].bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        found = half(**batch).float()
    scale = expected.abs().max().item()
    torch.testing.assert_close(found, expected, atol=3e-2 * scale, rtol=0)
    found.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in half.parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex")
@pytest.mark.parametrize(
    ("backend", "tolerance"),
    [
        ("aot_eager", 1e-9),
        pytest.param(
            "inductor",
            1e-6,
            marks=pytest.mark.skipif(
                shutil.which("g++") is None or " " in sys.prefix,
                reason="inductor needs a C++ compiler, and an environment whose path has no space",
            ),
        ),
    ],
)
@pytest.mark.no_cover  # being traced takes half as long again, and other tests cover the same
def test_the_compiled_graph_is_whole_and_agrees_with_masks(
    model: BIOT, backend: str, tolerance: float
) -> None:
    """Inductor's own sine and cosine of the float32 positions differ in the last place."""
    torch._dynamo.reset()
    del model.encoder.transformer.layers.layers[1:]  # more of the same takes long to compile
    compiled = torch.compile(model, fullgraph=True, backend=backend, dynamic=True)
    for n_chans, n_times in ((4, N_TIMES), (3, 61)):
        batch = mixed_batch(torch.float64, n_chans, n_times)
        found, expected = compiled(**batch), model(**batch)
        close(found.detach(), expected.detach(), tolerance)
        parameters = list(model.parameters())
        for ours, theirs in zip(
            torch.autograd.grad(found.square().sum(), parameters),
            torch.autograd.grad(expected.square().sum(), parameters),
            strict=True,
        ):
            close(ours, theirs, tolerance)


def test_the_exported_graph_takes_masks_and_other_sizes(model: BIOT) -> None:
    batch, channels, times = (torch.export.Dim.DYNAMIC for _ in range(3))
    given = mixed_batch(torch.float64)
    sizes = {
        "x": {0: batch, 1: channels, 2: times},
        "valid": {0: batch, 1: channels, 2: times},
        "channel_ids": {0: batch, 1: channels},
        "lengths": {0: batch},
    }
    exported = torch.export.export(model, (given.pop("x"),), given, dynamic_shapes=sizes).module()
    for n_chans, n_times in ((4, N_TIMES), (2, 61), (5, 400)):
        batch_of = mixed_batch(torch.float64, n_chans, n_times)
        x = batch_of.pop("x")
        close(exported(x, **batch_of), model(x, **batch_of))
