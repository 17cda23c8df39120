"""Closed-loop rollouts: agents drive, the judge judges, on any number of workers with the same result.

Drives are cut into batches of fixed composition; a batch drives side by side in one process, so that a policy sees all of its
robots in one forward pass. Neither the number of workers nor their speed changes what is in a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.parallel import WorkerPool
from mobile_vla.core.progress import progress
from mobile_vla.evaluation.agent import Agent, AgentOptions, Situation, agents
from mobile_vla.evaluation.outcome import BoxFootprint, Drive, Floor
from mobile_vla.sim.base import ROBOT_RADIUS_M
from mobile_vla.sim.judge import goal_bearing, goal_gap
from mobile_vla.sim.navigation import DEFAULT_RATE_HZ, Navigation
from mobile_vla.sim.scene import Scene
from mobile_vla.task.instructions import Split, draw_instruction
from mobile_vla.task.observation import Observation

BATCH: Final = 16
"""Drives that share one process and one forward pass."""
FILM_SIZE: Final = (180, 320)
_NO_IMAGE: Final = np.zeros((1, 1, 3), dtype=np.uint8)


@dataclass(frozen=True)
class DriveSpec:
    """One drive to be driven: `seed` fixes the scene, the wording of the instruction and the agent's random numbers."""

    scenario: str
    seed: int


@dataclass(frozen=True)
class RolloutConfig:
    """How drives are driven.

    Attributes:
        level: randomisation of the scenes, 0 to 2.
        rate_hz: control steps per second.
        image_size: height, width of the camera's pictures.
        wording: which instructions are spoken, `train` or `held_out`.
        film: how many of the first drives keep pictures, for GIFs; these are taken at `FILM_SIZE`, whatever the policy sees.
    """

    level: int = 1
    rate_hz: float = DEFAULT_RATE_HZ
    image_size: tuple[int, int] = (64, 64)
    wording: Split = "train"
    film: int = 0


def roll_out(
    agent: str, specs: Sequence[DriveSpec], config: RolloutConfig, options: AgentOptions, pool: WorkerPool
) -> list[Drive]:
    """Drive every spec with the registered `agent`; return the drives in the order of `specs`.

    Raises:
        UnknownNameError: no such agent or scenario.
        CheckpointError: the agent's checkpoint cannot be loaded.
    """
    agents.get(agent)
    starts = range(0, len(specs), BATCH)
    batches = [_Batch(agent, tuple(specs[at : at + BATCH]), config, options, config.film - at) for at in starts]
    drives: list[Drive] = []
    with progress(f"Driving: {agent}", len(specs)) as advance:
        for done in pool.map(_drive_batch, batches):
            drives.extend(done)
            won = sum(drive.success for drive in drives)
            advance(len(done), note=f"{won}/{len(drives)} succeeded")
    return drives


@dataclass(frozen=True)
class _Batch:
    agent: str
    specs: tuple[DriveSpec, ...]
    config: RolloutConfig
    options: AgentOptions
    film: int


@dataclass
class _Running:
    """One drive under way."""

    spec: DriveSpec
    navigation: Navigation
    instruction: str
    rng: np.random.Generator
    film: bool
    path: list[tuple[float, float, float]] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)


def agent_of_process(name: str, options: AgentOptions) -> Agent:
    """Return this process' agent; a policy is loaded once, not once per batch, and again when its file has changed."""
    return _build_agent(name, options, _version(options.checkpoint))


@lru_cache(maxsize=2)
def _build_agent(name: str, options: AgentOptions, version: tuple[int, int]) -> Agent:
    return agents.get(name)(options)


def _version(checkpoint: str) -> tuple[int, int]:
    """Tell one state of a file from the next: training goes on writing to the same name."""
    path = Path(checkpoint)
    if not checkpoint or not path.is_file():
        return 0, 0
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _drive_batch(batch: _Batch) -> list[Drive]:
    agent = agent_of_process(batch.agent, batch.options)
    agent.begin(len(batch.specs))
    runs = [_start(spec, batch.config, index < batch.film) for index, spec in enumerate(batch.specs)]
    alive = list(range(len(runs)))
    step = 0
    while alive:
        situations = [_look(runs[slot], step, agent.needs_camera) for slot in alive]
        actions = agent.act(alive, situations)
        for slot, action in zip(alive, actions, strict=True):
            runs[slot].navigation.step(action)
            runs[slot].path.append(runs[slot].navigation.world.pose)
        alive = [slot for slot in alive if runs[slot].navigation.end is None]
        step += 1
    return [_finish(batch.agent, run) for run in runs]


def _start(spec: DriveSpec, config: RolloutConfig, film: bool) -> _Running:
    navigation = Navigation(config.rate_hz, *config.image_size)
    navigation.start(spec.scenario, spec.seed, config.level)
    rng = drive_rng(navigation, spec.seed, salt=1)
    instruction = draw_instruction(navigation.spec.scenario, rng, config.wording)
    return _Running(spec, navigation, instruction, rng, film, path=[navigation.world.pose])


def _look(run: _Running, step: int, needs_camera: bool) -> Situation:
    image = run.navigation.world.render() if needs_camera else _NO_IMAGE
    if run.film:
        run.frames.append(run.navigation.world.render(size=FILM_SIZE))
    observation = Observation(image, run.instruction, run.navigation.state(), run.navigation.world.time_s)
    return Situation(observation, step, run.navigation, run.rng)


def _finish(agent: str, run: _Running) -> Drive:
    navigation, judge = run.navigation, run.navigation.judge
    pose = navigation.world.pose
    assert navigation.end is not None
    return Drive(
        agent=agent,
        scenario=run.spec.scenario,
        seed=run.spec.seed,
        instruction=run.instruction,
        end=navigation.end,
        side_asked=judge.side,
        side_taken=judge.side_taken,
        gap_m=goal_gap(judge.scene, pose),
        bearing_rad=goal_bearing(judge.scene, pose),
        path_length_m=judge.path_length_m,
        duration_s=navigation.world.time_s,
        path=tuple(run.path),
        floor=floor_of(judge.scene),
        frames=tuple(run.frames),
    )


def drive_rng(navigation: Navigation, seed: int, salt: int) -> np.random.Generator:
    """Return one drive's random numbers: the same for the left and the right of a scene, others for every family and salt."""
    return np.random.default_rng([seed, salt, zlib.crc32(navigation.spec.family.encode())])


def floor_of(scene: Scene) -> Floor:
    """Return `scene` as seen from above."""
    boxes = tuple(BoxFootprint(box.x, box.y, box.yaw, box.half_x, box.half_y) for box in scene.boxes)
    return Floor(boxes, (scene.goal.x, scene.goal.y, scene.goal.radius_m), ROBOT_RADIUS_M)
