"""Open-loop evaluation: only held-out episodes, refused when the split does not fit, predicted as on a robot."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mobile_vla.cli.app import build_app
from mobile_vla.core.errors import DataError
from mobile_vla.data.importers import importers
from mobile_vla.data.reader import find_episodes, read_episode
from mobile_vla.data.splits import load_split, make_split, save_split
from mobile_vla.data.writer import write_episode
from mobile_vla.deploy.session import InferenceSession
from mobile_vla.jobs.open_loop import at_rate, default_folder, run_open_loop
from mobile_vla.model.checkpoint import load_policy, save_policy
from mobile_vla.task.episode import Episode
from mobile_vla.task.observation import Observation
from mobile_vla.training.config import TrainConfig, load_train_config
from mobile_vla.training.run import train

ROOT = Path(__file__).resolve().parents[2]
TUB = Path(os.environ.get("MOBILE_VLA_TUB", ROOT.parent / "shared/data/donkeycar_tub/tub.tar.gz"))


def drive(seed: int, frames: int = 12, rate_hz: float = 5.0) -> Episode:
    """Return a drive that steers left where the picture is red on the left, else right."""
    left = np.random.default_rng(seed).random(frames) < 0.5
    images = np.full((frames, 32, 32, 3), 40, dtype=np.uint8)
    images[left, :, :16, 0] = 220
    images[~left, :, 16:, 0] = 220
    actions = np.zeros((frames, 4), dtype=np.float32)
    actions[:, 0], actions[:, 2] = 0.5, np.where(left, 0.8, -0.8)
    return Episode(images, actions, np.arange(frames) / rate_hz, rate_hz, "Follow the track", "track")


def write_drives(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        write_episode(drive(seed), folder / f"episode_20250101_{120000 + seed}_track.h5")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained: `episodes`, `checkpoints`."""
    folder = tmp_path_factory.mktemp("run")
    write_drives(folder / "episodes", 10)
    tree = {
        "rate_hz": 5.0,
        "window_size": 3,
        "backbone": {"channels": [8, 8, 8, 8], "embedding_dim": 16, "feature_dim": 16},
        "act_head": {"type": "LSTMDecoder", "hidden_size": 16, "num_layers": 1},
        "preprocess": {"image_size": [32, 32], "max_tokens": 16},
        "batch_size": 16,
        "learning_rate": 1e-2,
        "max_epochs": 8,
        "val_fraction": 0.3,
        "data_dir": str(folder / "episodes"),
        "output_dir": str(folder),
        "trainer": {"accelerator": "cpu", "devices": 1, "cpu_threads": 1},
    }
    train(TrainConfig.model_validate(tree), say=lambda line: None)
    return folder


@pytest.fixture
def run(run_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(run_folder, tmp_path / "run"))


def test_only_held_out_episodes_are_measured_and_the_model_beats_both_baselines(run: Path) -> None:
    done = run_open_loop(run / "checkpoints" / "mobile_vla-last.ckpt", run / "episodes")
    split = load_split(run / "checkpoints" / "split.json")
    numbers = json.loads(done.numbers.read_text(encoding="utf-8"))
    assert len(split.val) == 3
    assert tuple(numbers["about"]["measured"]) == split.val
    assert tuple(numbers["about"]["training"]) == split.train
    assert (numbers["frames"], numbers["episodes"], numbers["training_episodes"]) == (36, 3, 7)
    assert done.notes == ()
    assert (done.page, done.numbers) == (run / "open_loop" / "open_loop.html", run / "open_loop" / "open_loop.json")
    assert split.val[0] in done.page.read_text(encoding="utf-8")
    for baseline in ("constant", "time_only"):
        gain = done.result.better_than[baseline]["mae.angular_z"]
        assert gain.ci95 is not None
        assert gain.ci95[0] > 0.2


def test_predictions_are_those_of_a_fresh_session_on_each_episode(run: Path) -> None:
    checkpoint = run / "checkpoints" / "mobile_vla-last.ckpt"
    done = run_open_loop(checkpoint, run / "episodes")
    last = done.held_out[-1]
    episode = read_episode(run / "episodes" / f"{last.name}.h5")
    session = InferenceSession.load(checkpoint)
    expected = [session.select_action(Observation(image, episode.instruction)) for image in episode.images]
    np.testing.assert_array_equal(last.predicted, np.stack(expected))
    np.testing.assert_array_equal(last.recorded, episode.actions)


def test_a_checkpoint_chosen_on_these_episodes_is_said_to_be(run: Path) -> None:
    done = run_open_loop(run / "checkpoints" / "mobile_vla-best.ckpt", run / "episodes", run / "elsewhere")
    assert "mobile_vla-best.ckpt may have been chosen among epochs by its loss on these very episodes" in done.notes[0]
    assert "mobile_vla-best.ckpt may have been chosen" in (run / "elsewhere" / "open_loop.html").read_text(encoding="utf-8")
    assert not (run / "open_loop").exists()


def test_other_data_under_the_same_names_are_refused(run: Path) -> None:
    checkpoint = run / "checkpoints" / "mobile_vla-last.ckpt"
    changed = load_split(run / "checkpoints" / "split.json").val[1]
    (run / "episodes" / changed).unlink()
    write_episode(drive(99), run / "episodes" / changed)
    with pytest.raises(DataError, match="not the ones that the checkpoint's split names: their content differs") as caught:
        run_open_loop(checkpoint, run / "episodes")
    assert changed in str(caught.value)
    assert "Add --all to measure on every episode of the folder instead." in str(caught.value)
    done = run_open_loop(checkpoint, run / "episodes", every_episode=True)
    assert done.notes == ("7 of these 10 episodes were trained on.",)
    assert (done.result.episodes, done.result.training_episodes) == (10, 7)


