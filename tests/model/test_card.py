"""A model card shows what it quotes, and does nothing else with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from biot.model.biot import BIOT
from biot.preprocessing import Preprocessing

yaml = pytest.importorskip("yaml")

LABELS = ("a|b", "`code`", "<script>alert(1)</script>", "[here](javascript:x)\n\n# Title", "x_y")
FIELDS = {
    "license": "mit: no\n---\nx: !!python/object/apply:os.system [ls]",
    "base_model": "a\n---\nb # c",
    "tags": ["- x", "'", '"#', "yes", "null", "{a: b}", "&a *b", "1e3"],
}


@pytest.fixture
def card(tmp_path: Path) -> str:
    model = BIOT(
        n_chans=1, n_outputs=len(LABELS), n_times=400, sfreq=200, embed_dim=16, num_heads=2,
        num_layers=1,
    )  # fmt: skip
    contract = Preprocessing(sfreq=200, window=2.0, ch_names=("C3",), units=("µV",))
    model.save_pretrained(
        tmp_path / 'm"odel', preprocessing=contract.with_labels(LABELS), corpora=["c|`d`\n---\n"],
        metrics={"test <b>AUROC</b> | `x`": 0.5}, model_card_kwargs=FIELDS,
    )  # fmt: skip
    return (tmp_path / 'm"odel' / "README.md").read_text(encoding="utf-8")


def test_the_header_comes_back_from_a_parser_of_yaml(card: str) -> None:
    header = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert header is not None
    ours = {"library_name": "biot", "pipeline_tag": "other"}
    assert yaml.safe_load(header[1]) == {**FIELDS, **ours}


def test_names_stay_in_their_cell_and_are_no_markup(card: str) -> None:
    lines = card.splitlines()
    (classes,) = (line for line in lines if line.startswith("| Classes |"))
    assert classes == (
        r"| Classes | a\|b, \`code\`, &lt;script&gt;alert(1)&lt;/script&gt;, "
        r"\[here\](javascript:x) # Title, x_y |"
    )
    assert r"| test &lt;b&gt;AUROC&lt;/b&gt; \| \`x\` | 0.5 |" in lines
    assert r"| Corpora | c\|\`d\` --- |" in lines
    assert [line for line in lines if line.startswith("#")] == [
        "# BIOT, the biosignal transformer", "## Metrics", "## Intended use",
        "## Training data and populations", "## Overlaps", "## Limits", "## Licence", "## Use",
    ]  # fmt: skip
    assert "<" not in card.partition("\n# BIOT")[2]


def test_escape_sequences_do_not_reach_the_terminal_that_shows_the_card(tmp_path: Path) -> None:
    model = BIOT(
        n_chans=1, n_outputs=2, n_times=400, sfreq=200, embed_dim=16, num_heads=2, num_layers=1
    )
    contract = Preprocessing(sfreq=200, window=2.0, ch_names=("C3",), units=("µV",))
    model.save_pretrained(tmp_path, preprocessing=contract.with_labels(("\x1b[2Ja", "b")))
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "\x1b" not in card
    assert r"| Classes | \x1b\[2Ja, b |" in card


def test_the_example_opens_the_folder_whatever_it_is_called(card: str) -> None:
    assert r'model = BIOT.from_pretrained("m\"odel")' in card


def test_a_licence_is_unknown_until_somebody_states_it(tmp_path: Path) -> None:
    model = small("C3", "ECG", "wrist ACC X")
    cards = [
        saved(model, tmp_path / "a"),
        saved(model, tmp_path / "b", model_card_kwargs={"license": "cc-by-4.0"}),
    ]
    headers = [yaml.safe_load(card.split("---\n")[1]) for card in cards]
    assert [header["license"] for header in headers] == ["unknown", "cc-by-4.0"]
    assert headers[0]["tags"] == ["biot", "biosignals", "eeg", "ecg", "accelerometer"]
    assert headers[0]["pipeline_tag"] == "feature-extraction"
    assert "Of the weights: not said by who saved this model." in cards[0]
    assert "Of the weights: cc-by-4.0." in cards[1]
    for card in cards:
        assert "The licence of the software (BSD-3-Clause) is not theirs" in card


def test_a_card_says_whom_the_training_data_are_of_and_what_is_unknown(tmp_path: Path) -> None:
    model = small("C3", "C4", "O1")
    told = saved(
        model, tmp_path / "a", corpora=["mine", "owner/set"],
        population={"Subjects": "24", "Ages": "18 to 26"},
    )  # fmt: skip
    assert "- Subjects: 24\n- Ages: 18 to 26\n- Sex: unknown: corpora keep none" in told
    assert yaml.safe_load(told.split("---\n")[1])["datasets"] == ["owner/set"]
    untold = saved(model, tmp_path / "b")
    assert "- Corpora: not said by who saved this model\n- Subjects: not said" in untold
    assert "datasets" not in yaml.safe_load(untold.split("---\n")[1])
    for sentence in ("Not for decisions about patients.", "listed by checksum", "nothing outside"):
        assert sentence in untold


def small(*channels: str) -> BIOT:
    return BIOT(
        channels=channels, n_outputs=2, n_times=400, sfreq=200, embed_dim=16, num_heads=2,
        num_layers=1,
    )  # fmt: skip


def saved(model: BIOT, folder: Path, **words: Any) -> str:
    model.save_pretrained(folder, **words)
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("task", "purpose", "limit", "row"),
    [
        ("classes", "To tell age, sex apart in windows", "one of the model's classes", "Classes"),
        ("multilabel", "To say which of age, sex hold in windows", "Each tag is decided", "Tags"),
        ("regression", "To estimate age, sex from windows", "gets numbers, also one", "Numbers"),
    ],
)
def test_a_card_speaks_of_classes_of_tags_or_of_numbers(
    tmp_path: Path, task: Any, purpose: str, limit: str, row: str
) -> None:
    model = BIOT(
        n_chans=1, n_outputs=2, n_times=400, sfreq=200, embed_dim=16, num_heads=2, num_layers=1
    )
    contract = Preprocessing(sfreq=200, window=2.0, ch_names=("C3",), units=("µV",), task=task)
    model.save_pretrained(tmp_path / "m", preprocessing=contract.with_labels(("age", "sex")))
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert purpose in card
    assert limit in card
    assert f"| {row} | age, sex |\n" in card
    others = {"Classes", "Tags", "Numbers", "Outputs"} - {row}
    assert not [name for name in others if f"| {name} |" in card]
    assert ("| Decision |" in card) == (task != "regression")


def test_a_card_of_an_encoder_speaks_of_outputs_alone(tmp_path: Path) -> None:
    model = BIOT(
        n_chans=1, n_outputs=2, n_times=400, sfreq=200, embed_dim=16, num_heads=2, num_layers=1
    )
    model.save_pretrained(tmp_path / "m")
    card = (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    assert "To get features of windows" in card
    assert "`biot finetune --from` and `BIOTTransformer` start from it." in card
    assert "biot predict" not in card
    assert "| Outputs | 2 |" in card
    assert "class" not in card
