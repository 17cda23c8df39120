"""The Gymnasium environment `MobileVLA/BoxNavigation-v0`.

| | |
|---|---|
| action | `Box(4)`: linear_x m/s, linear_y m/s, angular_z rad/s in [-1.15, 1.15], action_type in [0, 3] (rounded) |
| observation | `Dict(image: (H, W, 3) uint8 RGB, state: (15,) float32, instruction: Text)` |
| reward | progress towards the goal in m, +1 for success, -1 for a contact |
| terminated | success, contact, wrong side at the goal, a stop held elsewhere |
| truncated | 14 s have passed |
"""

from __future__ import annotations

from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mobile_vla.core.errors import SimulationError, problem
from mobile_vla.sim.judge import goal_gap
from mobile_vla.sim.navigation import DEFAULT_RATE_HZ, Navigation
from mobile_vla.sim.scenario import scenes
from mobile_vla.sim.world import DEFAULT_HEIGHT, DEFAULT_WIDTH
from mobile_vla.task.actions import VELOCITY_LIMIT
from mobile_vla.task.instructions import draw_instruction
from mobile_vla.task.scenarios import SCENARIOS
from mobile_vla.task.state import STATE_DIM

ENV_ID: Final = "MobileVLA/BoxNavigation-v0"

Observed = dict[str, Any]


class BoxNavigationEnv(gymnasium.Env[Observed, NDArray[np.float32]]):
    """Drive around boxes to a goal, on the side that the instruction names.

    Args:
        scenario: one registered scenario, or None to draw one of the guide's eight at every reset.
        level: randomisation, 0 (none) to 2 (wide).
        rate_hz: control steps per second.
        height, width: of the camera's pictures.
        render_mode: None, or `rgb_array` (the camera's picture).

    `reset(options={"scenario": ..., "scene_seed": ..., "instruction": ...})` fixes any of these for one episode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": int(DEFAULT_RATE_HZ)}  # noqa: RUF012  (Gymnasium's own name)

    def __init__(
        self,
        scenario: str | None = None,
        level: int = 1,
        rate_hz: float = DEFAULT_RATE_HZ,
        height: int = DEFAULT_HEIGHT,
        width: int = DEFAULT_WIDTH,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise SimulationError(problem("render_mode", render_mode, "choose None or 'rgb_array'"))
        if scenario is not None:
            scenes.get(scenario)
        self.render_mode = render_mode
        self._scenario, self._level = scenario, level
        self._navigation = Navigation(rate_hz, height, width)
        self._instruction = ""
        self._gap_m = 0.0
        high = np.array([VELOCITY_LIMIT] * 3 + [3.0], dtype=np.float32)
        self.action_space = spaces.Box(low=high * np.array([-1, -1, -1, 0], dtype=np.float32), high=high, dtype=np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (height, width, 3), np.uint8),
                "state": spaces.Box(-np.inf, np.inf, (STATE_DIM,), np.float32),
                "instruction": spaces.Text(min_length=0, max_length=200, charset=_charset()),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observed, dict[str, Any]]:
        """Begin a drive; the same `seed` gives the same scene, instruction and drive."""
        super().reset(seed=seed)
        options = options or {}
        drawn = SCENARIOS[int(self.np_random.integers(len(SCENARIOS)))].name
        name = options.get("scenario", self._scenario or drawn)
        scene_seed = int(options.get("scene_seed", self.np_random.integers(2**31)))
        self._navigation.start(name, scene_seed, self._level)
        drawn_text = draw_instruction(self._navigation.spec.scenario, self.np_random)
        self._instruction = str(options.get("instruction", drawn_text))
        self._gap_m = goal_gap(self._navigation.scene, self._navigation.world.pose)
        return self._observe(), {"scenario": name, "scene_seed": scene_seed}

    def step(self, action: NDArray[np.float32]) -> tuple[Observed, float, bool, bool, dict[str, Any]]:
        """Drive one control period with `action` `(4,)`; see the module's table."""
        rounded = np.array([*action[:3], round(float(action[3]))], dtype=np.float32)
        end = self._navigation.step(rounded)
        gap_m = goal_gap(self._navigation.scene, self._navigation.world.pose)
        reward = self._gap_m - gap_m + {"success": 1.0, "hit_box": -1.0, "hit_goal": -1.0}.get(end or "", 0.0)
        self._gap_m = gap_m
        info = {"end": end, "is_success": end == "success", "side_taken": self._navigation.judge.side_taken, "gap_m": gap_m}
        return self._observe(), reward, end not in (None, "timeout"), end == "timeout", info

    def expert_action(self) -> NDArray[np.float32]:
        """Return what the privileged expert would do now, `(4,)`."""
        return self._navigation.expert()

    def render(self) -> NDArray[np.uint8]:
        """Return the camera's picture."""
        return self._navigation.world.render()

    def _observe(self) -> Observed:
        image = self._navigation.world.render()
        return {"image": image, "state": self._navigation.state(), "instruction": self._instruction}


def _charset() -> str:
    """Return printable ASCII and every Hangul syllable: whatever a user may say in English or Korean."""
    return "".join(chr(code) for code in (*range(0x20, 0x7F), *range(0xAC00, 0xD7A4)))


def register() -> None:
    """Register the environment with Gymnasium, so that `gymnasium.make(ENV_ID)` finds it."""
    if ENV_ID not in gymnasium.registry:
        gymnasium.register(id=ENV_ID, entry_point="mobile_vla.sim.env:BoxNavigationEnv")
