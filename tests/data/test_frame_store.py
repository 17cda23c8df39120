from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mobile_vla.core.errors import DataError
from mobile_vla.data import frame_store
from mobile_vla.data.frame_store import FrameStore
from mobile_vla.data.reader import EpisodeFile, read_episode

Make = Callable[..., Path]


def crop(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return images[:, :4, :4]


def test_the_store_holds_every_episode_in_order(write: Make) -> None:
    state = np.ones((3, 15), dtype=np.float32)
    paths = [
        write("a.h5", frames=4, seed=1, instruction="one"),
        write("b.h5", frames=3, seed=2, instruction="two", scenario="2box_vert_left", states=state),
        write("c.h5", frames=2, seed=3, instruction="one"),
    ]
    store = FrameStore(crop, 10.0)
    assert store.append(paths) == len(store) == 9
    episodes = [read_episode(path) for path in paths]
    np.testing.assert_array_equal(store.images, np.concatenate([crop(episode.images) for episode in episodes]))
    np.testing.assert_array_equal(store.actions, np.concatenate([episode.actions for episode in episodes]))
    assert store.starts.tolist() == [0] * 4 + [4] * 3 + [7] * 2
    assert store.ends.tolist() == [3] * 4 + [6] * 3 + [8] * 2
    assert store.state_mask.tolist() == [False] * 4 + [True] * 3 + [False] * 2
    assert store.states[:, 0].tolist() == [0] * 4 + [1] * 3 + [0] * 2
    assert [store.instructions[index] for index in store.instruction_index[[0, 4, 7]]] == ["one", "two", "one"]
    assert [store.scenarios[index] for index in store.scenario_index[[0, 4]]] == ["1box_vert_left", "2box_vert_left"]
    assert [(episode.start, episode.end) for episode in store.episodes] == [(0, 3), (4, 6), (7, 8)]


def test_growing_reads_only_what_is_new(write: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_store, "_FIRST_CAPACITY", 2)
    read: list[Path] = []
    images = EpisodeFile.images

    def counted(episode: EpisodeFile, start: int, stop: int) -> NDArray[np.uint8]:
        read.append(episode.header.path)
        return images(episode, start, stop)

    monkeypatch.setattr(EpisodeFile, "images", counted)
    store, paths = FrameStore(crop, 10.0), []
    for number in range(5):
        paths.append(write(f"{number}.h5", seed=number))
        assert store.append([*paths, paths[-1]]) == 5
    assert read == paths
    np.testing.assert_array_equal(store.images, np.concatenate([crop(read_episode(path).images) for path in paths]))


def test_no_block_is_larger_than_it_may_be(write: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = EpisodeFile.blocks
    monkeypatch.setattr(EpisodeFile, "blocks", lambda episode: blocks(episode, max_bytes=3 * 6 * 8 * 3))
    seen: list[int] = []

    def resize(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        seen.append(len(images))
        return crop(images)

    path = write(frames=8)
    store = FrameStore(resize, 10.0)
    store.append([path])
    assert seen == [3, 3, 2]
    np.testing.assert_array_equal(store.images, crop(read_episode(path).images))


def test_another_rate_is_refused_or_resampled(write: Make) -> None:
    path = write(frames=9, rate_hz=10.0)
    with pytest.raises(DataError, match="the policy runs at 5 Hz"):
        FrameStore(crop, 5.0).append([path])
    store = FrameStore(crop, 5.0, "resample")
    store.append([path])
    np.testing.assert_array_equal(store.images, crop(read_episode(path).images)[::2])
    np.testing.assert_array_equal(store.actions, read_episode(path).actions[::2])


def test_a_bad_file_enters_not_at_all(write: Make, tmp_path: Path) -> None:
    good, bad = write("a.h5"), tmp_path / "b.h5"
    bad.write_bytes(b"nothing")
    store = FrameStore(crop, 10.0)
    with pytest.raises(DataError, match=r"b\.h5"):
        store.append([good, bad])
    assert len(store) == 5
    bad.unlink()
    assert store.append([good, write("b.h5")]) == 5


def test_a_resize_that_breaks_its_promise_is_refused(write: Make) -> None:
    small, large = write("a.h5"), write("b.h5", size=(10, 12))
    with pytest.raises(DataError, match="resize must return one size"):
        FrameStore(lambda images: images, 10.0).append([small, large])
    with pytest.raises(DataError, match=r"resize = 'float64 .*resize returns uint8 \(5, h, w, 3\)"):
        FrameStore(lambda images: images / 255, 10.0).append([small])  # type: ignore[arg-type, return-value]


def test_an_empty_store_says_so() -> None:
    with pytest.raises(DataError, match=r"the store is empty\. Call append first"):
        _ = FrameStore(crop, 10.0).images


def test_progress_appears_only_when_it_takes_long(
    write: Make, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write("a.h5"), write("b.h5")]
    FrameStore(crop, 10.0).append(paths)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(frame_store, "QUIET_S", -1.0)
    FrameStore(crop, 10.0).append(paths)
    assert "Reading episodes: 2/2" in capsys.readouterr().err
