"""Intervals, means and the bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_vla.evaluation.statistics import Proportion, bootstrap_ratio, mean, median, wilson

counts = st.integers(0, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (238, 240, 0.9702, 0.9977), (0, 0, 0.0, 1.0)],
)
def test_known_intervals(count: int, n: int, low: float, high: float) -> None:
    assert wilson(count, n) == pytest.approx((low, high), abs=1e-4)


@given(counts)
def test_interval_holds_the_share_and_stays_in_range(pair: tuple[int, int]) -> None:
    low, high = wilson(*pair)
    assert 0.0 <= low < high <= 1.0
    if pair[1]:
        assert low <= pair[0] / pair[1] <= high


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(2, 10))
def test_interval_shrinks_with_n(pair: tuple[int, int], factor: int) -> None:
    few, many = wilson(*pair), wilson(pair[0] * factor, pair[1] * factor)
    assert many[1] - many[0] < few[1] - few[0]


@given(counts)
def test_interval_of_the_opposite_is_mirrored(pair: tuple[int, int]) -> None:
    low, high = wilson(pair[1] - pair[0], pair[1])
    assert wilson(*pair) == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize(("count", "n"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(count: int, n: int) -> None:
    with pytest.raises(ValueError, match=rf"count = {count}: 0 <= count <= n = {n}\."):
        wilson(count, n)


def test_proportion_of_nothing_has_no_share() -> None:
    assert (Proportion.of([]).share, Proportion.of([]).ci95) == (None, (0.0, 1.0))
    assert Proportion.of([True, False, True, True]).share == 0.75


def test_mean_and_median_leave_out_what_is_not_finite() -> None:
    assert mean([1.0, 2.0, 6.0, float("nan")]) == 3.0
    assert median([1.0, 2.0, 6.0, float("inf")]) == 2.0
    assert mean([]) is None
    assert median([float("nan")]) is None


def test_bootstrap_draws_episodes_not_frames() -> None:
    totals, frames = np.array([100.0, 0.0] * 5), np.full(10, 100)
    low, high = bootstrap_ratio(totals, frames) or (0.0, 0.0)
    by_frame_width = 2 * 1.96 * 0.5 / np.sqrt(1000)
    assert high - low > 5 * by_frame_width
    assert low < 0.5 < high


def test_bootstrap_repeats_itself_and_needs_two_episodes() -> None:
    totals, frames = np.array([3.0, 1.0, 2.0]), np.array([5, 4, 9])
    assert bootstrap_ratio(totals, frames) == bootstrap_ratio(totals, frames)
    assert bootstrap_ratio(totals, frames, seed=1) is not None
    assert bootstrap_ratio(totals[:1], frames[:1]) is None
