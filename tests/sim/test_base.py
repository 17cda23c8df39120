"""The base: no command, however wild, moves it beyond its limits, and silence stops it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.sim.base import ANGULAR_ACCELERATION, COMMAND_TIMEOUT_S, LINEAR_ACCELERATION, BaseController
from mobile_vla.task.actions import VELOCITY_LIMIT

DT_S = 0.01
ANY_TWIST = st.tuples(*[st.floats(allow_nan=True, allow_infinity=True)] * 3)


def drive(base: BaseController, seconds: float) -> tuple[float, float, float]:
    for _ in range(round(seconds / DT_S)):
        base.step(DT_S)
    return base.velocity


@given(commands=st.lists(st.tuples(ANY_TWIST, st.floats(0.001, 0.3)), min_size=1, max_size=20))
def test_velocity_and_acceleration_stay_within_their_limits(commands: list[tuple[tuple[float, float, float], float]]) -> None:
    base = BaseController()
    for twist, dt_s in commands:
        base.command(twist)
        before = base.velocity
        after = base.step(dt_s)
        assert all(math.isfinite(part) and abs(part) <= VELOCITY_LIMIT + 1e-9 for part in after)
        change = math.hypot(after[0] - before[0], after[1] - before[1])
        assert change <= LINEAR_ACCELERATION * dt_s * (1 + 1e-9) + 1e-12
        assert abs(after[2] - before[2]) <= ANGULAR_ACCELERATION * dt_s * (1 + 1e-9) + 1e-12


@given(x=st.floats(-1.15, 1.15), y=st.floats(-1.15, 1.15), z=st.floats(-1.15, 1.15))
def test_a_held_command_is_reached_and_kept(x: float, y: float, z: float) -> None:
    base = BaseController()
    for _ in range(100):
        base.command((x, y, z))
        base.step(DT_S)
    assert base.velocity == pytest.approx((x, y, z), abs=1e-9)


def test_the_ramp_points_straight_at_the_command() -> None:
    base = BaseController()
    base.command((0.9, 0.3, 0.0))
    vx, vy, _ = base.step(DT_S)
    assert vy / vx == pytest.approx(1 / 3)
    assert math.hypot(vx, vy) == pytest.approx(LINEAR_ACCELERATION * DT_S)


def test_silence_stops_the_base_after_its_timeout() -> None:
    base = BaseController()
    base.command((0.8, 0.0, 0.5))
    assert drive(base, COMMAND_TIMEOUT_S) == pytest.approx((0.8, 0.0, 0.5))
    assert drive(base, 0.1)[0] == pytest.approx(0.8 - 0.1 * LINEAR_ACCELERATION)
    assert drive(base, 0.8 / LINEAR_ACCELERATION) == (0.0, 0.0, 0.0)


def test_before_its_first_command_it_stands() -> None:
    assert drive(BaseController(), 1.0) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_command_that_is_not_finite_counts_as_zero(bad: float, index: int) -> None:
    base = BaseController()
    base.command((0.8, 0.4, 0.5))
    drive(base, 0.5)
    twist = [0.8, 0.4, 0.5]
    twist[index] = bad
    base.command((twist[0], twist[1], twist[2]))
    assert drive(base, 0.55) == (0.0, 0.0, 0.0)
