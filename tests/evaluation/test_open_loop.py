"""Open loop: measures by hand, baselines, intervals, the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from mobile_vla.core.errors import DataError
from mobile_vla.evaluation.open_loop import HeldOut, measure, predict_episode
from mobile_vla.evaluation.open_loop_picture import MAX_POINTS, steered_column, track_svg
from mobile_vla.evaluation.open_loop_report import write_open_loop_report
from mobile_vla.task.episode import Episode
from mobile_vla.task.observation import Observation

LEFT, AHEAD, RIGHT, STOP = [0.5, 0, 1, 0], [0.5, 0, 0, 0], [0.5, 0, -1, 0], [0, 0, 0, 2]


def _actions(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def _noisy(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    recorded = np.zeros((frames, 4), dtype=np.float32)
    recorded[:, 0], recorded[:, 2] = 0.5, np.sin(np.arange(frames) / 5 + seed)
    predicted = recorded + np.array([0.0, 0.0, 1.0, 0.0]) * rng.normal(0, 0.1, (frames, 1))
    return predicted.astype(np.float32), recorded


class Session:
    """Answers with what it was shown."""

    def __init__(self) -> None:
        self.resets, self.seen = 0, list[Observation]()

    def reset(self) -> None:
        """Count."""
        self.resets += 1

    def select_action(self, observation: Observation) -> np.ndarray:
        """Return the picture's first value as linear_x."""
        self.seen.append(observation)
        return np.array([observation.image[0, 0, 0] / 100, 0, 0, 0])


def test_measures_by_hand() -> None:
    training = [_actions(AHEAD, AHEAD, STOP), _actions(AHEAD, LEFT)]
    held_out = [HeldOut("one", _actions(AHEAD, LEFT, LEFT, STOP), _actions(AHEAD, LEFT, RIGHT, STOP), 10.0)]
    found = measure(held_out, training)
    model, constant, clock = (found.measures[who] for who in ("model", "constant", "time_only"))
    assert model["mae.angular_z"].value == pytest.approx(2 / 4)
    assert model["rmse.angular_z"].value == pytest.approx((4 / 4) ** 0.5)
    assert constant["mae.angular_z"].value == pytest.approx((0.2 + 0.8 + 1.2 + 0.2) / 4)
    assert clock["mae.angular_z"].value == pytest.approx((0 + 0.5 + 1 + 0) / 4)  # positions: 0, 0.5, 0, then the last kept
    assert (model["dm"].value, constant["dm"].value, clock["dm"].value) == (
        0.75,
        0.25,
        0.75,
    )  # the tie at position 1 goes to left
    assert (model["type_accuracy"].value, constant["type_accuracy"].value) == (1.0, 0.75)
    assert clock["type_accuracy"].value == 0.75  # stop from position 2 on
    assert (found.frames, found.episodes, found.training_episodes) == (4, 1, 2)
    assert model["dm"].ci95 is None
    assert found.directions == {"left": 1, "straight": 1, "right": 1, "stop": 1}
    assert found.recall["model"] == {"left": 1.0, "straight": 1.0, "right": 0.0, "stop": 1.0}
    assert found.better_than["constant"]["dm"].value == pytest.approx(0.5)
    assert found.better_than["constant"]["mae.angular_z"].value == pytest.approx(0.6 - 0.5)


def test_a_policy_that_learned_the_clock_is_no_better_than_the_clock() -> None:
    replay = _actions(AHEAD, LEFT, LEFT, AHEAD, RIGHT, STOP)
    held_out = [HeldOut(f"{i}", replay, replay, 5.0) for i in range(4)]
    found = measure(held_out, [replay] * 3)
    assert found.measures["model"]["pm"].value == found.measures["time_only"]["pm"].value == 1.0
    assert found.better_than["time_only"]["pm"].to_json() == {"value": 0.0, "ci95": [0.0, 0.0]}
    assert found.better_than["constant"]["pm"].value > 0.5


def test_perfect_match_implies_direction_match_and_intervals_hold_the_value() -> None:
    held_out = [HeldOut(f"{seed}", *_noisy(40 + seed, seed), 10.0) for seed in range(6)]
    found = measure(held_out, [_noisy(50, 100 + seed)[1] for seed in range(4)])
    for row in found.measures.values():
        assert row["pm"].value <= row["dm"].value
        for one in row.values():
            assert one.ci95 is not None
            assert one.ci95[0] - 1e-9 <= one.value <= one.ci95[1] + 1e-9
            assert one.value >= 0
        assert row["mae.angular_z"].value <= row["rmse.angular_z"].value
    low, _ = found.better_than["time_only"]["mae.angular_z"].ci95 or (0.0, 0.0)
    assert low > 0


