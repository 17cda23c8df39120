"""The guide's eight scenarios, in one table: `{1box, 2box} x {vert, hori}`, each driven around the left and around the right.

`vert`: one box lengthwise, or two one behind the other. `hori`: one box crosswise, or two side by side.
"""

from __future__ import annotations

from typing import Final

from mobile_vla.sim.scenario import BoxSpec, SceneSpec, scenes
from mobile_vla.task.scenarios import SCENARIOS

LAYOUTS: Final = {
    "1box_vert": (BoxSpec(along=0.5, left_m=0.0, half_x=0.28, half_y=0.16),),
    "1box_hori": (BoxSpec(along=0.5, left_m=0.0, half_x=0.16, half_y=0.28),),
    "2box_vert": (
        BoxSpec(along=0.34, left_m=0.0, half_x=0.20, half_y=0.16),
        BoxSpec(along=0.62, left_m=0.0, half_x=0.20, half_y=0.16),
    ),
    "2box_hori": (
        BoxSpec(along=0.5, left_m=0.22, half_x=0.16, half_y=0.20),
        BoxSpec(along=0.5, left_m=-0.22, half_x=0.16, half_y=0.20),
    ),
}

for _scenario in SCENARIOS:
    _family = f"{_scenario.num_boxes}box_{_scenario.layout}"
    scenes.add(_scenario.name, SceneSpec(scenario=_scenario, family=_family, boxes=LAYOUTS[_family]))
