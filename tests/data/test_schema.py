from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.data import schema

KEYS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12) | st.just("json:1")
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS.filter(lambda key: key not in schema.RESERVED), VALUES, max_size=4))
def test_free_metadata_comes_back_from_hdf5_as_it_went_in(tmp_path: Path, metadata: dict[str, Any]) -> None:
    with h5py.File(tmp_path / "m.h5", "w") as file:
        for key, value in schema.encode_metadata(metadata).items():
            file.attrs[key] = value
    with h5py.File(tmp_path / "m.h5") as file:
        found = schema.decode_attributes(file.attrs)
    assert found == metadata
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in metadata.items()}


def test_numpy_values_become_plain_ones() -> None:
    encoded = schema.encode_metadata({"a": np.float32(0.5), "b": np.arange(2), "c": (1, 2)})
    assert schema.decode_attributes(encoded) == {"a": 0.5, "b": [0, 1], "c": [1, 2]}


def test_a_foreign_text_that_looks_like_json_stays_text() -> None:
    assert schema.decode_value("json: not ours") == "json: not ours"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"rate_hz": 3}, "metadata key = 'rate_hz': reserved"),
        ({"": 1}, "a key is a non-empty string"),
        ({3: 1}, "metadata key = 3: a key is a non-empty string"),
        ({"a": object()}, "metadata.a = <object object"),
    ],
)
def test_bad_metadata_is_refused(metadata: dict[Any, Any], message: str) -> None:
    with pytest.raises(DataError, match="metadata") as error:
        schema.encode_metadata(metadata)
    assert message in str(error.value)
