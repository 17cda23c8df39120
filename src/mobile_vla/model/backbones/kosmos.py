"""`kosmos`: Kosmos-2, the guide's backbone; the adapter of `hf` with its released weights as the default."""

from __future__ import annotations

from pathlib import Path

from mobile_vla.model.backbone import Prepared, backbones
from mobile_vla.model.hf.adapter import PretrainedBackbone, PretrainedConfig
from mobile_vla.model.hf.blueprint import bundled
from mobile_vla.model.hf.folder import transformers
from mobile_vla.model.preprocess import PreprocessConfig


class KosmosConfig(PretrainedConfig):
    """Options of `kosmos`.

    Attributes:
        path: a local folder with Kosmos-2's files, or its name on the hub.
    """

    path: str = "microsoft/kosmos-2-patch14-224"


@backbones.register("kosmos")
class Kosmos(PretrainedBackbone):
    """1,664,485,376 parameters, 224 x 224 pixels, 64 image tokens, features of width 2048."""

    Config = KosmosConfig
    display_name = "RoboKosMos"

    @classmethod
    def outline(cls, options: KosmosConfig, preprocess: PreprocessConfig) -> Prepared:
        """See `Backbone`. A folder is read; else transformers' default configuration, which is that of the released model."""
        if Path(options.path).is_dir():
            return cls.prepare(options, preprocess)
        return bundled(transformers().Kosmos2Config(), preprocess)
