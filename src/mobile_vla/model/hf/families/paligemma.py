"""PaliGemma 1, 2 (Beyer et al. 2024, https://arxiv.org/abs/2407.07726): slots, `<bos>`, instruction, newline. All see all."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mobile_vla.model.hf.family import Family, Prefix, families, patch_count


@families.register("paligemma")
class PaliGemma(Family):
    """The whole prompt is a prefix to this model: every token attends to every other, the action token included."""

    prompt = "{instruction}\n"

    def prefix(self, config: Any, tokenizer: Any) -> Prefix:
        """See `Family`."""
        slots = patch_count(config)
        return Prefix([int(config.image_token_id)] * slots + [tokenizer.bos_token_id], (0, slots))

    def vision(self, model: Any) -> nn.Module:
        """See `Family`."""
        found: nn.Module = model.vision_tower
        return found

    def keywords(self, ids: Tensor, slots: tuple[int, int]) -> dict[str, Tensor]:
        """See `Family`. Type 0 is the prefix."""
        return {"token_type_ids": torch.zeros_like(ids)}

    def miniature(self, vocabulary_size: int, special: dict[str, int]) -> Any:
        """See `Family`."""
        from transformers import PaliGemmaConfig

        text = {
            "model_type": "gemma",
            "vocab_size": vocabulary_size,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "max_position_embeddings": 128,
            "pad_token_id": special["pad"],
            "bos_token_id": special["bos"],
            "eos_token_id": special["eos"],
        }
        vision = {
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
            "vision_use_head": False,
        }
        return PaliGemmaConfig(
            text_config=text,
            vision_config=vision,
            projection_dim=32,
            hidden_size=32,
            vocab_size=vocabulary_size,
            image_token_index=special["image"],
        )
