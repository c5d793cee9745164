"""Losses of the supervised objective: against PyTorch's, and stable where those of p are not."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from biot.corpus.batch import Batch
from biot.errors import ConfigError
from biot.model import BIOT
from biot.training.distributed import launch
from biot.training.gradients import GradientContext
from biot.training.pretraining.supervised import (
    HeadSpec,
    SupervisedModel,
    SupervisedObjective,
    focal_bce,
    focal_cross_entropy,
)


def test_without_gamma_they_are_pytorchs():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(0, 4, (6,), generator=generator)
    tags = torch.randint(0, 2, (6, 4), generator=generator).double()
    expected = F.cross_entropy(scores, classes, reduction="none")
    assert torch.allclose(focal_cross_entropy(scores, classes), expected)
    expected = F.binary_cross_entropy_with_logits(scores, tags, reduction="none").mean(1)
    assert torch.allclose(focal_bce(scores, tags), expected)


def test_with_gamma_they_are_the_formula():
    scores = torch.tensor([[0.3, -1.2, 2.0]], dtype=torch.float64)
    p = scores.softmax(1)[0, 2]
    found = focal_cross_entropy(scores, torch.tensor([2]), 2.0)
    assert float(found) == pytest.approx(float(-((1 - p) ** 2) * p.log()))
    tags = torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64)
    p_true = torch.where(tags > 0, scores.sigmoid(), 1 - scores.sigmoid())
    found = focal_bce(scores, tags, 1.5)
    assert float(found) == pytest.approx(float((-((1 - p_true) ** 1.5) * p_true.log()).mean()))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("size", [0.0, 40.0, 200.0, -200.0])
def test_sure_scores_give_finite_losses_and_gradients(gamma: float, size: float):
    scores = torch.tensor([[size, 0.0]], requires_grad=True)
    loss = focal_cross_entropy(scores, torch.tensor([0]), gamma) + focal_bce(
        scores, torch.tensor([[1.0, 0.0]]), gamma
    )
    loss.sum().backward()
    assert loss.isfinite().all()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    if size < 0:
        assert float(loss.detach()) > 200  # a sure mistake still costs


def test_a_regression_is_refused_with_a_way_out():
    with pytest.raises(ConfigError, match=r"Corpus gait is for regression.*contrastive"):
        HeadSpec(name="gait", task="regression", label_names=("speed",), columns=(0,))
    with pytest.raises(ConfigError, match=r"Corpus c has 1 label names.*needs 2 or more"):
        HeadSpec(name="c", task="classes", label_names=("a",), columns=(0,))


def make_task(task: str) -> SupervisedObjective:
    """Two corpora; of the labels a, b, c, d the first has c and a, the second a, d and b."""
    torch.manual_seed(0)
    model = BIOT(n_outputs=1, n_chans=2, n_times=100, sfreq=50, n_fft=50, hop_length=25,
                 embed_dim=16, num_heads=2, num_layers=1, drop_prob=0,
                 att_layer_drop_prob=0)  # fmt: skip
    specs = (
        HeadSpec(
            name="first",
            task="classes" if task == "both" else task,
            label_names=("c", "a"),
            columns=(2, 0),
        ),
        HeadSpec(
            name="second",
            task="multilabel" if task == "both" else task,
            label_names=("a", "d", "b"),
            columns=(0, 3, 1),
        ),
    )
    return SupervisedObjective(module=SupervisedModel(model.encoder, specs).double(), specs=specs)


def make_batch(label: torch.Tensor, corpus: list[int]) -> Batch:
    signal = torch.randn(len(corpus), 2, 100, dtype=torch.float64, generator=torch.Generator())
    return Batch(
        signal=signal,
        valid=~signal.isnan(),
        channel_ids=torch.arange(2).expand(len(corpus), 2),
        lengths=torch.full((len(corpus),), 100),
        label=label,
        corpus=torch.tensor(corpus),
        index=torch.arange(len(corpus)),
    )


nan = float("nan")


@pytest.mark.parametrize(
    ("kind", "label", "corpus", "targets"),
    [
        # (window, head, target as the head counts)
        (
            "classes",
            [2, -1, 3, 0, 0],
            [0, 0, 1, 1, 0],
            [(0, 0, 0), (2, 1, 1), (3, 1, 0), (4, 0, 1)],
        ),
        ("classes", [1, 3], [1, 1], [(0, 1, 2), (1, 1, 1)]),  # the first corpus is missing
        (
            "multilabel",
            [[1, 0, 0, 0], [0, 1, 0, 1], [nan] * 4],
            [0, 1, 1],
            [(0, 0, [0.0, 1.0]), (1, 1, [0.0, 1.0, 1.0])],
        ),
        (  # each corpus says nothing of the other's labels
            "multilabel",
            [[1, nan, 0, nan], [0, 1, nan, 1], [nan] * 4],
            [0, 1, 1],
            [(0, 0, [0.0, 1.0]), (1, 1, [0.0, 1.0, 1.0])],
        ),
        (  # classes beside tags
            "both",
            [[1, nan, 0, nan], [0, 1, nan, 1], [nan, 0, nan, 0]],
            [0, 1, 0],
            [(0, 0, 1), (1, 1, [0.0, 1.0, 1.0])],
        ),
    ],
)
def test_the_loss_is_the_mean_over_the_labelled_windows_of_their_heads(
    kind, label, corpus, targets
):
    task, batch = make_task(kind), make_batch(torch.tensor(label), corpus)
    fabric = launch("cpu", "32")
    context = GradientContext(fabric=fabric, model=fabric.setup(task.module), seed=0)
    with torch.random.fork_rng():
        task.micro_batch = lambda *_: 2
        outcome = task.gradient(context, batch, 0)
    found = {name: p.grad.clone() for name, p in task.module.named_parameters()}

    task.module.zero_grad()
    features = task.module.encoder(batch.signal)
    losses, right = [], []
    for window, head, target in targets:
        scores = task.module.heads[head](features[window : window + 1])
        if not isinstance(target, list):
            losses.append(F.cross_entropy(scores, torch.tensor([target])))
            right.append(scores.argmax().item() == target)
        else:
            wanted = torch.tensor([target], dtype=torch.float64)
            losses.append(F.binary_cross_entropy_with_logits(scores, wanted))
            right += ((scores > 0) == (wanted > 0.5)).flatten().tolist()
    loss = torch.stack(losses).mean()
    loss.backward()
    assert float(outcome.loss) == pytest.approx(float(loss.detach()), rel=1e-12)
    assert outcome.top1() == pytest.approx(sum(right) / len(right))
    for name, parameter in task.module.named_parameters():
        expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        assert torch.allclose(found[name], expected, rtol=0, atol=1e-9), name


def test_a_batch_without_any_label_has_no_loss_and_no_gradient():
    task, batch = make_task("classes"), make_batch(torch.tensor([-1, -1]), [0, 1])
    fabric = launch("cpu", "32")
    with torch.random.fork_rng():
        context = GradientContext(fabric=fabric, model=fabric.setup(task.module), seed=0)
        task.micro_batch = lambda *_: 2
        outcome = task.gradient(context, batch, 0)
    assert float(outcome.loss) == 0
    assert all(not p.grad.any() for p in task.module.parameters())
