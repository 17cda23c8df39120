"""Motion classes: signs, thresholds, and what follows from what."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.task.actions import STOP_ACTION, VELOCITY_LIMIT
from mobile_vla.task.motion import ACTION_CLASSES, DEAD_BAND, MOTIONS, action_classes, motion_classes, motion_of

velocity = st.floats(-VELOCITY_LIMIT, VELOCITY_LIMIT)
action = st.tuples(velocity, velocity, velocity, st.sampled_from([0.0, 1.0, 2.0, 3.0])).map(np.array)


@pytest.mark.parametrize(
    ("twist", "kind", "expected"),
    [
        ((1.15, 0, 0), 0, "straight"),
        ((-1.15, 0, 0), 0, "straight"),
        ((0, 1.15, 0), 0, "left"),
        ((0, -1.15, 0), 0, "right"),
        ((1.15, 1.15, 0), 0, "left"),
        ((0, 0, 1.15), 1, "left"),
        ((0, 0, -1.15), 1, "right"),
        ((1.15, 0, -0.5), 0, "right"),
        ((0, 0, 0), 0, "stop"),
        ((1.15, 1.15, 1.15), 2, "stop"),
        ((1.15, 0, 0), 3, "stop"),
        ((0, 1.15, -1.15), 0, "straight"),
        ((0, 1.15, -1.15), 1, "right"),
    ],
)
def test_directions_follow_the_signs_of_the_contract(twist: tuple[float, float, float], kind: int, expected: str) -> None:
    assert motion_of(np.array([*twist, kind])) == expected


def test_the_dead_band_ends_where_documented() -> None:
    for column, limit in enumerate(DEAD_BAND):
        inside, outside = np.zeros(4), np.zeros(4)
        inside[column], outside[column] = limit, limit + 1e-6
        assert motion_of(inside) == "stop"
        assert motion_of(outside) != "stop"


@given(action)
def test_mirroring_the_action_mirrors_the_direction(original: np.ndarray) -> None:
    mirrored = original * [1, -1, -1, 1]
    swap = {"left": "right", "right": "left", "straight": "straight", "stop": "stop"}
    assert motion_of(mirrored) == swap[motion_of(original)]


@given(action, action)
def test_equal_action_classes_mean_equal_directions(one: np.ndarray, other: np.ndarray) -> None:
    if action_classes(one) == action_classes(other):
        assert motion_of(one) == motion_of(other)


def test_all_27_action_classes_are_distinct() -> None:
    grid = np.array([[x, y, z, 0] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)], dtype=np.float32)
    assert sorted(action_classes(grid)) == list(range(ACTION_CLASSES))
    assert action_classes(STOP_ACTION) == 13


def test_shapes_are_those_of_the_leading_axes() -> None:
    chunk = np.zeros((5, 7, 4), dtype=np.float32)
    assert motion_classes(chunk).shape == action_classes(chunk).shape == (5, 7)
    assert set(motion_classes(chunk).ravel()) == {MOTIONS.index("stop")}
