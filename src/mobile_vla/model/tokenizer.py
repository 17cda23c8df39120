"""The built-in tokenizer: small, trained on the training instructions, and total.

NFKC and lower case, words marked at their start and split from punctuation, then byte-pair encoding. A character outside the
trained alphabet falls back to its UTF-8 bytes, so every text of every script is accepted and no token is unknown. Training is
deterministic. Held-out paraphrases are never seen here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from mobile_vla.core.errors import CheckpointError, DataError, problem
from mobile_vla.task.instructions import NEUTRAL, all_instructions
from mobile_vla.task.scenarios import SCENARIOS

PAD: Final = "[PAD]"
LRN: Final = "[LRN]"
"""The learnable action token that closes every prompt (RoboVLMs)."""

VOCABULARY_SIZE: Final = 1024
"""Upper limit of learned pieces; the instructions hold fewer."""

_WORD_START: Final = "\u2581"
_BYTES: Final = tuple(f"<0x{value:02X}>" for value in range(256))


class TextTokenizer:
    """Text to token ids and back to a JSON string. Ids: 0 `[PAD]`, 1 `[LRN]`, 2..257 the bytes, then the learned pieces."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.pad_id = self._special(PAD)
        self.lrn_id = self._special(LRN)

    @property
    def size(self) -> int:
        """Number of ids."""
        return int(self._tokenizer.get_vocab_size())

    def ids(self, text: str) -> list[int]:
        """Return the ids of `text`, without special tokens; empty for a blank text.

        Raises:
            DataError: `text` is not a str, or holds a lone surrogate (half of a broken UTF-16 pair).
        """
        if not isinstance(text, str):
            raise DataError(problem("instruction", text, "an instruction is a str", "Pass '' when there is none"))
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            rule = "an instruction is valid Unicode"
            raise DataError(problem("instruction", text, rule, "Decode its bytes as UTF-8")) from error
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def pieces(self, text: str) -> list[str]:
        """Return the pieces that `ids(text)` stand for, for people to read."""
        return [str(self._tokenizer.id_to_token(index)) for index in self.ids(text)]

    def to_json(self) -> str:
        """Return everything as a JSON string."""
        return str(self._tokenizer.to_str())

    @classmethod
    def from_json(cls, text: str) -> TextTokenizer:
        """Return the inverse of `to_json`. Raises CheckpointError when `text` is not a tokenizer."""
        try:
            return cls(Tokenizer.from_str(text))
        except Exception as error:  # the Rust library raises bare Exception
            raise CheckpointError(problem("tokenizer", text, f"not a tokenizer's JSON ({error})")) from error

    def _special(self, token: str) -> int:
        found = self._tokenizer.token_to_id(token)
        if found is None:
            raise CheckpointError(problem("tokenizer", token, "the vocabulary must hold this special token"))
        return int(found)


def train_tokenizer(texts: Iterable[str] | None = None) -> TextTokenizer:
    """Return a tokenizer trained on `texts` (None: `training_texts()`)."""
    learner = _pipeline(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY_SIZE, min_frequency=2, show_progress=False)
    learner.train_from_iterator(training_texts() if texts is None else list(texts), trainer)
    learned = json.loads(learner.to_str())["model"]
    # The special and byte tokens are plain vocabulary entries, which no merge produces, and not "added tokens", which would
    # match an instruction that spells them out.
    names = [PAD, LRN, *_BYTES]
    names += [piece for piece, _ in sorted(learned["vocab"].items(), key=lambda entry: int(entry[1]))]
    vocabulary = {name: index for index, name in enumerate(names)}
    merges = [(str(left), str(right)) for left, right in learned["merges"]]
    return TextTokenizer(_pipeline(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True)))


def training_texts() -> list[str]:
    """Return every training instruction of every scenario in both languages, and the neutral one."""
    return [NEUTRAL, *(text for scenario in SCENARIOS for text in all_instructions(scenario, "train"))]


def _pipeline(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(_WORD_START, "_"),  # this character marks the start of a word below
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )
    words = pre_tokenizers.Metaspace(replacement=_WORD_START, prepend_scheme="always", split=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.Punctuation(behavior="isolated")])
    return tokenizer
