"""Kosmos-2 (Peng et al. 2023, https://arxiv.org/abs/2306.14824): `<s><image>` 64 slots `</image>` instruction."""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn

from mobile_vla.model.hf.family import Family, Prefix, families

TAGS: Final = (
    "</doc>",
    "<image>",
    "</image>",
    "</chunk>",
    "</line>",
    "<phrase>",
    "</phrase>",
    "<object>",
    "</object>",
    "</delimiter_of_multi_objects/>",
    "<grounding>",
)
"""In the order in which the released processor adds them to the vocabulary."""

PATCH_TAGS: Final = 1024
"""Location tokens behind the tags."""


@families.register("kosmos-2")
class Kosmos2(Family):
    """The released vocabulary lacks the tags; they are added exactly as the released processor adds them."""

    def prefix(self, config: Any, tokenizer: Any) -> Prefix:
        """See `Family`. Slots hold the ids behind `<unk>`, as released; the image's features take their place."""
        tokenizer.add_tokens(_tags())
        first = tokenizer.unk_token_id + 1
        slots = list(range(first, first + config.latent_query_num))
        begin, end = tokenizer.convert_tokens_to_ids(["<image>", "</image>"])
        return Prefix([tokenizer.bos_token_id, begin, *slots, end], (2, 2 + len(slots)))

    def reserved(self, config: Any, tokenizer: Any) -> list[int]:
        """See `Family`."""
        return [int(index) for index in tokenizer.convert_tokens_to_ids([str(tag) for tag in _tags()])]

    def vision(self, model: Any) -> nn.Module:
        """See `Family`."""
        found: nn.Module = model.vision_model
        return found

    def keywords(self, ids: Tensor, slots: tuple[int, int]) -> dict[str, Tensor]:
        """See `Family`."""
        places = torch.arange(ids.shape[1], device=ids.device)
        mask = (places >= slots[0]) & (places < slots[1])
        return {"image_embeds_position_mask": mask.expand(ids.shape)}

    def miniature(self, vocabulary_size: int, special: dict[str, int]) -> Any:
        """See `Family`."""
        from transformers import Kosmos2Config

        text = {
            "vocab_size": vocabulary_size + len(TAGS) + PATCH_TAGS,
            "embed_dim": 32,
            "layers": 2,
            "ffn_dim": 64,
            "attention_heads": 2,
            "max_position_embeddings": 128,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "pad_token_id": special["pad"],
            "bos_token_id": special["bos"],
            "eos_token_id": special["eos"],
        }
        vision = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        }
        return Kosmos2Config(text_config=text, vision_config=vision, latent_query_num=4)


def _tags() -> list[Any]:
    from tokenizers import AddedToken

    names = [*TAGS, *(f"<patch_index_{index:04d}>" for index in range(PATCH_TAGS))]
    return [AddedToken(name, lstrip=True, rstrip=False, normalized=False) for name in names]
