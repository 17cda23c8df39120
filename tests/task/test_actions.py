"""Actions: limits, what a type allows, and messages that name frame, column, value and rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.task.actions import (
    ACTION_NAMES,
    STOP_ACTION,
    VELOCITY_LIMIT,
    ActionType,
    check_actions,
    commanded_twist,
    make_action,
)

velocities = st.floats(-1e6, 1e6, width=32)
kinds = st.sampled_from(ActionType)


def good_actions() -> np.ndarray:
    return np.tile(np.array([[0.5, -0.2, 0.1, 0.0]], dtype=np.float32), (4, 1))


@given(velocities, velocities, velocities, kinds)
def test_an_action_is_within_the_limits_and_passes_its_check(x: float, y: float, z: float, kind: ActionType) -> None:
    action = make_action(x, y, z, kind)
    assert action.dtype == np.float32
    check_actions(action[None])
    assert action[3] == kind
    for asked, got in zip((x, y, z), action, strict=False):
        if abs(asked) <= VELOCITY_LIMIT:
            assert got == np.float32(asked)


@given(velocities, velocities, velocities, st.floats(-0.4, 3.4))
def test_a_commanded_twist_is_within_the_limits(x: float, y: float, z: float, kind: float) -> None:
    twist = commanded_twist(np.array([x, y, z, kind]))
    assert twist.shape == (3,)
    assert (np.abs(twist) <= VELOCITY_LIMIT).all()


@given(velocities, velocities, velocities)
def test_what_each_type_allows(x: float, y: float, z: float) -> None:
    limited = np.clip([x, y, z], -VELOCITY_LIMIT, VELOCITY_LIMIT)
    np.testing.assert_array_equal(commanded_twist(np.array([x, y, z, ActionType.MOVE])), limited)
    np.testing.assert_array_equal(commanded_twist(np.array([x, y, z, ActionType.ROTATE])), [0, 0, limited[2]])
    for still in (ActionType.STOP, ActionType.SPECIAL):
        np.testing.assert_array_equal(commanded_twist(np.array([x, y, z, still])), np.zeros(3))


@given(st.floats(3.6, 1e9) | st.floats(-1e9, -0.6))
def test_an_unknown_type_drives_nowhere(kind: float) -> None:
    assert not commanded_twist(np.array([1.0, 1.0, 1.0, kind])).any()


def test_the_stop_action_cannot_be_changed_by_accident() -> None:
    assert not commanded_twist(STOP_ACTION).any()
    with pytest.raises(ValueError, match="read-only"):
        STOP_ACTION[0] = 1.0


def test_good_actions_pass_and_so_does_rounding_at_the_limit() -> None:
    actions = good_actions()
    actions[0, :3] = np.float32(VELOCITY_LIMIT), -np.float32(VELOCITY_LIMIT), 1.15005
    check_actions(actions)


@pytest.mark.parametrize(
    ("frame", "column", "value", "rule"),
    [
        (2, 0, float("nan"), "= nan: actions are finite numbers."),
        (1, 3, float("inf"), "= inf: actions are finite numbers."),
        (3, 1, -1.25, "= -1.25: velocities lie in [-1.15, 1.15]."),
        (0, 2, 2.0, "= 2.0: velocities lie in [-1.15, 1.15]."),
        (2, 3, 4.0, "= 4.0: action_type is 0 move, 1 rotate, 2 stop or 3 special."),
        (2, 3, 0.5, "= 0.5: action_type is 0 move, 1 rotate, 2 stop or 3 special."),
    ],
)
def test_a_bad_value_is_named_with_its_frame_and_column(frame: int, column: int, value: float, rule: str) -> None:
    actions = good_actions()
    actions[frame, column] = value
    with pytest.raises(DataError) as caught:
        check_actions(actions, "episode.h5 /action")
    assert str(caught.value) == f"episode.h5 /action[{frame}].{ACTION_NAMES[column]} {rule}"


@pytest.mark.parametrize("shape", [(4,), (5, 3), (2, 3, 4)])
def test_a_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError) as caught:
        check_actions(np.zeros(shape))
    assert str(caught.value) == (f"actions.shape = {shape}: actions are (T, 4): linear_x, linear_y, angular_z, action_type.")


def test_no_actions_at_all_have_a_right_shape() -> None:
    check_actions(np.zeros((0, 4)))
