"""LLaVA 1.5 (Liu et al. 2023, https://arxiv.org/abs/2310.03744): `<s>USER: ` slots, newline, instruction, ` ASSISTANT:`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from mobile_vla.model.hf.family import Family, Prefix, families, patch_count


@families.register("llava")
class Llava(Family):
    """The image's features are those of an inner layer (`vision_feature_layer`): what comes after it is idle."""

    prompt = "{instruction} ASSISTANT:"

    def prefix(self, config: Any, tokenizer: Any) -> Prefix:
        """See `Family`."""
        slots = patch_count(config) + (1 if config.vision_feature_select_strategy == "full" else 0)
        before = [tokenizer.bos_token_id, *tokenizer.encode("USER: ", add_special_tokens=False)]
        after = tokenizer.encode("\n", add_special_tokens=False)
        ids = [*before, *[int(config.image_token_id)] * slots, *after]
        return Prefix(ids, (len(before), len(before) + slots))

    def vision(self, model: Any) -> nn.Module:
        """See `Family`."""
        found: nn.Module = model.vision_tower
        return found

    def idle(self, model: Any) -> Iterator[nn.Parameter]:
        """See `Family`. Hidden state 0 is the embedding, hidden state n the output of layer n."""
        chosen = model.config.vision_feature_layer
        tower = getattr(model.vision_tower, "vision_model", model.vision_tower)  # one level less since some transformers 5.x
        layers = tower.encoder.layers
        last = max(index % (len(layers) + 1) for index in ([chosen] if isinstance(chosen, int) else chosen))
        for layer in layers[last:]:
            yield from layer.parameters()
        yield from tower.post_layernorm.parameters()  # of the pooled output, which nobody reads

    def miniature(self, vocabulary_size: int, special: dict[str, int]) -> Any:
        """See `Family`."""
        from transformers import LlavaConfig

        text = {
            "model_type": "llama",
            "vocab_size": vocabulary_size,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 128,
            "pad_token_id": special["pad"],
            "bos_token_id": special["bos"],
            "eos_token_id": special["eos"],
        }
        vision = {
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "projection_dim": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        }
        return LlavaConfig(text_config=text, vision_config=vision, image_token_index=special["image"], image_seq_length=16)
