"""`hf`: any vision-language model of transformers whose family is known (`model/hf/families/`), from a folder or the hub."""

from __future__ import annotations

from mobile_vla.model.backbone import backbones
from mobile_vla.model.hf.adapter import PretrainedBackbone


@backbones.register("hf")
class HF(PretrainedBackbone):
    """`backbone.path` says which model."""

    display_name = "RoboHF"
