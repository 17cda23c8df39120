"""Cadence: which frames a policy would have looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError
from mobile_vla.task.cadence import TOLERANCE, FrameGate, frames_at_rate, same_cadence

rates = st.floats(0.5, 60.0)


@st.composite
def recordings(draw: st.DrawFn) -> NDArray[np.float64]:
    """Strictly increasing times `(T,)` of a camera with up to 30 % jitter per frame, starting anywhere."""
    period = 1.0 / draw(rates)
    jitter = draw(st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=60))
    return draw(st.floats(0.0, 1e4)) + period * np.cumsum(1.0 + np.array(jitter))


def median_rate(times: NDArray[np.float64]) -> float:
    return float(1.0 / np.median(np.diff(times)))


@given(rates, rates)
def test_same_cadence_is_symmetric_and_holds_for_equal_rates(a: float, b: float) -> None:
    assert same_cadence(a, b) == same_cadence(b, a)
    assert same_cadence(a, a)
    assert same_cadence(a, b) == (min(a, b) >= (1 - TOLERANCE) * max(a, b) - 1e-12 * a) or np.isclose(
        min(a, b), (1 - TOLERANCE) * max(a, b)
    )


@given(recordings(), rates)
def test_resampled_frames_strictly_increase_and_start_with_the_first(times: NDArray[np.float64], policy_hz: float) -> None:
    assume(median_rate(times) > policy_hz)
    frames = frames_at_rate(times, policy_hz, "resample", "drive")
    assert frames.dtype == np.int64
    assert (np.diff(frames) > 0).all()
    assert frames[0] == 0
    assert frames[-1] < len(times)


@given(recordings(), rates)
def test_each_tick_gets_the_nearest_frame(times: NDArray[np.float64], policy_hz: float) -> None:
    assume(median_rate(times) > policy_hz and not same_cadence(median_rate(times), policy_hz))
    frames = frames_at_rate(times, policy_hz, "resample", "drive")
    ticks = np.arange(times[0], times[-1], 1.0 / policy_hz)
    chosen = np.abs(ticks[:, None] - times[frames][None, :]).min(axis=1)
    possible = np.abs(ticks[:, None] - times[None, :]).min(axis=1)
    np.testing.assert_allclose(chosen, possible, atol=1e-8)
    assert (chosen <= np.diff(times).max() / 2 + 1e-8).all()
    assert len(frames) <= len(ticks) + 1


@given(recordings(), st.floats(0.85, 1.15), st.sampled_from(["refuse", "resample"]))
def test_within_the_tolerance_every_frame_is_taken(times: NDArray[np.float64], factor: float, choice: str) -> None:
    frames = frames_at_rate(times, factor * median_rate(times), choice, "drive")  # type: ignore[arg-type]
    np.testing.assert_array_equal(frames, np.arange(len(times)))


def test_every_third_frame_of_thirty_hertz_is_ten_hertz() -> None:
    frames = frames_at_rate(np.arange(31) / 30.0, 10.0, "resample", "drive")
    np.testing.assert_array_equal(frames, np.arange(0, 31, 3))


def test_a_gap_in_the_recording_repeats_no_frame() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.3, 2.0, 2.1, 2.2])
    frames = frames_at_rate(times, 5.0, "resample", "drive")
    np.testing.assert_array_equal(frames, [0, 2, 3, 4, 6])


@pytest.mark.parametrize("frames", [0, 1])
def test_too_short_to_have_a_rate(frames: int) -> None:
    assert len(frames_at_rate(np.zeros(frames), 10.0, "refuse", "drive")) == frames


def test_a_refusal_names_both_rates_and_the_remedy() -> None:
    with pytest.raises(DataError) as caught:
        frames_at_rate(np.arange(10) / 30.0, 10.0, "refuse", "a.h5")
    assert str(caught.value) == (
        "a.h5.rate_hz = 30.0: the policy runs at 10 Hz, and rates more than 20% apart do not mix. "
        "Set on_rate_mismatch to 'resample', or rate_hz to 30.00."
    )


def test_frames_are_never_invented() -> None:
    with pytest.raises(DataError) as caught:
        frames_at_rate(np.arange(10) / 1.3, 6.0, "resample", "a.h5")
    assert str(caught.value) == (
        "a.h5.rate_hz = 1.3: the policy runs at 6 Hz, and rates more than 20% apart do not mix. "
        "Frames cannot be invented: set rate_hz to 1.30 or less."
    )


@given(st.floats(1.0, 30.0), st.lists(st.floats(-0.04, 0.04), min_size=2, max_size=50))
def test_the_gate_loses_no_frame_of_a_camera_at_its_own_rate(rate_hz: float, jitter: list[float]) -> None:
    gate = FrameGate(rate_hz)
    assert all(gate.accepts((frame + shift) / rate_hz) for frame, shift in enumerate(jitter, start=1))


@given(st.floats(1.0, 30.0), st.lists(st.floats(0.001, 0.5), min_size=1, max_size=60))
def test_the_gate_keeps_its_period_whatever_the_camera_does(rate_hz: float, steps: list[float]) -> None:
    gate, stamps = FrameGate(rate_hz), np.cumsum(steps)
    taken = [stamp for stamp in stamps if gate.accepts(float(stamp))]
    assert taken[0] == stamps[0]
    assert (np.diff(taken) >= 0.9 / rate_hz - 1e-9).all()


def test_a_new_episode_begins_with_its_first_frame() -> None:
    gate = FrameGate(2.0)
    assert gate.accepts(10.0)
    assert not gate.accepts(10.1)
    gate.reset()
    assert gate.accepts(10.2)
