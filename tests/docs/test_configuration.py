"""The guide's tables of configuration keys: every key, with its default, and none that does not exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic_core import PydanticUndefined

from mobile_vla.core.config import Config
from mobile_vla.model.backbone import backbones
from mobile_vla.model.head import act_heads
from mobile_vla.training.config import TrainConfig

REQUIRED = {"required", "필수"}


def test_the_table_has_every_key_with_its_default(guides: list[Any]) -> None:
    for page in guides:
        assert _table(page, 0) == dict(_rows(TrainConfig))


def test_every_head_and_backbone_has_its_table(guides: list[Any]) -> None:
    for page in guides:
        titles = [title.strip("`") for _, title in page.headings if re.fullmatch("`[^`]+`", title)]
        assert titles == [*act_heads.names(), *backbones.names()]
        for index, title in enumerate(titles, start=1):
            registered: Any = act_heads if title in act_heads.names() else backbones
            assert _table(page, index) == dict(_rows(registered.get(title).Config)), title


def test_every_key_has_a_meaning_and_a_unit(guides: list[Any]) -> None:
    for page in guides:
        rows = [row for table in _key_tables(page) for row in table[1:]]
        assert all(len(row) == 4 and all(row) for row in rows)


def _key_tables(page: Any) -> list[list[list[str]]]:
    return [table for table in page.tables if table[0][0] in ("key", "키")]


def _table(page: Any, index: int) -> dict[str, str]:
    """Key -> default of the page's table number `index`; a required key's default is empty."""
    rows = _key_tables(page)[index][1:]
    return {row[0].strip("`"): "" if row[3] in REQUIRED else row[3].strip("`") for row in rows}


def _rows(config_class: type[Config], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in config_class.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Config):
            yield from _rows(type(default), f"{prefix}{name}.")
        else:
            yield prefix + name, "" if default is PydanticUndefined else json.dumps(default)
