"""A model card shows what it quotes, and does nothing else with it."""

from __future__ import annotations

import re
from pathlib import Path

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
    assert yaml.safe_load(header[1]) == {**FIELDS, "library_name": "biot"}


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
        "# BIOT, the biosignal transformer", "## Metrics", "## Use",
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
