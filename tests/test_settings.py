"""Settings: every field of every class refuses, by name, what it cannot be."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from dataclasses import MISSING, asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import biot
from biot.corpus.builder.settings import PrepareConfig
from biot.errors import ConfigError, near_word
from biot.settings import (
    Setting,
    Settings,
    configured,
    documented,
    setting,
    settings_of,
    takes_settings,
)
from biot.training.finetuning.config import FinetuneConfig
from biot.training.pretraining.config import PretrainConfig
from biot.training.settings import TrainingSettings

REQUIRED: dict[type[Settings], dict[str, Any]] = {
    FinetuneConfig: {},
    PretrainConfig: {},
    PrepareConfig: {"sfreq": 100, "window": 2},
}
FIELDS = [
    pytest.param(kind, one, id=f"{kind.__name__}.{one.name}")
    for kind in REQUIRED
    for one in settings_of(kind)
]
NUMBERS = [param for param in FIELDS if param.values[1].kind in ("whole", "number")]
CHOICES = [param for param in FIELDS if param.values[1].kind == "choice"]


def made(kind: type[Settings], one: Setting, value: Any) -> Any:
    """The value that a class keeps for one of its settings."""
    together: dict[str, Any] = {}
    if kind is PretrainConfig and one.name == "patience":
        together = {"objective": "supervised", "valid_share": 0.2}
    elif one.name == "label_threshold":
        together = {"labels": "codes.csv"}
    return getattr(kind(**REQUIRED[kind] | together | {one.name: value}), one.name)


def refusal(kind: type[Settings], one: Setting, value: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        made(kind, one, value)
    return str(caught.value)


def test_every_field_is_a_setting_with_a_help_that_is_a_sentence():
    for kind in REQUIRED:
        names = [one.name for one in settings_of(kind)]
        assert sorted(names) == sorted(field.name for field in fields(kind))
        assert all(one.help.endswith(".") for one in settings_of(kind))


def test_what_a_class_of_settings_inherits_comes_after_its_own():
    for kind in (FinetuneConfig, PretrainConfig):
        shared = [one.name for one in settings_of(TrainingSettings)]
        assert [one.name for one in settings_of(kind)][-len(shared) :] == shared


@pytest.mark.parametrize(("kind", "one"), FIELDS)
def test_none_is_taken_where_it_has_a_meaning_and_refused_by_name_elsewhere(kind, one):
    if one.optional:
        assert made(kind, one, None) is None
    else:
        text = refusal(kind, one, None)
        assert text.startswith(f"{one.name} must be {one.allowed}")
        assert "got None." in text


@pytest.mark.parametrize(("kind", "one"), FIELDS)
def test_nan_is_refused_by_name(kind, one):
    text = refusal(kind, one, float("nan"))
    assert text.startswith(f"{one.name} must be ")
    assert "got nan." in text


@pytest.mark.parametrize(("kind", "one"), FIELDS)
def test_values_of_wrong_types_are_refused_by_name(kind, one):
    wrong: list[Any] = [object(), [], {}, b"1", 1j]
    wrong += [True, "1", "fast"] if one.kind in ("whole", "number") else []
    wrong += [2.5, 2.0, np.float32(3)] if one.kind == "whole" else []
    wrong += [0, 1, "True"] if one.kind == "switch" else []
    wrong += [3, 2.5, True] if one.kind in ("choice", "text", "word or table", "names") else []
    wrong += ["label", [""], [3]] if one.kind == "names" else []
    for value in wrong:
        text = refusal(kind, one, value)
        assert text.startswith(f"{one.name} must be {one.allowed}")
        assert f"got {value!r}." in text


@pytest.mark.parametrize(("kind", "one"), NUMBERS)
def test_numbers_outside_their_bounds_are_refused_with_the_bounds(kind, one):
    least, above, most, below = one.bounds
    assert least is not None or above is not None, "every number has a lower bound"
    outside = [edge for edge in (above, below) if edge is not None]
    outside += [least - 1] if least is not None else []
    outside += [most + 1] if most is not None else []
    for value in outside:
        assert f"{one.name} must be {one.range}, got {value}." == refusal(kind, one, value)
    if one.kind == "number":
        assert refusal(kind, one, float("inf")) == f"{one.name} must be finite, got inf."
        assert "must be finite" in refusal(kind, one, 10**400)


@pytest.mark.parametrize(("kind", "one"), CHOICES)
def test_an_unknown_word_is_refused_with_all_that_are_known_and_the_near_one(kind, one):
    word = one.choices[-1]
    mistyped = word[:-1] + "_" if len(word) > 3 else word + "_"
    text = refusal(kind, one, mistyped)
    known = ", ".join(one.choices)
    assert text.startswith(f"{one.name} must be one of {known}; got {mistyped!r}.")
    assert any(f"Did you mean {choice!r}?" in text for choice in one.choices)
    assert "Did you mean" not in refusal(kind, one, "§§§§")


@pytest.mark.parametrize(("kind", "one"), NUMBERS)
def test_scalars_of_numpy_become_numbers_of_python(kind, one):
    value = one.default if isinstance(one.default, int | float) else 1
    value = value if one.bounds[3] is None or value < one.bounds[3] else 0.5
    scalar = np.int64(value) if one.kind == "whole" else np.float64(value)
    kept = made(kind, one, scalar)
    assert type(kept) is (int if one.kind == "whole" else float)
    assert kept == value


@pytest.mark.parametrize("kind", list(REQUIRED))
def test_the_defaults_are_allowed_and_json_can_hold_what_is_kept(kind):
    values = asdict(kind(**REQUIRED[kind]))
    assert json.loads(json.dumps(values)) == {**values, **_as_lists(values)}


def _as_lists(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) for name, value in values.items() if isinstance(value, tuple)}


def test_a_switch_of_numpy_and_a_fraction_are_taken():
    assert PretrainConfig(compile=np.bool_(True)).compile is True
    assert FinetuneConfig(valid_share=Fraction(1, 4)).valid_share == 0.25
    assert FinetuneConfig(mode=np.str_("head")).mode == "head"


def test_labels_are_one_of_the_words_or_a_table():
    def labels(value: Any) -> Any:
        return PrepareConfig(sfreq=1, window=1, labels=value).labels

    assert labels("folder") == "folder"
    assert labels("a/b.csv") == labels(Path("a/b.csv")) == Path("a/b.csv")
    message = r"labels must be .*; got 'annotation'\. Did you mean 'annotations'\?"
    with pytest.raises(ConfigError, match=message):
        labels("annotation")


# the machine itself -------------------------------------------------------------------------


@documented
@dataclass(frozen=True, kw_only=True)
class Oven(Settings):
    """How to bake."""

    heat: float = setting(help="Degrees of the oven.", above=0, most=300)
    minutes: int = setting(20, help="How long; longer with less `heat`.", least=1)


def test_the_docstring_lists_every_setting_with_bounds_and_default():
    assert inspect.getdoc(Oven) == (
        "How to bake.\n\nParameters\n----------\n"
        "heat : a number, above 0 and at most 300\n    Degrees of the oven.\n"
        "minutes : a whole number, 1 or more, default 20\n"
        "    How long; longer with less `heat`."
    )


def test_settings_are_frozen_and_replace_checks_again():
    oven = Oven(heat=180)
    with pytest.raises(dataclasses.FrozenInstanceError):
        oven.heat = 200  # type: ignore[misc]
    with pytest.raises(ConfigError, match="heat must be above 0 and at most 300, got 301"):
        dataclasses.replace(oven, heat=301)


def test_settings_come_as_an_object_or_as_keywords_and_never_as_both():
    assert configured(Oven, None, {"heat": 10}) == configured(Oven, Oven(heat=10), {})
    with pytest.raises(ConfigError, match="config and heat are both given"):
        configured(Oven, Oven(heat=10), {"heat": 10})
    with pytest.raises(ConfigError, match=r"There is no setting 'het'\. Did you mean 'heat'\?"):
        configured(Oven, None, {"het": 10})
    with pytest.raises(ConfigError, match="heat is not given: degrees of the oven"):
        configured(Oven, None, {"minutes": 10})
    with pytest.raises(ConfigError, match="config must be a Oven, got dict"):
        configured(Oven, {"heat": 10}, {})  # type: ignore[type-var]


def test_a_function_that_takes_settings_shows_them():
    @takes_settings(Oven)
    def bake(loaf: str, *, config: Oven | None = None, **settings: Any) -> None:
        """Bake."""

    shown = inspect.signature(bake)
    assert list(shown.parameters) == ["loaf", "config", "heat", "minutes"]
    assert shown.parameters["heat"].default is inspect.Parameter.empty
    assert shown.parameters["minutes"].default == 20
    assert "Other Parameters" in (bake.__doc__ or "")


@given(st.floats() | st.integers() | st.booleans() | st.text() | st.none())
def test_what_is_taken_lies_within_the_bounds_and_what_is_not_is_named(value):
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 < value <= 300:
        heat = Oven(heat=value).heat
        assert heat == value
        assert type(heat) is float
    else:
        with pytest.raises(ConfigError, match="heat must be "):
            Oven(heat=value)


@given(st.text() | st.integers().map(str))
def test_a_text_of_digits_is_a_whole_number_and_any_other_is_refused(text):
    minutes = next(one for one in settings_of(Oven) if one.name == "minutes")
    if re.fullmatch("[+-]?[0-9]+", text) and int(text) >= 1:
        assert minutes.parsed(text) == int(text)
    else:
        with pytest.raises(ConfigError, match=re.escape(f"got {text!r}.")):
            minutes.parsed(text)


def test_required_settings_have_no_default():
    missing = [one.name for one in settings_of(PrepareConfig) if one.default is MISSING]
    assert missing == []  # sfreq, and window or epoch, may come from a layout


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("annotation", ("none", "annotations"), "annotations"),
        ("accuracy", ("auroc", "balanced_accuracy"), "balanced_accuracy"),
        ("--sfrq", ("--scale", "--sfreq"), "--sfreq"),
        ("--lr", ("--help", "--learning-rate"), None),
        ("FULL", ("full", "head"), "full"),
        ("gpu", ("cpu", "cuda"), None),
        ("", ("cpu",), None),
    ],
)
def test_the_near_word_is_found(word, known, found):
    assert near_word(word, known) == ("" if found is None else f" Did you mean {found!r}?")


# the functions ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "wrong", "message"),
    [
        (biot.finetune, {"epoch": 8}, "There is no setting 'epoch'. Did you mean 'epochs'?"),
        (biot.finetune, {"epochs": 0}, "epochs must be 1 or more, got 0."),
        (biot.finetune, {"config": FinetuneConfig(), "epochs": 8}, "config and epochs are both"),
        (biot.pretrain, {"step": 8}, "There is no setting 'step'. Did you mean 'steps'?"),
        (biot.pretrain, {"config": PretrainConfig(), "steps": 8}, "config and steps are both"),
        (biot.prepare, {"window": 1, "layout": "none"}, "sfreq is not given, and nothing else"),
        (biot.prepare, {"sfreq": 1, "window": 1, "stridee": 1}, "Did you mean 'stride'?"),
    ],
)
def test_functions_take_settings_as_keywords_and_refuse_others_first(
    function, wrong, message, tmp_path
):
    with pytest.raises(ConfigError) as caught:
        function(tmp_path / "corpus", tmp_path / "out", **wrong)
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_help_of_the_functions_lists_the_settings():
    for function, kind in (
        (biot.finetune, FinetuneConfig),
        (biot.pretrain, PretrainConfig),
        (biot.prepare, PrepareConfig),
    ):
        names = {one.name for one in settings_of(kind)}
        assert names <= inspect.signature(function).parameters.keys()
        assert all(f"\n{name} : " in (function.__doc__ or "") for name in names)
