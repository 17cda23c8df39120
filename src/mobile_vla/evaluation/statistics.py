"""The few statistics behind every table: proportions with an interval, means, medians, and a bootstrap over episodes.

No number of this product is shown without its n and an interval. This module knows nothing of drives or episodes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]
"""Lower and upper end of a 95 % interval."""

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

BOOTSTRAP_DRAWS: Final = 2000


def wilson(count: int, n: int) -> Interval:
    """Return the Wilson 95 % interval of the proportion `count / n`, within [0, 1]; with n = 0 it is all of [0, 1].

    Wilson (1927), equation for the score interval: unlike `p +- 2 s` it stays sensible near 0 and 1, where good policies live.

    Raises:
        ValueError: not 0 <= count <= n.
    """
    if not 0 <= count <= n:
        raise ValueError(f"count = {count!r}: 0 <= count <= n = {n!r}.")
    if n == 0:
        return (0.0, 1.0)
    share, z2 = count / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Rounding may leave the ends a few ulp on the wrong side of the share itself at 0 and 1.
    return (max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


@dataclass(frozen=True)
class Proportion:
    """`count` of `n`.

    Attributes:
        count: how many had the property.
        n: how many there were.
    """

    count: int
    n: int

    @classmethod
    def of(cls, flags: Iterable[bool]) -> Proportion:
        """Return the proportion of true ones among `flags`."""
        listed = [bool(flag) for flag in flags]
        return cls(sum(listed), len(listed))

    @property
    def share(self) -> float | None:
        """`count / n` in [0, 1], or None when there were none."""
        return self.count / self.n if self.n else None

    @property
    def ci95(self) -> Interval:
        """The Wilson 95 % interval."""
        return wilson(self.count, self.n)


def mean(values: Iterable[float]) -> float | None:
    """Return the mean of the finite `values`, or None when there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.fmean(finite) if finite else None


def median(values: Iterable[float]) -> float | None:
    """Return the median of the finite `values`, or None when there are none."""
    finite = [value for value in values if math.isfinite(value)]
    return float(statistics.median(finite)) if finite else None


def bootstrap_ratio(totals: NDArray[np.floating], counts: NDArray[np.integer], seed: int = 0) -> Interval | None:
    """Return the 95 % percentile-bootstrap interval of `sum(totals) / sum(counts)`, drawing whole episodes with replacement.

    Frames of one episode resemble each other, so drawing single frames would give intervals that are far too narrow.

    Args:
        totals: `(E,)` sum of the measure over each episode's frames.
        counts: `(E,)` number of frames of each episode, at least 1.
        seed: of the draws; the same input gives the same interval.

    Returns:
        lower and upper end, or None with fewer than two episodes (one episode says nothing about the next).
    """
    episodes = len(totals)
    if episodes < 2:
        return None
    drawn = np.random.default_rng(seed).integers(episodes, size=(BOOTSTRAP_DRAWS, episodes))
    ratios = np.asarray(totals, dtype=np.float64)[drawn].sum(axis=1) / np.asarray(counts)[drawn].sum(axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return (float(low), float(high))
