"""Facts of braindecode's BIOT: names, shapes, order, attributes, hooks, scores.

    PYTHONPATH=../shared/peers/stub:src peer/bin/python benchmarks/reference_facts.py
    PYTHONPATH=../shared/peers/stub:src peer/bin/python benchmarks/reference_facts.py --record

in an environment with braindecode 1.8.1. The first line compares ours with the reference live, a
row a configuration, and exits with 1 where they differ; the second writes the reference's facts to
``tests/model/reference_facts.json``, with which the tests compare where braindecode is absent. They
are numbers and names: weights are drawn from a seed, parameter by parameter, in their order.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch import nn

FACTS = Path(__file__).resolve().parents[1] / "tests" / "model" / "reference_facts.json"
SMALL: dict[str, Any] = {"embed_dim": 32, "num_heads": 4, "num_layers": 2, "n_outputs": 3}
CASES: dict[str, dict[str, Any]] = {
    "small": {**SMALL, "n_chans": 4, "n_times": 800},
    "one layer, hop 200": {
        **SMALL, "num_layers": 1, "n_chans": 2, "n_times": 1000, "hop_length": 200,
    },
    "125 Hz by seconds": {**SMALL, "n_chans": 3, "input_window_seconds": 4.0, "sfreq": 125},
    "below a second": {**SMALL, "n_chans": 9, "n_times": 128, "hop_length": 16},
    "tuple": {**SMALL, "n_chans": 4, "n_times": 600, "return_feature": True},
    "no layer": {**SMALL, "num_layers": 0, "n_chans": 2, "n_times": 400},
}  # fmt: skip
HELPERS = ("local_attn",)
"""Parts of the reference's dependency that hold nothing and do nothing here."""
ATTRIBUTES = (
    "embed_dim", "num_heads", "num_layers", "hop_length", "return_feature", "n_outputs", "n_chans",
    "n_times", "sfreq", "input_window_seconds", "n_fft", "drop_prob", "max_seq_len",
    "att_drop_prob", "att_layer_drop_prob", "mapping", "input_shape",
)  # fmt: skip
ENCODER_ATTRIBUTES = ("n_fft", "hop_length")


def draw_weights(model: nn.Module) -> None:
    """Every parameter from one seed, in the order of the parameters."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=draw))


def facts(cls: type[nn.Module], case: dict[str, Any]) -> dict[str, Any]:
    """What a model of this class says of itself, as JSON holds it."""
    torch.manual_seed(0)
    model: Any = cls(**case)
    drawn_at_first = {name: p.double().abs().sum().item() for name, p in model.named_parameters()}
    draw_weights(model)
    model.eval()
    x = torch.randn(3, model.n_chans, model.n_times, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        scores = model(x)
        features = model.encoder(x)
        offset = model.encoder(x[:, :1], n_channel_offset=1)
        torch.manual_seed(3)
        # Of one token a channel the reference keeps none, and fails.
        perturbed = model.encoder(x, perturb=model.n_times > 200)
    return {
        "modules": [
            name for name, _ in model.named_modules() if not set(HELPERS) & set(name.split("."))
        ],
        "state_dict": {name: list(tensor.shape) for name, tensor in model.state_dict().items()},
        "parameters": [name for name, _ in model.named_parameters()],
        "buffers": {name: list(tensor.shape) for name, tensor in model.named_buffers()},
        "attributes": {name: _plain(getattr(model, name)) for name in ATTRIBUTES},
        "encoder": {name: getattr(model.encoder, name) for name in ENCODER_ATTRIBUTES},
        "output_shape": _output_shape(model),
        "drawn_at_first": drawn_at_first,
        "called": called(model, x),
        "scores": [t.tolist() for t in (scores if isinstance(scores, tuple) else (scores,))],
        "features": features.tolist(),
        "offset": offset.tolist(),
        "perturbed": perturbed.tolist(),
    }


def called(model: nn.Module, x: torch.Tensor) -> list[str]:
    """Modules whose forward hooks fire in a call, in the order of the tree."""
    return [name for name, n in hook_calls(model, x).items() if n]


def hook_calls(model: nn.Module, x: torch.Tensor) -> dict[str, int]:
    """How often the forward hook of each module fires in one call without gradients."""
    seen: Counter[str] = Counter()
    handles = [
        module.register_forward_hook(lambda *_, name=name: seen.update([name]))
        for name, module in model.named_modules()
        if not set(HELPERS) & set(name.split("."))
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return {name: seen[name] for name, _ in model.named_modules() if name in seen}


def _output_shape(model: Any) -> list[int] | None:
    return None if model.return_feature else list(model.get_output_shape())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Facts that differ: names, shapes and attributes at all, numbers by more than 1e-4."""
    found = []
    for name, expected in theirs.items():
        if name in ("scores", "features", "offset", "perturbed"):
            for one, other in zip(_tensors(ours[name]), _tensors(expected), strict=True):
                scale = max(1.0, other.abs().max().item())
                if one.shape != other.shape or (one - other).abs().max() > 1e-4 * scale:
                    found.append(name)
        elif name == "drawn_at_first":
            if {k: round(v, 2) for k, v in ours[name].items()} != {
                k: round(v, 2) for k, v in expected.items()
            }:
                found.append(name)
        elif ours[name] != expected or (
            isinstance(expected, dict) and list(ours[name]) != list(expected)
        ):
            found.append(name)
    return found


def _tensors(value: list[Any]) -> list[torch.Tensor]:
    """Scores are a list of tensors of any shape, the others one tensor."""
    nested = isinstance(value[0], list) and isinstance(value[0][0], list)
    return [torch.tensor(v) for v in (value if nested else [value])]


def main() -> int:
    """Compare live, or record."""
    from braindecode.models import BIOT as Theirs  # noqa: N811  # its name there

    from biot import BIOT

    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    args = parser.parse_args()
    expected = {name: facts(Theirs, case) for name, case in CASES.items()}
    if args.record:
        FACTS.write_text(json.dumps(expected, separators=(",", ":")) + "\n", encoding="utf-8")
        print(f"{len(expected)} configurations -> {FACTS.name}")
        return 0
    failed = 0
    for name, case in CASES.items():
        found = differences(facts(BIOT, case), expected[name])
        failed += bool(found)
        print(f"{name:<20} {'differs in ' + ', '.join(found) if found else 'the same'}")
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
