"""What is read from a pretrained model's folder once, so that the checkpoint never needs the folder again.

The blueprint is plain JSON: `hf_config`, transformers' own configuration, `prefix`, the ids before the instruction, and
`slots`, where among them the image goes. The tokenizer and the image's size and statistics go into the preprocessor.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobile_vla.core.config import build
from mobile_vla.core.errors import ConfigError, problem, unknown_name
from mobile_vla.model.backbone import Prepared
from mobile_vla.model.hf.family import Family, Prefix, families, image_side
from mobile_vla.model.hf.folder import read_json, transformers
from mobile_vla.model.preprocess import PreprocessConfig, Preprocessor, PromptTokenizer
from mobile_vla.model.pretrained_tokenizer import PretrainedTokenizer
from mobile_vla.model.tokenizer import train_tokenizer


def read_folder(folder: Path, preprocess: PreprocessConfig) -> Prepared:
    """Return what a policy is built from, out of `folder`. Raises ConfigError when files are missing or do not fit."""
    config = restore_config(read_json(folder, "config.json"))
    family = family_of(config)
    tokenizer = transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    prefix = family.prefix(config, tokenizer)
    own = PretrainedTokenizer(
        tokenizer.backend_tokenizer,
        _known(tokenizer, "pad_token_id", "eos_token_id"),
        _known(tokenizer, "eos_token_id", "pad_token_id"),
        [*tokenizer.all_special_ids, *family.reserved(config, tokenizer)],
    )
    _check_vocabulary(own.size, config, folder)
    statistics = read_json(folder, "preprocessor_config.json")
    defaults = {"mean": statistics["image_mean"], "std": statistics["image_std"]}
    return _prepared(config, prefix, own, resolve(preprocess, config, defaults))


def bundled(config: Any, preprocess: PreprocessConfig) -> Prepared:
    """Return the shapes of a model that is known only by its configuration; its tokenizer is a stand-in."""
    return _prepared(config, Prefix([], (0, 0)), train_tokenizer(), resolve(preprocess, config, {}))


def restore_config(tree: dict[str, Any]) -> Any:
    """Return transformers' configuration of `tree`. Raises ConfigError when its architecture is not known."""
    kind = str(tree.get("model_type"))
    families.get(kind)
    mapping = transformers().CONFIG_MAPPING
    if kind not in mapping:
        raise unknown_name("model_type", kind, families.names())
    return mapping[kind].from_dict(tree)


def family_of(config: Any) -> Family:
    """Return the family of `config`. Raises UnknownNameError naming those that are known."""
    return families.get(config.model_type)()


def resolve(preprocess: PreprocessConfig, config: Any, defaults: dict[str, Any]) -> PreprocessConfig:
    """Return `preprocess` with what it leaves unset chosen as the model was trained.

    Raises:
        ConfigError: it asks for another image size than the model sees.
    """
    side = image_side(config)
    chosen = preprocess.model_dump(include=preprocess.model_fields_set)
    if "image_size" in chosen and tuple(chosen["image_size"]) != (side, side):
        rule = f"this backbone sees {side} x {side} pixels"
        raise ConfigError(problem("preprocess.image_size", preprocess.image_size, rule, "Leave it out"))
    own = {"image_size": (side, side), "standardise": "fixed", "prompt": family_of(config).prompt, **defaults}
    return build(PreprocessConfig, {**own, **chosen}, "preprocess")


def _prepared(config: Any, prefix: Prefix, tokenizer: PromptTokenizer, preprocess: PreprocessConfig) -> Prepared:
    blueprint = {"hf_config": config.to_dict(), "prefix": prefix.ids, "slots": list(prefix.slots)}
    return Prepared(Preprocessor(preprocess, tokenizer), blueprint)


def _known(tokenizer: Any, *names: str) -> int:
    for name in names:
        if getattr(tokenizer, name) is not None:
            return int(getattr(tokenizer, name))
    raise ConfigError(problem("backbone.path", tokenizer.name_or_path, f"its tokenizer has neither {' nor '.join(names)}"))


def _check_vocabulary(size: int, config: Any, folder: Path) -> None:
    rows = int(config.get_text_config().vocab_size)
    if size > rows:
        rule = f"its tokenizer has {size} ids, its model {rows} embeddings"
        raise ConfigError(problem("backbone.path", str(folder), rule, "Tokenizer and model come from different places"))
