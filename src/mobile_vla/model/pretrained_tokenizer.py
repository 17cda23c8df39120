"""A pretrained model's own tokenizer, as one JSON object: whoever drives needs neither the hub nor transformers' processors."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import ClassVar

from tokenizers import Tokenizer

from mobile_vla.core.errors import CheckpointError, DataError, problem


class PretrainedTokenizer:
    """Text to the ids of a pretrained vocabulary.

    Args:
        tokenizer: the vocabulary and its rules; what it truncates or pads by itself is switched off.
        pad_id: id of the padding token.
        lrn_id: id that stands at the learnable action token; its embedding is never read.
        reserved: ids with a meaning of their own (image slots, start, end). An instruction that spells one out loses it.
    """

    MARK: ClassVar[str] = "pretrained"
    """The key by which the JSON of this class is told from another tokenizer's."""

    def __init__(self, tokenizer: Tokenizer, pad_id: int, lrn_id: int, reserved: Collection[int]) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self.pad_id, self.lrn_id = pad_id, lrn_id
        self._reserved = frozenset({*reserved, pad_id, lrn_id})

    @property
    def size(self) -> int:
        """Number of ids."""
        return int(self._tokenizer.get_vocab_size())

    def ids(self, text: str) -> list[int]:
        """Return the ids of `text`, without reserved ones. Raises DataError when `text` holds a lone surrogate."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(
                problem("instruction", text, "an instruction is valid Unicode", "Decode its bytes as UTF-8")
            ) from error
        found = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [index for index in found if index not in self._reserved]

    def to_json(self) -> str:
        """Return everything as a JSON object."""
        tree = {
            self.MARK: json.loads(self._tokenizer.to_str()),
            "pad_id": self.pad_id,
            "lrn_id": self.lrn_id,
            "reserved": sorted(self._reserved),
        }
        return json.dumps(tree)

    @classmethod
    def from_json(cls, text: str) -> PretrainedTokenizer:
        """Return the inverse of `to_json`. Raises CheckpointError when `text` is something else."""
        try:
            tree = json.loads(text)
            tokenizer = Tokenizer.from_str(json.dumps(tree[cls.MARK]))
            return cls(tokenizer, int(tree["pad_id"]), int(tree["lrn_id"]), [int(index) for index in tree["reserved"]])
        except Exception as error:  # the Rust library raises bare Exception
            raise CheckpointError(problem("tokenizer", text, f"not a pretrained tokenizer's JSON ({error})")) from error
