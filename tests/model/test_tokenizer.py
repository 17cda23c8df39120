"""The built-in tokenizer takes every text, tells different texts apart, and learns from training instructions alone."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_vla.core.errors import CheckpointError, DataError
from mobile_vla.model.tokenizer import TextTokenizer, train_tokenizer, training_texts
from mobile_vla.task.instructions import all_instructions
from mobile_vla.task.scenarios import SCENARIOS

TOKENIZER = train_tokenizer()
SPOKEN = st.text(alphabet=st.sampled_from("abyz LEFTright 왼쪽오른으로 .,!?-'\"ñéß字🙂[]<>0x41PAD"), max_size=30)


def written(tokenizer: TextTokenizer, text: str) -> str:
    """The text that the pieces spell, word marks included."""
    spelled = b""
    for piece in tokenizer.pieces(text):
        spelled += bytes([int(piece[3:5], 16)]) if len(piece) == 6 and piece.startswith("<0x") else piece.encode()
    return spelled.decode()


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_every_text_of_every_script_is_accepted(text: str) -> None:
    ids = TOKENIZER.ids(text)
    assert all(2 <= index < TOKENIZER.size for index in ids)  # never [PAD] or [LRN], never out of range
    assert bool(ids) or not written(TOKENIZER, text)


@given(SPOKEN)
@settings(max_examples=200, deadline=None)
def test_tokens_spell_the_normalised_text(text: str) -> None:
    words = unicodedata.normalize("NFKC", text).lower().split()
    assert written(TOKENIZER, text) == "".join(f"\u2581{word}" for word in words)


@given(SPOKEN, SPOKEN)
@settings(max_examples=200, deadline=None)
def test_different_texts_have_different_tokens(one: str, other: str) -> None:
    same_words = [unicodedata.normalize("NFKC", text).lower().split() for text in (one, other)]
    assert (TOKENIZER.ids(one) == TOKENIZER.ids(other)) == (same_words[0] == same_words[1])


def test_a_text_that_spells_special_tokens_does_not_become_them() -> None:
    ids = TOKENIZER.ids("[PAD] [LRN] <0x41>")
    assert TOKENIZER.pad_id not in ids
    assert TOKENIZER.lrn_id not in ids
    assert ids != TOKENIZER.ids("[PAD] [LRN] A")


def test_side_words_are_single_pieces() -> None:
    assert "\u2581left" in TOKENIZER.pieces("go Left now")
    assert "\u2581왼쪽" in TOKENIZER.pieces("가장 왼쪽 외곽으로")


def test_training_is_deterministic() -> None:
    assert train_tokenizer().to_json() == TOKENIZER.to_json()


def test_training_never_sees_held_out_instructions() -> None:
    held_out = {text for scenario in SCENARIOS for text in all_instructions(scenario, "held_out")}
    assert not held_out & set(training_texts())
    assert "\u2581bypass" not in TOKENIZER.pieces("bypass")  # a word of a held-out row alone


def test_json_round_trip_keeps_every_token() -> None:
    again = TextTokenizer.from_json(TOKENIZER.to_json())
    assert again.size == TOKENIZER.size
    for text in [*training_texts(), "unseen 字 🙂"]:
        assert again.ids(text) == TOKENIZER.ids(text)


def test_what_is_not_a_text_is_refused() -> None:
    with pytest.raises(DataError, match=r"instruction = 3: an instruction is a str\. Pass '' when there is none\."):
        TOKENIZER.ids(3)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="an instruction is valid Unicode"):
        TOKENIZER.ids("left \ud800")


@pytest.mark.parametrize("text", ["", "{}", "[1, 2]"])
def test_what_is_not_a_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="not a tokenizer's JSON"):
        TextTokenizer.from_json(text)
