"""Observations, states and episodes: what is refused, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.core.errors import DataError
from mobile_vla.task.actions import STOP_ACTION
from mobile_vla.task.episode import Episode, check_episode
from mobile_vla.task.observation import Observation, check_image, check_observation
from mobile_vla.task.state import STATE_DIM, STATE_NAMES, check_states, planar_state

IMAGE = np.zeros((6, 8, 3), dtype=np.uint8)


def drive(**changes: Any) -> Episode:
    """A good episode of three frames, with `changes`."""
    good = Episode(
        images=np.zeros((3, 6, 8, 3), dtype=np.uint8),
        actions=np.tile(STOP_ACTION, (3, 1)),
        timestamps=np.array([0.0, 0.1, 0.2]),
        rate_hz=10.0,
        instruction="Navigate around obstacles",
        states=np.zeros((3, STATE_DIM), dtype=np.float32),
    )
    return replace(good, **changes)


def test_a_good_episode_passes_with_and_without_states() -> None:
    check_episode(drive())
    check_episode(drive(states=None))
    assert len(drive()) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((3, 6, 8, 3))}, "e.images = 'float64 (3, 6, 8, 3)': images are uint8 (T, H, W, 3) RGB."),
        ({"images": np.zeros((3, 3, 6, 8), np.uint8)}, "e.images = 'uint8 (3, 3, 6, 8)': images are uint8 (T, H, W, 3) RGB."),
        ({"images": np.zeros((2, 6, 8, 3), np.uint8)}, "e.images = '2 images, 3 actions': every image has its action."),
        ({"timestamps": np.array([0.0, 0.1])}, "e.timestamps.shape = (2,): one time per frame, (3,)."),
        ({"timestamps": np.array([0.0, 0.1, np.nan])}, "e.timestamps = [0.0, 0.1, nan]: timestamps are finite seconds."),
        (
            {"timestamps": np.array([0.0, 0.1, 0.1])},
            "e.timestamps[2] = 0.1: timestamps strictly increase. State the rate instead.",
        ),
        ({"rate_hz": 0.0}, "e.rate_hz = 0.0: rate_hz is the recording's frames per second, > 0."),
        ({"rate_hz": float("inf")}, "e.rate_hz = inf: rate_hz is the recording's frames per second, > 0."),
        ({"states": np.zeros((3, 4))}, "e.states.shape = (3, 4): states are (T, 15)."),
        (
            {"states": np.zeros((2, 15))},
            "e.states = '2 states, 3 images': every image has its state, or no state is stored.",
        ),
        ({"actions": np.full((3, 4), 3.0)}, "e.actions[0].linear_x = 3.0: velocities lie in [-1.15, 1.15]."),
    ],
)
def test_a_broken_episode_names_field_value_and_rule(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_episode(drive(**changes), "e")
    assert str(caught.value) == message


def test_an_episode_without_a_frame_is_none() -> None:
    empty = drive(images=np.zeros((0, 6, 8, 3), np.uint8), actions=np.zeros((0, 4)), timestamps=np.zeros(0), states=None)
    with pytest.raises(DataError, match="an episode has at least one frame"):
        check_episode(empty)


def test_a_state_that_is_not_finite_is_named() -> None:
    states = np.zeros((2, STATE_DIM))
    states[1, 13] = np.inf
    with pytest.raises(DataError, match=r"^states\[1\]\.battery_level = inf: states are finite\.$"):
        check_states(states)


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(-10, 10))
def test_a_planar_state_holds_a_unit_quaternion_of_its_yaw(x: float, y: float, yaw: float) -> None:
    state = dict(zip(STATE_NAMES, planar_state((x, y, yaw), np.array([0.1, 0.2, 0.3]), 0.5, 1.0), strict=True))
    assert state["position_x"] == np.float32(x)
    assert state["position_y"] == np.float32(y)
    back = 2 * np.arctan2(state["orientation_z"], state["orientation_w"])
    np.testing.assert_allclose([np.sin(back), np.cos(back)], [np.sin(yaw), np.cos(yaw)], atol=1e-5)
    assert state["orientation_z"] ** 2 + state["orientation_w"] ** 2 == pytest.approx(1.0, abs=1e-5)
    named = [state[name] for name in ("linear_velocity_x", "linear_velocity_y", "angular_velocity_z")]
    np.testing.assert_allclose(named, [0.1, 0.2, 0.3], rtol=1e-6)
    assert (state["battery_level"], state["system_status"]) == (0.5, 1.0)
    rest = ("position_z", "linear_velocity_z", "angular_velocity_x", "angular_velocity_y", "orientation_x", "orientation_y")
    assert not any(state[name] for name in rest)


def test_a_good_observation_passes() -> None:
    check_observation(Observation(IMAGE, "", planar_state((0, 0, 0), np.zeros(3)), 12.5))
    check_observation(Observation(IMAGE, "왼쪽으로"))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2, 3]], "image = 'list': an image is a numpy array (H, W, 3) uint8 RGB."),
        (
            IMAGE.astype(np.float32),
            "image.dtype = 'float32': images are uint8. Scale [0, 1] floats with (image * 255).astype(np.uint8).",
        ),
        (
            IMAGE.transpose(2, 0, 1),
            "image.shape = (3, 6, 8): an image is (H, W, 3), RGB. "
            "Channels come last: use image.transpose(1, 2, 0) for (3, H, W).",
        ),
    ],
)
def test_a_wrong_image_says_what_it_is_and_how_to_convert_it(image: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_image(image)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instruction": None}, "instruction = None: an instruction is a str."),
        ({"state": np.zeros(14)}, "state.shape = (14,): a state is (15,). Pass None without one."),
        ({"stamp_s": float("nan")}, "stamp_s = nan: a stamp is a finite monotonic time in seconds."),
    ],
)
def test_a_wrong_observation_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        check_observation(replace(Observation(IMAGE, "go"), **changes))
    assert str(caught.value) == message


def test_an_unknown_state_is_none_not_nan() -> None:
    with pytest.raises(DataError, match="Pass None while it is not known"):
        check_observation(Observation(IMAGE, "go", np.full(STATE_DIM, np.nan, dtype=np.float32)))