def test_wrong_input_is_named() -> None:
    good = _actions(AHEAD)
    with pytest.raises(DataError, match=r"tub\.predicted\.shape = \(\(2, 4\), \(1, 4\)\): predicted and recorded"):
        HeldOut("tub", _actions(AHEAD, LEFT), good, 10.0)
    with pytest.raises(DataError, match=r"tub\.predicted = 'NaN or infinity': predicted actions are finite"):
        HeldOut("tub", good * np.nan, good, 10.0)
    with pytest.raises(DataError, match=r"tub\.recorded\[0\]\.linear_x = 2\.0: velocities lie in"):
        HeldOut("tub", good, _actions([2, 0, 0, 0]), 10.0)
    with pytest.raises(DataError, match=r"open_loop = \(1, 0\): at least one held-out and one training episode"):
        measure([HeldOut("tub", good, good, 10.0)], [])


def test_predicting_shows_each_frame_once_in_order_after_a_reset() -> None:
    images = np.stack([np.full((4, 5, 3), value, np.uint8) for value in (10, 20, 30)])
    states = np.zeros((3, 15), np.float32)
    states[:, 0] = 1, 2, 3
    episode = Episode(images, _actions(AHEAD, LEFT, STOP), np.array([0.0, 0.1, 0.2]), 10.0, "go left", states=states)
    session = Session()
    predicted = predict_episode(session, episode)
    assert session.resets == 1
    assert predicted.shape == (3, 4)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    assert [seen.stamp_s for seen in session.seen] == [0.0, 0.1, 0.2]
    assert [float(seen.state[0]) for seen in session.seen if seen.state is not None] == [1, 2, 3]
    assert {seen.instruction for seen in session.seen} == {"go left"}


def test_tracks_show_both_lines_with_left_up() -> None:
    predicted, recorded = _noisy(700, 1)
    recorded[0, 2], recorded[1, 2] = 1.0, -1.0
    root = ElementTree.fromstring(track_svg(HeldOut("a <tub>", predicted, recorded, 20.0), 2))
    lines = {line.get("class"): line.get("points", "").split() for line in root.iter() if line.tag.endswith("polyline")}
    assert {kind: len(points) for kind, points in lines.items()} == {"driven": MAX_POINTS, "predicted": MAX_POINTS}
    heights = [float(point.split(",")[1]) for point in lines["driven"][:2]]
    assert heights[0] < heights[1]  # + (left) is drawn above - (right)
    text = "".join(root.itertext())
    assert "a <tub>" in text
    assert "30.0 s" in text


def test_the_steering_column_is_the_one_that_moves() -> None:
    turning, sliding = _noisy(50, 1)[1], np.zeros((50, 4), np.float32)
    sliding[::2, 1] = 1.0
    assert steered_column(HeldOut("turning", turning, turning, 10.0)) == 2
    assert steered_column(HeldOut("sliding", sliding, sliding, 10.0)) == 1


def test_the_page_has_the_numbers_of_the_json_and_stands_alone(tmp_path: Path) -> None:
    held_out = [HeldOut(f"tub {seed}", *_noisy(60, seed), 20.0) for seed in range(3)]
    result = measure(held_out, [_noisy(50, 9)[1]])
    page_path, json_path = write_open_loop_report(tmp_path, result, held_out)
    page, tree = page_path.read_text(encoding="utf-8"), json.loads(json_path.read_text(encoding="utf-8"))
    assert (page_path.name, json_path.name) == ("open_loop.html", "open_loop.json")
    assert tree == json.loads(json.dumps({**result.to_json(), "notes": [], "about": {}}))
    shown = set(re.findall(r'<data value="([^"]+)">', page))
    for who, row in tree["measures"].items():
        for name, one in row.items():
            assert repr(one["value"]) in shown, (who, name)
    ours = tree["measures"]["model"]["dm"]
    text = re.sub("<[^>]+>", "", page)
    assert f"in {ours['value'] * 100:.1f} % of 180 held-out frames (3 episodes" in text
    assert f"95 % interval {ours['ci95'][0] * 100:.1f} to {ours['ci95'][1] * 100:.1f} %" in text
    assert page.count('class="track"') == 3
    assert "http" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("</html>", "")


def test_what_was_measured_and_what_to_know_first_are_on_the_page_and_in_the_numbers(tmp_path: Path) -> None:
    held_out = [HeldOut("tub", *_noisy(60, 0), 20.0)]
    about = {"rate_hz": 20, "hardware": {"cpu": "<abacus>", "gpu": None}, "measured": ["a.h5", "b.h5"], "git_commit": None}
    page_path, json_path = write_open_loop_report(
        tmp_path, measure(held_out, [_noisy(50, 9)[1]]), held_out, about=about, notes=["Too good & untrue."]
    )
    page, tree = page_path.read_text(encoding="utf-8"), json.loads(json_path.read_text(encoding="utf-8"))
    assert (tree["about"], tree["notes"]) == (about, ["Too good & untrue."])
    assert page.index("Too good &amp; untrue.") < page.index("Share of frames whose class is right")
    assert "<dt>hardware</dt><dd>cpu &lt;abacus&gt;</dd>" in page
    assert "<dt>measured</dt><dd>a.h5, b.h5</dd>" in page
    assert "git commit" not in page
