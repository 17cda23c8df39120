"""Scenario names: `{1box, 2box} x {vert, hori} x {left, right}`, and what the words mean.

`vert`: a box lengthwise, or two boxes one behind the other; `hori`: a box crosswise, or two side by side. The last word is
the side on which the robot passes every box, seen in its direction of travel (left = +y). What a scene looks like is the
simulator's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from mobile_vla.core.errors import DataError, problem

Side = Literal["left", "right"]
Layout = Literal["vert", "hori"]

_NAME = re.compile(r"(?P<boxes>\d+)box_(?P<layout>vert|hori)_(?P<side>left|right)")


@dataclass(frozen=True)
class Scenario:
    """One kind of drive.

    Attributes:
        num_boxes: how many boxes stand between the robot and the goal.
        layout: `vert` or `hori`.
        side: the side on which every box is passed.
    """

    num_boxes: int
    layout: Layout
    side: Side

    @property
    def name(self) -> str:
        """The scenario's name in file names and tables, for example `1box_vert_left`."""
        return f"{self.num_boxes}box_{self.layout}_{self.side}"

    @property
    def mirrored(self) -> Scenario:
        """The same boxes, passed on the other side."""
        return Scenario(self.num_boxes, self.layout, other_side(self.side))


def other_side(side: Side) -> Side:
    """Return the opposite side."""
    return "right" if side == "left" else "left"


def parse_scenario(name: str) -> Scenario:
    """Return the scenario called `name`. Raises DataError for a name outside the grammar."""
    found = _NAME.fullmatch(name)
    if found is None:
        rule = "a scenario is {N}box_{vert|hori}_{left|right}"
        raise DataError(problem("scenario", name, rule, "For example 1box_vert_left"))
    layout: Layout = "vert" if found["layout"] == "vert" else "hori"
    return Scenario(int(found["boxes"]), layout, "left" if found["side"] == "left" else "right")


_LAYOUTS: Final[tuple[Layout, ...]] = ("vert", "hori")
_SIDES: Final[tuple[Side, ...]] = ("left", "right")
SCENARIOS: Final = tuple(Scenario(boxes, layout, side) for boxes in (1, 2) for layout in _LAYOUTS for side in _SIDES)
"""The eight scenarios of the guide."""
