"""One drive: the judge watches, stops are stops, the odometry starts where the drive did."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mobile_vla.core.errors import SimulationError, UnknownNameError
from mobile_vla.sim.navigation import Navigation
from mobile_vla.task.actions import STOP_ACTION, ActionType, make_action


@pytest.fixture(scope="module")
def navigation() -> Navigation:
    return Navigation(5.0, 32, 32)


def test_the_expert_ends_its_drive_with_success(navigation: Navigation) -> None:
    navigation.start("2box_vert_right", 4, 1)
    while navigation.end is None:
        navigation.step(navigation.expert())
    assert navigation.end == "success"
    assert navigation.judge.side_taken == "right"


def test_the_odometry_starts_at_zero_facing_ahead(navigation: Navigation) -> None:
    scene = navigation.start("1box_vert_left", 8, 2)
    assert abs(scene.start[2]) > 0.05
    np.testing.assert_allclose(navigation.state()[:6], 0.0, atol=1e-6)
    np.testing.assert_allclose(navigation.state()[9:13], [0, 0, 0, 1], atol=1e-6)
    for _ in range(4):
        navigation.step(make_action(0.4, 0.0, 0.0, ActionType.MOVE))
    state = navigation.state()
    assert state[0] > 0.2
    assert state[1] == pytest.approx(0.0, abs=0.01)
    assert state[3] == pytest.approx(0.4, abs=0.01)


def test_a_disturbance_pushes_a_move_and_leaves_a_stop_alone(navigation: Navigation) -> None:
    push = np.array([0.0, 0.5, 0.0])
    navigation.start("1box_vert_left", 0, 0)
    for _ in range(4):
        navigation.step(make_action(0.4, 0.0, 0.0, ActionType.MOVE), push)
    np.testing.assert_allclose(navigation.world.twist, [0.4, 0.5, 0.0], atol=0.02)
    for _ in range(4):
        navigation.step(STOP_ACTION, push)
    np.testing.assert_allclose(navigation.world.twist, 0.0, atol=0.01)


@pytest.mark.parametrize("kind", [ActionType.STOP, ActionType.SPECIAL])
def test_a_stop_with_a_velocity_stands_still(navigation: Navigation, kind: ActionType) -> None:
    scene = navigation.start("1box_vert_left", 0, 0)
    for _ in range(5):
        navigation.step(make_action(1.0, 1.0, 1.0, kind))
    assert navigation.world.pose == pytest.approx(scene.start, abs=1e-9)


def test_a_rotation_does_not_move_the_robot(navigation: Navigation) -> None:
    navigation.start("1box_vert_left", 0, 0)
    for _ in range(5):
        navigation.step(make_action(1.0, 1.0, 1.0, ActionType.ROTATE))
    x, y, yaw = navigation.world.pose
    assert math.hypot(x, y) < 0.01
    assert yaw > 0.5


@pytest.mark.parametrize("rate_hz", [1.5, 2.5, 3.0, 10.0, 30.0])
def test_the_expert_copes_with_slow_and_fast_clocks(rate_hz: float) -> None:
    navigation = Navigation(rate_hz, 32, 32)
    for seed in range(6):
        navigation.start("2box_hori_left", seed, 1)
        while navigation.end is None:
            navigation.step(navigation.expert())
        assert navigation.end == "success"


def test_a_new_drive_forgets_the_last_one(navigation: Navigation) -> None:
    navigation.start("1box_vert_left", 0, 0)
    while navigation.end is None:
        navigation.step(make_action(0.8, 0.0, 0.0, ActionType.MOVE))
    assert navigation.end == "hit_box"
    navigation.start("1box_vert_left", 0, 0)
    assert navigation.end is None
    assert navigation.step(make_action(0.8, 0.0, 0.0, ActionType.MOVE)) is None


@pytest.mark.parametrize("rate_hz", [0.5, 51.0, float("nan")])
def test_an_absurd_rate_is_refused(rate_hz: float) -> None:
    with pytest.raises(SimulationError, match=rf"^rate_hz = {rate_hz}: the simulator is controlled at 1 to 50 Hz\.$"):
        Navigation(rate_hz, 32, 32)


def test_nothing_can_be_driven_before_a_start() -> None:
    with pytest.raises(SimulationError, match=r"^no drive has been started: call start\(scenario, seed, level\) first\.$"):
        Navigation(5.0, 32, 32).expert()


def test_an_unknown_scenario_is_refused_with_the_closest_one(navigation: Navigation) -> None:
    with pytest.raises(
        UnknownNameError, match=r"^scenario = '1box_vert_lef': choose one of .* Did you mean '1box_vert_left'\?$"
    ):
        navigation.start("1box_vert_lef", 0, 1)
