"""Open loop: predicted actions beside recorded ones on held-out episodes, always next to the baselines that see nothing.

Two baselines (`open_loop_baselines`): `constant` (the mean training velocity; the most common training class) and `time_only`
(the same at each frame position of an episode: what a policy knows that has learned the clock). Intervals come from a bootstrap
over episodes. A low error here says little about driving: a policy is chosen by closed-loop success.

`T` frames of one episode. PM (perfect match) and DM (direction match) are the shares of frames whose action class and motion
direction (`task.motion`) equal the recorded ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError, problem
from mobile_vla.evaluation.open_loop_baselines import Baseline, majority_class, mean_velocity
from mobile_vla.evaluation.statistics import Interval, bootstrap_ratio
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_DIM, check_actions
from mobile_vla.task.episode import Episode
from mobile_vla.task.motion import MOTIONS, action_classes, motion_classes
from mobile_vla.task.observation import Observation

Actions = NDArray[np.float32]
Labels = NDArray[np.int64]

PREDICTORS: Final = {
    "model": "The policy, shown the recorded pictures and instruction.",
    "constant": "Always the mean velocity of the training set; for types and classes always the most common one.",
    "time_only": "The same at each frame position of an episode: what knowing the time alone gives.",
}
"""The rows of every open-loop table, and what each one is."""

CLASSES: Final[dict[str, Callable[[NDArray[np.floating]], Labels]]] = {
    "type_accuracy": lambda actions: np.round(actions[:, VELOCITY_DIM]).astype(np.int64),
    "pm": action_classes,
    "dm": motion_classes,
}
"""The class measures: share of frames whose class equals the recorded one."""


class OpenLoopSession(Protocol):
    """What `predict_episode` needs of a policy; the inference session has it."""

    def reset(self) -> None:
        """Forget the stream: a new episode begins."""

    def select_action(self, observation: Observation) -> NDArray[np.float32]:
        """Return the action `(4,)` for `observation`."""


@dataclass(frozen=True)
class HeldOut:
    """One held-out episode, predicted and recorded.

    Attributes:
        name: for tables and pictures.
        predicted: `(T, 4)` the model's actions.
        recorded: `(T, 4)` the driver's actions.
        rate_hz: frames per second, for the pictures' time axis.
    """

    name: str
    predicted: Actions
    recorded: Actions
    rate_hz: float

    def __post_init__(self) -> None:
        check_actions(self.recorded, f"{self.name}.recorded")
        if self.predicted.shape != self.recorded.shape or len(self.recorded) == 0:
            shapes = (self.predicted.shape, self.recorded.shape)
            raise DataError(
                problem(f"{self.name}.predicted.shape", shapes, "predicted and recorded actions are both (T, 4), T > 0")
            )
        if not np.isfinite(self.predicted).all():
            raise DataError(problem(f"{self.name}.predicted", "NaN or infinity", "predicted actions are finite"))


@dataclass(frozen=True)
class Measure:
    """One number with its interval.

    Attributes:
        value: the measure over all frames.
        ci95: bootstrap over episodes; None with fewer than two episodes.
    """

    value: float
    ci95: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"value": self.value, "ci95": None if self.ci95 is None else list(self.ci95)}


@dataclass(frozen=True)
class OpenLoopResult:
    """Every measure of every predictor.

    Attributes:
        episodes, frames: how many were held out.
        training_episodes: how many the baselines were made of.
        measures: predictor -> measure (`mae.linear_x`, ..., `rmse.angular_z`, `type_accuracy`, `pm`, `dm`) -> number.
        better_than: baseline -> measure -> how much better the model is, paired by frame; clear when the interval
            excludes 0. Absent for RMSE, which is no mean over frames.
        recall: predictor -> motion direction -> share that it names of the frames recorded so; None without any.
        directions: motion direction -> how many frames were recorded with it.
    """

    episodes: int
    frames: int
    training_episodes: int
    measures: Mapping[str, Mapping[str, Measure]]
    better_than: Mapping[str, Mapping[str, Measure]]
    recall: Mapping[str, Mapping[str, float | None]]
    directions: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the tree of `open_loop.json`."""
        counts = {"episodes": self.episodes, "frames": self.frames, "training_episodes": self.training_episodes}
        return {
            **counts,
            "measures": {who: {name: one.to_json() for name, one in row.items()} for who, row in self.measures.items()},
            "better_than": {who: {name: one.to_json() for name, one in row.items()} for who, row in self.better_than.items()},
            "recall": {who: dict(row) for who, row in self.recall.items()},
            "directions": dict(self.directions),
        }