def test_another_dataset_is_refused_and_with_all_flattered_baselines_are_named(run: Path, tmp_path: Path) -> None:
    write_drives(tmp_path / "other", 2, first=50)
    checkpoint = run / "checkpoints" / "mobile_vla-last.ckpt"
    with pytest.raises(DataError, match="these episodes of the split are not in"):
        run_open_loop(checkpoint, tmp_path / "other")
    done = run_open_loop(checkpoint, tmp_path / "other", every_episode=True)
    assert done.notes[0] == "0 of these 2 episodes were trained on."
    assert "The baselines are made of the measured episodes themselves" in done.notes[1]
    assert (done.result.episodes, done.result.training_episodes) == (2, 2)


def test_a_split_of_another_run_is_refused(run: Path) -> None:
    other = make_split(find_episodes(run / "episodes"), 0.3, seed=5)
    save_split(other, run / "checkpoints" / "split.json")
    expected = f"this split hashes to {other.sha256[:12]}, and the checkpoint was trained on"
    with pytest.raises(DataError, match=re.escape(expected)):
        run_open_loop(run / "checkpoints" / "mobile_vla-last.ckpt", run / "episodes")


def test_without_a_split_nothing_is_held_out(run: Path) -> None:
    (run / "checkpoints" / "split.json").unlink()
    checkpoint = run / "checkpoints" / "mobile_vla-last.ckpt"
    with pytest.raises(DataError, match=r"it is not beside the checkpoint\. Copy it there from the training folder"):
        run_open_loop(checkpoint, run / "episodes")
    done = run_open_loop(checkpoint, run / "episodes", every_episode=True)
    assert done.notes[0].startswith("It is not known which of these episodes were trained on (split = ")


def test_a_checkpoint_that_does_not_say_its_data_needs_the_folder(run: Path, tmp_path: Path) -> None:
    loaded = load_policy(run / "checkpoints" / "mobile_vla-last.ckpt")
    save_policy(loaded.policy, tmp_path / "bare.ckpt", {})
    with pytest.raises(DataError, match=r"it does not say which data it was trained on\. Add --data-dir"):
        run_open_loop(tmp_path / "bare.ckpt")


def test_a_faster_recording_is_seen_at_the_policys_rate(run: Path, tmp_path: Path) -> None:
    episode = drive(3, frames=11, rate_hz=10.0)
    seen = at_rate(episode, 5.0, "here")
    np.testing.assert_array_equal(seen.actions, episode.actions[::2])
    np.testing.assert_array_equal(seen.images, episode.images[::2])
    np.testing.assert_allclose(seen.timestamps, [0.2, 0.4, 0.6, 0.8, 1.0, 1.2])
    write_episode(episode, tmp_path / "fast" / "episode_20250101_120000_track.h5")
    done = run_open_loop(run / "checkpoints" / "mobile_vla-last.ckpt", tmp_path / "fast", every_episode=True)
    assert done.result.frames == 6
    session = InferenceSession.load(run / "checkpoints" / "mobile_vla-last.ckpt")
    expected = [session.select_action(Observation(image, episode.instruction)) for image in episode.images[::2]]
    np.testing.assert_array_equal(done.held_out[0].predicted, np.stack(expected))


def test_a_slower_recording_is_refused() -> None:
    with pytest.raises(DataError, match="Frames cannot be invented"):
        at_rate(drive(3, rate_hz=2.0), 5.0, "here")


def test_the_report_goes_beside_the_checkpoints_folder() -> None:
    assert default_folder(Path("runs/a/checkpoints/x.ckpt")) == Path("runs/a/open_loop")
    assert default_folder(Path("models/x.ckpt")) == Path("models/open_loop")


def test_the_command_prints_the_model_beside_both_baselines(run: Path) -> None:
    arguments = ["open-loop", "--checkpoint", str(run / "checkpoints" / "mobile_vla-last.ckpt"), "--out", str(run / "out")]
    result = CliRunner().invoke(build_app(), [*arguments, "--data-dir", str(run / "episodes")], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert re.search(r"measure .* model .* mean action .* time only", result.output)
    numbers = json.loads((run / "out" / "open_loop.json").read_text(encoding="utf-8"))
    row = [numbers["measures"][who]["mae.angular_z"]["value"] for who in ("model", "constant", "time_only")]
    assert re.search(r"MAE angular_z, rad/s .* {:.3f} .* {:.3f} .* {:.3f} ".format(*row), result.output)
    assert f"Report: {run / 'out' / 'open_loop.html'}" in result.output


def test_the_command_tells_a_misfit_in_one_line(run: Path) -> None:
    (run / "checkpoints" / "split.json").unlink()
    arguments = ["open-loop", "--checkpoint", str(run / "checkpoints" / "mobile_vla-last.ckpt")]
    result = CliRunner().invoke(build_app(), arguments)
    assert result.exit_code == 1
    assert re.match(r"Error: split = .*it is not beside the checkpoint", result.output)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not TUB.is_file(), reason="the real tub is not here (MOBILE_VLA_TUB names it)")
def test_a_real_drive_is_imported_learned_and_steered_better_than_either_baseline(tmp_path: Path) -> None:
    importer = importers.get("donkeycar")
    importer.convert(TUB, tmp_path / "episodes", importer.Options())
    places = [f"data_dir={tmp_path / 'episodes'}", f"output_dir={tmp_path}", "trainer.cpu_threads=1"]
    config = load_train_config(ROOT / "configs/mobile_vla/train_donkeycar.json", places)
    done = run_open_loop(train(config, say=lambda line: None).last_path)
    assert done.result.frames >= 240
    steering = {who: row["mae.angular_z"].value for who, row in done.result.measures.items()}
    assert steering["model"] < 0.8 * min(steering["constant"], steering["time_only"])
