"""Recording in the simulator: the expert drives, or a policy drives and the expert says what it should have done.

Two kinds of drives make up a training set:
- demonstrations: the expert drives, and bursts of disturbance push it off its line, so that the recording also shows how to
  come back (DART, Laskey et al. 2017);
- corrections: a policy drives, the expert labels every state that it got into (DAgger, Ross et al. 2011).
Either way the recorded action is the expert's, for what the camera saw at that moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mobile_vla.evaluation.agent import AgentOptions, Situation
from mobile_vla.evaluation.rollouts import DriveSpec, agent_of_process, drive_rng
from mobile_vla.sim.judge import goal_gap
from mobile_vla.sim.navigation import Navigation
from mobile_vla.sim.randomisation import distance_to_box
from mobile_vla.sim.scene import Scene
from mobile_vla.task.episode import Episode
from mobile_vla.task.instructions import draw_instruction
from mobile_vla.task.observation import Observation

_CALM_M: Final = 0.8
"""From this distance to the goal on, pushes fade: the goal is there to be reached, not to be pushed into."""


@dataclass(frozen=True)
class CollectConfig:
    """How episodes are recorded.

    Attributes:
        level: randomisation of the scenes, 0 to 2.
        rate_hz: frames and actions per second.
        image_size: height, width of the camera's pictures.
        disturbance: size of the bursts that push the driver off its line (m/s, rad/s); 0 for none.
        checkpoint: the policy that drives; empty for the expert.
    """

    level: int = 1
    rate_hz: float = 5.0
    image_size: tuple[int, int] = (64, 64)
    disturbance: float = 0.0
    checkpoint: str = ""


@dataclass
class _Recording:
    """One episode being recorded."""

    navigation: Navigation
    instruction: str
    rng: np.random.Generator
    spec: DriveSpec
    push: NDArray[np.float64]
    images: list[NDArray[np.uint8]]
    actions: list[NDArray[np.float32]]
    states: list[NDArray[np.float32]]


def collect_batch(specs: Sequence[DriveSpec], config: CollectConfig) -> list[Episode]:
    """Record one episode per spec, side by side; the same arguments give the same episodes."""
    driver = agent_of_process("policy", AgentOptions(config.checkpoint)) if config.checkpoint else None
    if driver is not None:
        driver.begin(len(specs))
    recordings = [_start(spec, config) for spec in specs]
    alive = list(range(len(specs)))
    while alive:
        situations = [_record_frame(recordings[slot]) for slot in alive]
        labels = [recordings[slot].actions[-1] for slot in alive]
        driven = labels if driver is None else list(driver.act(alive, situations))
        for slot, action in zip(alive, driven, strict=True):
            recording = recordings[slot]
            recording.navigation.step(action, _disturb(recording, config.disturbance))
        alive = [slot for slot in alive if recordings[slot].navigation.end is None]
    return [_episode(recording, config) for recording in recordings]


def _start(spec: DriveSpec, config: CollectConfig) -> _Recording:
    navigation = Navigation(config.rate_hz, *config.image_size)
    navigation.start(spec.scenario, spec.seed, config.level)
    rng = drive_rng(navigation, spec.seed, salt=2)
    instruction = draw_instruction(navigation.spec.scenario, rng)
    return _Recording(navigation, instruction, rng, spec, np.zeros(3), [], [], [])


def _record_frame(recording: _Recording) -> Situation:
    navigation = recording.navigation
    image, state = navigation.world.render(), navigation.state()
    recording.images.append(image)
    recording.actions.append(navigation.expert())
    recording.states.append(state)
    observation = Observation(image, recording.instruction, state, navigation.world.time_s)
    return Situation(observation, len(recording.images) - 1, navigation, recording.rng)


def _disturb(recording: _Recording, size: float) -> NDArray[np.float64] | None:
    """Return the push of this step: bursts begin at random, fade within a second, and are calmer near the goal (body frame)."""
    if size == 0.0:
        return None
    recording.push *= 0.75
    if recording.rng.random() < 0.25:
        recording.push += recording.rng.normal(0.0, size, size=3)
    gap = goal_gap(recording.navigation.scene, recording.navigation.world.pose)
    return recording.push * min(1.0, max(0.0, gap / _CALM_M))


def _episode(recording: _Recording, config: CollectConfig) -> Episode:
    navigation = recording.navigation
    frames = len(recording.actions)
    return Episode(
        images=np.stack(recording.images),
        actions=np.stack(recording.actions),
        states=np.stack(recording.states),
        timestamps=np.arange(frames) / config.rate_hz,
        rate_hz=config.rate_hz,
        instruction=recording.instruction,
        scenario=recording.spec.scenario,
        success=navigation.end == "success",
        metadata={
            "source": "simulation",
            "driver": "policy" if config.checkpoint else "expert",
            "labels": "expert",
            "seed": recording.spec.seed,
            "level": config.level,
            "disturbance": config.disturbance,
            "end": navigation.end,
            "box_distance_m": float(box_distance(navigation.scene)),
        },
    )


def box_distance(scene: Scene) -> float:
    """Return how far the robot's start is from the nearest box (m); 0 without boxes."""
    return min((distance_to_box(box, *scene.start[:2]) for box in scene.boxes), default=0.0)
