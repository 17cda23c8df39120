"""Normalisation: its inverse is its inverse, and a broken one is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from mobile_vla.core.errors import CheckpointError, ConfigError
from mobile_vla.task.actions import VELOCITY_LIMIT
from mobile_vla.task.normalisation import ActionNormaliser

units = arrays(np.float32, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(-1, 1, width=32))


@st.composite
def normalisers(draw: st.DrawFn) -> ActionNormaliser:
    low = [draw(st.floats(-2.0, 1.0)) for _ in range(3)]
    high = [edge + draw(st.floats(0.05, 3.0)) for edge in low]
    return ActionNormaliser((low[0], low[1], low[2]), (high[0], high[1], high[2]))


@given(normalisers(), units)
def test_normalising_undoes_denormalising(normaliser: ActionNormaliser, unit: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(normaliser.normalise(normaliser.denormalise(unit)), unit, atol=2e-5)


@given(normalisers(), units)
def test_denormalising_undoes_normalising_inside_the_range(normaliser: ActionNormaliser, unit: NDArray[np.float32]) -> None:
    actions = normaliser.denormalise(unit)
    np.testing.assert_allclose(normaliser.denormalise(normaliser.normalise(actions)), actions, atol=2e-5)


@given(normalisers(), arrays(np.float32, (3, 4), elements=st.floats(-1e3, 1e3, width=32)))
def test_normalised_velocities_lie_in_the_unit_range_and_types_pass(
    normaliser: ActionNormaliser, actions: NDArray[np.float32]
) -> None:
    before = actions.copy()
    result = normaliser.normalise(actions)
    assert result.dtype == np.float32
    assert (np.abs(result[:, :3]) <= 1.0).all()
    np.testing.assert_array_equal(result[:, 3], actions[:, 3])
    np.testing.assert_array_equal(actions, before, err_msg="the input is left alone")


def test_the_limits_map_to_one_and_zero_to_zero() -> None:
    normaliser = ActionNormaliser()
    edges = np.array([[VELOCITY_LIMIT, -VELOCITY_LIMIT, 0.0, 2.0]], dtype=np.float32)
    np.testing.assert_allclose(normaliser.normalise(edges), [[1.0, -1.0, 0.0, 2.0]], atol=1e-6)


def test_symmetric_limits_keep_zero() -> None:
    normaliser = ActionNormaliser.symmetric([1.0, 0.5, 0.25])
    np.testing.assert_allclose(normaliser.denormalise(np.array([1.0, -1.0, 0.0, 1.0])), [1.0, -0.5, 0.0, 1.0])


@given(normalisers())
def test_what_is_stored_comes_back_equal(normaliser: ActionNormaliser) -> None:
    assert ActionNormaliser.from_dict(normaliser.to_dict()) == normaliser


@pytest.mark.parametrize("tree", [{"low": [0, 0, 0]}, {"low": [0] * 3, "high": [1] * 3, "gain": 2}, {}])
def test_a_missing_or_extra_key_is_refused(tree: dict[str, list[float]]) -> None:
    with pytest.raises(CheckpointError, match=r"^normaliser = \[.*\]: the keys are 'low' and 'high'\.$"):
        ActionNormaliser.from_dict(tree)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, 0.5), (float("nan"), 1.0), (0.0, float("inf"))])
def test_an_empty_or_infinite_range_is_refused_by_name(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match=r"^normaliser\.linear_y = \(.*\): low < high, both finite\.$"):
        ActionNormaliser((-1.0, low, -1.0), (1.0, high, 1.0))


def test_two_numbers_are_not_three() -> None:
    with pytest.raises(ConfigError, match="low and high hold 3 numbers each"):
        ActionNormaliser.from_dict({"low": [-1.0, -1.0], "high": [1.0, 1.0]})