def predict_episode(session: OpenLoopSession, episode: Episode) -> Actions:
    """Return the actions `(T, 4)` that `session` would have chosen on the recorded frames, from a fresh start.

    The recorded pictures, instruction, states and times are shown in order; the predicted actions move nothing.
    """
    session.reset()
    chosen = []
    for frame, image in enumerate(episode.images):
        state = None if episode.states is None else episode.states[frame]
        observation = Observation(np.asarray(image), episode.instruction, state, float(episode.timestamps[frame]))
        chosen.append(np.asarray(session.select_action(observation), dtype=np.float32))
    return np.stack(chosen)


def measure(held_out: Sequence[HeldOut], training: Sequence[NDArray[np.floating]]) -> OpenLoopResult:
    """Return every measure of the model and the baselines.

    Args:
        held_out: at least one episode that the model has not been trained on.
        training: `(T_i, 4)` actions of each training episode; row t is frame position t.

    Raises:
        DataError: no held-out episode, or no training frame.
    """
    if not held_out or not sum(len(actions) for actions in training):
        given = (len(held_out), len(training))
        raise DataError(problem("open_loop", given, "at least one held-out and one training episode with frames are needed"))
    losses = _losses(held_out, training)
    counts = np.array([len(episode.recorded) for episode in held_out])
    recorded = [motion_classes(episode.recorded) for episode in held_out]
    return OpenLoopResult(
        episodes=len(held_out),
        frames=int(counts.sum()),
        training_episodes=len(training),
        measures={who: _summed(rows, counts) for who, rows in losses.items()},
        better_than={who: _gains(losses["model"], losses[who], counts) for who in ("constant", "time_only")},
        recall={who: _recall(rows["dm"], recorded) for who, rows in losses.items()},
        directions={name: int(sum((labels == index).sum() for labels in recorded)) for index, name in enumerate(MOTIONS)},
    )


FrameLosses = dict[str, list[NDArray[np.float64]]]
"""Measure -> per episode `(T,)`: absolute errors, squared errors, or 1 where the class is right."""


def _losses(held_out: Sequence[HeldOut], training: Sequence[NDArray[np.floating]]) -> dict[str, FrameLosses]:
    rows: dict[str, FrameLosses] = {who: {} for who in PREDICTORS}
    for column, name in enumerate(ACTION_NAMES[:VELOCITY_DIM]):
        mean = mean_velocity(training, column)
        for episode in held_out:
            truth = episode.recorded[:, column].astype(np.float64)
            for who, guess in _guesses(episode.predicted[:, column], mean).items():
                rows[who].setdefault(f"mae.{name}", []).append(np.abs(guess - truth))
                rows[who].setdefault(f"rmse.{name}", []).append((guess - truth) ** 2)
    for name, classes_of in CLASSES.items():
        most_common = majority_class(training, classes_of)
        for episode in held_out:
            labels = classes_of(episode.recorded)
            for who, guess in _guesses(classes_of(episode.predicted), most_common).items():
                rows[who].setdefault(name, []).append((guess == labels).astype(np.float64))
    return rows


def _guesses(model: NDArray[Any], baseline: Baseline) -> dict[str, NDArray[Any]]:
    return {"model": model, "constant": baseline.constant(len(model)), "time_only": baseline.time_only(len(model))}


def _summed(losses: FrameLosses, counts: NDArray[np.int64]) -> dict[str, Measure]:
    return {
        name: _measure(np.array([one.sum() for one in rows]), counts, name.startswith("rmse")) for name, rows in losses.items()
    }


def _measure(totals: NDArray[np.float64], counts: NDArray[np.int64], root: bool = False) -> Measure:
    value, ends = float(totals.sum() / counts.sum()), bootstrap_ratio(totals, counts)
    if root:
        value, ends = value**0.5, None if ends is None else (ends[0] ** 0.5, ends[1] ** 0.5)
    return Measure(value, ends)


def _gains(model: FrameLosses, baseline: FrameLosses, counts: NDArray[np.int64]) -> dict[str, Measure]:
    gains = {}
    for name in model:
        if not name.startswith("rmse"):
            sign = 1.0 if name in CLASSES else -1.0
            pairs = zip(model[name], baseline[name], strict=True)
            gains[name] = _measure(np.array([sign * (ours - theirs).sum() for ours, theirs in pairs]), counts)
    return gains


def _recall(hits: Sequence[NDArray[np.float64]], recorded: Sequence[Labels]) -> dict[str, float | None]:
    right, labels = np.concatenate(list(hits)), np.concatenate(list(recorded))
    return {
        name: float(right[labels == index].mean()) if (labels == index).any() else None for index, name in enumerate(MOTIONS)
    }
