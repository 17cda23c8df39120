"""The guide's layout: `/observations/images`, `/action` (T, 4), `/episode_metadata`; what this product writes.

Only the first two keys must be there. `/episode_metadata` is a group whose attributes hold the metadata; files that keep
single values as datasets inside the group are read the same.
"""

from __future__ import annotations

from typing import Any

import h5py

from mobile_vla.data import schema
from mobile_vla.data.layout import Layout, Parts, layouts


class GuideLayout(Layout):
    """The layout of the guide, section 3, with this product's optional keys."""

    expects = f"/{schema.IMAGES} (T, H, W, 3) and /{schema.ACTION} (T, 4)"

    def recognises(self, file: Any) -> bool:
        """Return whether both mandatory datasets are there."""
        return _dataset(file, schema.IMAGES) is not None and _dataset(file, schema.ACTION) is not None

    def parts(self, file: Any) -> Parts:
        """Return where the parts are."""
        attributes = _metadata(file.get(schema.METADATA))
        return Parts(
            images=file[schema.IMAGES],
            actions=file[schema.ACTION],
            attributes=attributes,
            states=_dataset(file, schema.STATE),
            timestamps=_dataset(file, schema.TIMESTAMPS),
            instruction=_instruction(_dataset(file, schema.LANGUAGE), attributes),
        )


def _dataset(file: Any, key: str) -> Any:
    found = file.get(key)
    return found if isinstance(found, h5py.Dataset) else None


def _metadata(node: Any) -> dict[str, Any]:
    if node is None:
        return {}
    values = schema.decode_attributes(node.attrs)
    if isinstance(node, h5py.Group):
        single = {key: child for key, child in node.items() if isinstance(child, h5py.Dataset) and child.size == 1}
        values.update(
            {
                key: schema.decode_value(child[()].reshape(-1)[0]) if child.ndim else schema.decode_value(child[()])
                for key, child in single.items()
            }
        )
    return values


def _instruction(dataset: Any, attributes: dict[str, Any]) -> str | None:
    if dataset is not None and dataset.size:
        first = dataset[()] if dataset.ndim == 0 else dataset[0]
        return str(schema.decode_value(first)).rstrip("\0")
    for key in (schema.INSTRUCTION, schema.LANGUAGE):
        if key in attributes:
            return str(attributes[key])
    return None


layouts.add("guide", GuideLayout())
