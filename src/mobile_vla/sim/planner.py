"""The taut string: the shortest path to the goal that passes every box on the instructed side.

Boxes are inflated to octagons by the robot's radius and a clearance; a barrier from each box's centre across the course closes
its wrong side. The shortest path in the visibility graph of the octagons' corners is the taut string (Lozano-Perez & Wesley
1979). It is planned anew from any pose, so that the expert can label states that it would never have reached itself.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.randomisation import distance_to_box
from mobile_vla.sim.scene import Box, Scene
from mobile_vla.task.scenarios import Side

CLEARANCES_M: Final = (0.20, 0.14, 0.09, 0.05, 0.02)
"""Tried in this order: the first that leaves the robot outside of every octagon is used."""
_BARRIER_M: Final = 30.0
_SKIN_M: Final = 0.01
"""Octagons are tested this much smaller than their corners stand, so that the string may touch them."""
_TAN: Final = math.tan(math.pi / 8)

Points = NDArray[np.float64]


@dataclass(frozen=True)
class _Obstacles:
    polygons: tuple[Points, ...]  # each (8, 2), counter-clockwise
    barriers: tuple[tuple[Points, Points], ...]


def plan(scene: Scene, side: Side, x: float, y: float) -> list[tuple[float, float]] | None:
    """Return the way points (m, world frame) from `(x, y)`, exclusive, to the goal's centre, inclusive.

    Returns None when the robot stands within 2 cm of a box or no way exists: the caller backs off.
    """
    here, goal = np.array([x, y]), np.array([scene.goal.x, scene.goal.y])
    for clearance in CLEARANCES_M:
        obstacles = _obstacles(scene, side, ROBOT_RADIUS_M + clearance)
        if not any(_inside(polygon, here) for polygon in obstacles.polygons):
            path = _shortest(here, goal, scene, side, clearance, obstacles)
            if path is not None:
                return path
    return None


def nearest_box(scene: Scene, x: float, y: float) -> Box:
    """Return the box that is nearest to `(x, y)`; inside several, the one whose centre is."""
    return min(scene.boxes, key=lambda box: (distance_to_box(box, x, y), math.hypot(box.x - x, box.y - y)))


def _obstacles(scene: Scene, side: Side, inflate_m: float) -> _Obstacles:
    ux, uy = scene.course
    wrong = np.array([uy, -ux]) if side == "left" else np.array([-uy, ux])
    centres = [np.array([box.x, box.y]) for box in scene.boxes]
    return _Obstacles(
        polygons=tuple(_octagon(box, inflate_m - _SKIN_M) for box in scene.boxes),
        barriers=tuple((centre, centre + wrong * _BARRIER_M) for centre in centres),
    )


def _octagon(box: Box, inflate_m: float) -> Points:
    """Return the corners `(8, 2)`, counter-clockwise, of the octagon around `box` inflated by `inflate_m`."""
    near = inflate_m * _TAN
    quarter = [(box.half_x + inflate_m, box.half_y + near), (box.half_x + near, box.half_y + inflate_m)]
    corners = quarter + [(-px, py) for px, py in reversed(quarter)]
    corners += [(-px, -py) for px, py in quarter] + [(px, -py) for px, py in reversed(quarter)]
    cos, sin = math.cos(box.yaw), math.sin(box.yaw)
    return np.array([(box.x + cos * px - sin * py, box.y + sin * px + cos * py) for px, py in corners])


def _inside(polygon: Points, point: Points) -> bool:
    edges = np.roll(polygon, -1, axis=0) - polygon
    offsets = point - polygon
    return bool((edges[:, 0] * offsets[:, 1] - edges[:, 1] * offsets[:, 0] > 0).all())


def _shortest(
    here: Points, goal: Points, scene: Scene, side: Side, clearance: float, obstacles: _Obstacles
) -> list[tuple[float, float]] | None:
    corners = [corner for box in scene.boxes for corner in _octagon(box, ROBOT_RADIUS_M + clearance)]
    free = [corner for corner in corners if not any(_inside(polygon, corner) for polygon in obstacles.polygons)]
    nodes = np.array([here, goal, *free])
    previous, done = {0: -1}, set[int]()
    queue: list[tuple[float, int, int]] = [(0.0, 0, -1)]
    while queue:
        length, node, came_from = heapq.heappop(queue)
        if node in done:
            continue
        done.add(node)
        previous[node] = came_from
        if node == 1:
            return _trace(nodes, previous)
        for other in range(1, len(nodes)):
            if other not in done and _visible(nodes[node], nodes[other], obstacles):
                step = math.dist(nodes[node], nodes[other])
                heapq.heappush(queue, (length + step, other, node))
    return None


def _trace(nodes: Points, previous: dict[int, int]) -> list[tuple[float, float]]:
    path, node = [], 1
    while node > 0:
        path.append((float(nodes[node][0]), float(nodes[node][1])))
        node = previous[node]
    return path[::-1]


def _visible(a: Points, b: Points, obstacles: _Obstacles) -> bool:
    if any(_crosses(a, b, start, end) for start, end in obstacles.barriers):
        return False
    return not any(_cuts(polygon, a, b) for polygon in obstacles.polygons)


def _cuts(polygon: Points, a: Points, b: Points) -> bool:
    """Return whether the segment a-b runs through the inside of the convex polygon (Cyrus & Beck 1978)."""
    enter, leave = 0.0, 1.0
    dx, dy = float(b[0] - a[0]), float(b[1] - a[1])
    corners = polygon.tolist()
    for i, (px, py) in enumerate(corners):
        qx, qy = corners[(i + 1) % len(corners)]
        ex, ey = qx - px, qy - py
        inward = ex * dy - ey * dx
        offset = ex * (a[1] - py) - ey * (a[0] - px)
        if abs(inward) < 1e-12:
            if offset <= 0:
                return False
        elif inward > 0:
            enter = max(enter, -offset / inward)
        else:
            leave = min(leave, -offset / inward)
        if enter >= leave:
            return False
    return leave - enter > 1e-9


def _crosses(a: Points, b: Points, c: Points, d: Points) -> bool:
    def turn(p: Points, q: Points, r: Points) -> float:
        return float((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return turn(a, b, c) * turn(a, b, d) < 0 and turn(c, d, a) * turn(c, d, b) < 0
