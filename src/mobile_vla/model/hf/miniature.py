"""Miniature models: a family's architecture with random weights and a byte tokenizer, a few hundred kilobytes in a folder.

They learn nothing useful. They stand in for the released weights where those cannot be had: tests, and a dry run of a whole
training with `--set backbone.path=FOLDER`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from mobile_vla.model.hf.family import families
from mobile_vla.model.hf.folder import transformers

_SPECIAL: Final = {"bos": "<s>", "pad": "<pad>", "eos": "</s>", "unk": "<unk>"}
_IMAGE: Final = "<image>"


def write_miniature(folder: Path | str, family: str, seed: int = 0) -> Path:
    """Write a miniature model of `family` (`kosmos-2`, `paligemma`, ...) into `folder` as `save_pretrained` would; return it.

    Raises:
        UnknownNameError: there is no such family.
        MissingExtraError: transformers is not installed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_tokenizer()
    special = {name: int(tokenizer.convert_tokens_to_ids(text)) for name, text in {**_SPECIAL, "image": _IMAGE}.items()}
    config = families.get(family)().miniature(len(tokenizer), special)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        transformers().AutoModel.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    statistics = {"image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28], "size": {"height": 32, "width": 32}}
    (folder / "preprocessor_config.json").write_text(json.dumps(statistics), encoding="utf-8")
    return folder


def _byte_tokenizer() -> Any:
    """Return a fast tokenizer that knows the 256 bytes, the usual special tokens and `<image>`."""
    names = [*_SPECIAL.values(), *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokens = {f"{name}_token": text for name, text in _SPECIAL.items()}
    fast = transformers().PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens)
    fast.add_tokens([_IMAGE], special_tokens=True)
    return fast
