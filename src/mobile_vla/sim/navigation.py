"""One drive in the simulator: scene, world and judge together, one control step at a time.

The Gymnasium environment, the rollouts and the recorder all drive through this one class.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import SimulationError, problem
from mobile_vla.sim.expert import expert_action
from mobile_vla.sim.judge import End, Judge, wrap_angle
from mobile_vla.sim.randomisation import draw_scene
from mobile_vla.sim.scenario import SceneSpec, scenes
from mobile_vla.sim.scene import Scene
from mobile_vla.sim.world import DEFAULT_HEIGHT, DEFAULT_WIDTH, World
from mobile_vla.task.actions import ActionType, commanded_twist
from mobile_vla.task.state import planar_state

DEFAULT_RATE_HZ = 5.0


class Navigation:
    """A robot that drives around boxes to a goal.

    Args:
        rate_hz: control steps per second.
        height, width: of the camera's pictures (pixels).

    Raises:
        SimulationError: a rate outside 1 to 50 Hz.
    """

    def __init__(self, rate_hz: float = DEFAULT_RATE_HZ, height: int = DEFAULT_HEIGHT, width: int = DEFAULT_WIDTH) -> None:
        if not 1.0 <= rate_hz <= 50.0:
            raise SimulationError(problem("rate_hz", rate_hz, "the simulator is controlled at 1 to 50 Hz"))
        self.rate_hz = rate_hz
        self.world = World(height, width)
        self.end: End | None = None
        self._spec: SceneSpec | None = None
        self._judge: Judge | None = None

    def start(self, scenario: str, seed: int, level: int) -> Scene:
        """Begin the drive of `scenario` in the scene of `seed` (>= 0) at randomisation `level` (0 to 2)."""
        self._spec = scenes.get(scenario)
        scene = draw_scene(self._spec, seed, level)
        self.world.load(scene)
        self._judge = Judge(scene, self._spec.scenario.side, 1.0 / self.rate_hz)
        self.end = None
        return scene

    @property
    def spec(self) -> SceneSpec:
        """The scenario that is being driven. Raises SimulationError before `start`."""
        if self._spec is None:
            raise SimulationError("no drive has been started: call start(scenario, seed, level) first.")
        return self._spec

    @property
    def scene(self) -> Scene:
        """The scene that is being driven."""
        return self.judge.scene

    @property
    def judge(self) -> Judge:
        """The judge of this drive. Raises SimulationError before `start`."""
        if self._judge is None:
            raise SimulationError("no drive has been started: call start(scenario, seed, level) first.")
        return self._judge

    def step(self, action: NDArray[np.floating], disturbance: NDArray[np.floating] | None = None) -> End | None:
        """Drive one control period with `action` `(4,)`; return how the drive ended, or None while it goes on.

        Args:
            action: see `task.actions`.
            disturbance: twist `(3,)` added to what the action commands (not to a stop).
        """
        twist = commanded_twist(action)
        stopping = round(float(action[3])) == ActionType.STOP
        if disturbance is not None and not stopping:
            twist = twist + disturbance
        self.world.drive((float(twist[0]), float(twist[1]), float(twist[2])), 1.0 / self.rate_hz)
        speed = float(np.hypot(*self.world.twist[:2]))
        self.end = self.judge.observe(self.world.pose, speed, stopping, self.world.contact, self.world.time_s)
        return self.end

    def state(self) -> NDArray[np.float32]:
        """Return the robot's state `(15,)`: odometry from where the drive began (see `task.state`)."""
        x, y, yaw = self.world.pose
        start_x, start_y, start_yaw = self.scene.start
        cos, sin = math.cos(start_yaw), math.sin(start_yaw)
        dx, dy = x - start_x, y - start_y
        odometry = (cos * dx + sin * dy, cos * dy - sin * dx, wrap_angle(yaw - start_yaw))
        return planar_state(odometry, self.world.twist)

    def expert(self) -> NDArray[np.float32]:
        """Return what the privileged expert would do now, `(4,)`."""
        return expert_action(self.scene, self.spec.scenario.side, self.world.pose, 1.0 / self.rate_hz)
