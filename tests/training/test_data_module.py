"""Batches hold what the episodes hold."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mobile_vla.core.errors import CheckpointError, DataError
from mobile_vla.data.reader import read_episode, read_header
from mobile_vla.model.policy import build_policy
from mobile_vla.training.config import TrainConfig
from mobile_vla.training.data_module import EpisodeDataModule

MakeConfig = Callable[..., TrainConfig]
MoreEpisodes = Callable[[int], list[Path]]


def data_of(config: TrainConfig) -> EpisodeDataModule:
    policy = build_policy(config.policy_config())
    data = EpisodeDataModule(config, policy.preprocessor, policy.normaliser)
    data.load()
    return data


def test_every_frame_of_every_episode_is_a_sample(make_config: MakeConfig, dataset: Path) -> None:
    data = data_of(make_config())
    train, val = data.split.paths(dataset)
    assert len(data.train_set) == sum(read_header(path).frames for path in train)
    assert len(data.val_set) == sum(read_header(path).frames for path in val)
    assert not set(train) & set(val)
    assert data.files == len(train) + len(val) == 12


def test_a_batch_holds_the_frames_actions_and_words_of_its_windows(make_config: MakeConfig) -> None:
    data = data_of(make_config())
    stored = data.train_set.store.episodes[1]
    episode = read_episode(stored.path)
    batch, numbers = data.train_set.__getitems__(np.array([stored.start, stored.start + 4, stored.end]))
    assert numbers.tolist() == [stored.start, stored.start + 4, stored.end]
    assert batch.frame_mask.tolist() == [[True, False, False], [True] * 3, [True] * 3]
    policy = build_policy(make_config().policy_config())
    assert torch.equal(batch.images[1], torch.from_numpy(policy.preprocessor.resize(episode.images[2:5])))
    wanted = policy.normaliser.normalise(episode.actions)
    np.testing.assert_array_equal(batch.targets[1, 2].numpy(), wanted[4:6])
    assert batch.target_mask[2].tolist() == [[True, True], [True, True], [True, False]]
    assert not batch.target_mask[0, 1:].any()
    np.testing.assert_array_equal(batch.tokens[0].numpy(), policy.preprocessor.encode(episode.instruction)[0])
    assert not batch.state_mask.any()


def test_shapes_are_the_same_in_every_training_batch(make_config: MakeConfig) -> None:
    data = data_of(make_config())
    shapes = {tuple(tuple(part.shape) for part in batch) for batch in map(_batch_of(data), ([0] * 8, range(8)))}
    assert len(shapes) == 1
    assert len(data.training_batches()) == -(-len(data.train_set) // 8)


def test_added_episodes_are_trained_on_and_never_validated_on(make_config: MakeConfig, more_episodes: MoreEpisodes) -> None:
    data = data_of(make_config())
    before, val, digest = len(data.train_set), len(data.val_set), data.data_hash
    added = more_episodes(2)
    data.add_episodes(added)
    assert len(data.train_set) == before + sum(read_header(path).frames for path in added)
    assert len(data.val_set) == val
    assert data.data_hash != digest
    batch, _ = data.train_set.__getitems__(np.array([len(data.train_set) - 1]))
    newest = read_episode(added[-1])
    np.testing.assert_allclose(batch.targets[0, -1, 0, 3].item(), newest.actions[-1, 3])


def test_a_resumed_run_finds_added_episodes_again(make_config: MakeConfig, more_episodes: MoreEpisodes) -> None:
    data = data_of(make_config())
    data.add_episodes(more_episodes(2))
    again = data_of(make_config())
    again.load_state_dict(data.state_dict())
    assert again.data_hash == data.data_hash


def test_another_split_is_refused(make_config: MakeConfig) -> None:
    state = data_of(make_config()).state_dict()
    with pytest.raises(CheckpointError, match=r"the checkpoint was trained on another split .* --init-from"):
        data_of(make_config(seed=1)).load_state_dict(state)


def test_no_episodes_and_one_episode_are_refused(make_config: MakeConfig, more_episodes: MoreEpisodes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"No \.h5 files found in dataset"):
        data_of(make_config(data_dir=str(tmp_path)))
    more_episodes(1)
    with pytest.raises(DataError, match="one episode cannot both train and validate"):
        data_of(make_config(data_dir=str(tmp_path / "more")))


def test_another_rate_is_refused_or_resampled_as_asked(make_config: MakeConfig) -> None:
    with pytest.raises(DataError, match="Set on_rate_mismatch to 'resample'"):
        data_of(make_config(rate_hz=2.5))
    resampled = data_of(make_config(rate_hz=2.5, on_rate_mismatch="resample"))
    assert len(resampled.train_set) < len(data_of(make_config()).train_set)


def _batch_of(data: EpisodeDataModule):  # type: ignore[no-untyped-def]
    return lambda numbers: data.train_set.__getitems__(np.array(list(numbers))).batch
