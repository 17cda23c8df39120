"""Recording to disk: files that our reader takes, names by the grammar, held-out seeds refused, nothing overwritten."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobile_vla.core.errors import ConfigError, DataError, UnknownNameError
from mobile_vla.core.parallel import WorkerPool, worker_pool
from mobile_vla.data.file_names import parse_name
from mobile_vla.data.reader import read_episode, read_header
from mobile_vla.evaluation.closed_loop import HELD_OUT_SEED
from mobile_vla.evaluation.rollouts import DriveSpec
from mobile_vla.jobs.collect import CollectConfig, collect_batch
from mobile_vla.jobs.recording import DISTANCES_CM, Recorded, record_simulated, recording_specs
from mobile_vla.task.episode import check_episode
from mobile_vla.task.scenarios import SCENARIOS

START = datetime(2025, 1, 1, 12)
SMALL = CollectConfig(image_size=(24, 32), disturbance=0.2)


def record(folder: Path, specs: list[DriveSpec], config: CollectConfig = SMALL, workers: int = 0) -> list[Recorded]:
    with worker_pool(workers) as pool:
        return record_simulated(folder, specs, config, START, pool)


def test_files_hold_what_was_driven(tmp_path: Path) -> None:
    specs = recording_specs(8)
    recorded = record(tmp_path / "new" / "episodes", specs)
    for spec, entry, expected in zip(specs, recorded, collect_batch(specs, SMALL), strict=True):
        episode = read_episode(entry.path)
        check_episode(episode)
        np.testing.assert_array_equal(episode.images, expected.images)
        np.testing.assert_array_equal(episode.actions, expected.actions)
        np.testing.assert_allclose(episode.timestamps, expected.timestamps)
        assert expected.states is not None
        np.testing.assert_array_equal(episode.states, expected.states)
        assert (episode.scenario, episode.instruction) == (spec.scenario, expected.instruction)
        assert (entry.frames, entry.success) == (len(episode), episode.success)
        assert episode.metadata["seed"] == spec.seed


def test_files_say_everything_themselves(tmp_path: Path) -> None:
    """Nothing is left to be inferred from a file's name, and the guide's own keys are there."""
    path = record(tmp_path, recording_specs(1))[0].path
    header = read_header(path)
    assert not header.metadata.get("inferred")
    with h5py.File(path) as file:
        assert {"scenario", "distance"} <= set(file["episode_metadata"].attrs)
        assert file["observations/images"].shape[1:] == (24, 32, 3)
        assert file["action"].shape[1:] == (4,)


def test_names_follow_the_guides_grammar(tmp_path: Path) -> None:
    recorded = record(tmp_path, recording_specs(8, first_seed=5))
    names = [parse_name(entry.path.name) for entry in recorded]
    assert [name.scenario for name in names] == [scenario.name for scenario in SCENARIOS]
    assert [name.recorded_at for name in names] == [START + timedelta(minutes=i) for i in range(8)]
    for entry, name in zip(recorded, names, strict=True):
        header = read_header(entry.path)
        away_cm = 100 * header.metadata["box_distance_m"]
        assert name.distance_cm == min(DISTANCES_CM, key=lambda cm: abs(cm - away_cm))
        assert header.distance == f"{name.distance_cm}cm"


def test_both_distance_classes_occur(tmp_path: Path) -> None:
    recorded = record(tmp_path, recording_specs(16), CollectConfig(level=1, image_size=(8, 8)))
    assert {parse_name(entry.path.name).distance_cm for entry in recorded} == set(DISTANCES_CM)


def test_two_workers_record_what_one_process_does(tmp_path: Path) -> None:
    specs = recording_specs(18)
    alone, together = record(tmp_path / "a", specs), record(tmp_path / "b", specs, workers=2)
    assert [entry.path.name for entry in alone] == [entry.path.name for entry in together]
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(read_episode(one.path).images, read_episode(two.path).images)
        np.testing.assert_array_equal(read_episode(one.path).actions, read_episode(two.path).actions)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    first = record(tmp_path, recording_specs(1))[0]
    before = first.path.read_bytes()
    with pytest.raises(DataError, match=r"this episode exists already\. Choose another name"):
        record(tmp_path, recording_specs(1), CollectConfig(image_size=(8, 8)))
    assert first.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [first.path.name]


def test_finished_episodes_stay_when_a_later_one_fails(tmp_path: Path) -> None:
    taken = record(tmp_path, recording_specs(2))[1].path
    first = tmp_path / "elsewhere"
    first.mkdir()
    taken.rename(first / taken.name)
    with pytest.raises(DataError, match="exists already"):
        record(first, recording_specs(2))
    assert len(list(first.iterdir())) == 2


def test_scenarios_take_turns_and_seeds_count_up() -> None:
    specs = recording_specs(20, first_seed=7)
    assert Counter(spec.seed for spec in specs) == {7: 8, 8: 8, 9: 4}
    assert [spec.scenario for spec in specs[:8]] == [scenario.name for scenario in SCENARIOS]
    chosen = recording_specs(3, scenarios=["1box_hori_left"])
    assert chosen == [DriveSpec("1box_hori_left", seed) for seed in range(3)]


@pytest.mark.parametrize(("episodes", "first"), [(1, HELD_OUT_SEED), (9, HELD_OUT_SEED - 1), (1, -1)])
def test_held_out_seeds_are_refused(episodes: int, first: int) -> None:
    rule = rf"recorded scenes have seeds 0 to {HELD_OUT_SEED - 1}; later ones are kept for evaluation\.$"
    with pytest.raises(ConfigError, match=rf"^seed = \({first}, {first + (episodes - 1) // 8}\): {rule}"):
        recording_specs(episodes, first)
    assert recording_specs(8, HELD_OUT_SEED - 1)[-1].seed == HELD_OUT_SEED - 1


def test_recording_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^episodes = 0: record at least one\.$"):
        recording_specs(0)


def test_an_unknown_scenario_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        UnknownNameError, match=r"^scenario = '1box_hori_lef': choose one of .* Did you mean '1box_hori_left'\?$"
    ):
        record_simulated(tmp_path, recording_specs(1, scenarios=["1box_hori_lef"]), SMALL, START, WorkerPool(0))
    assert list(tmp_path.iterdir()) == []


def test_large_pictures_are_recorded_at_full_size(tmp_path: Path) -> None:
    entry = record(tmp_path, recording_specs(1), CollectConfig(level=0, rate_hz=2.0, image_size=(720, 1280)))[0]
    header = read_header(entry.path)
    assert (header.height, header.width, header.rate_hz) == (720, 1280, 2.0)
    assert header.frames == entry.frames > 4
