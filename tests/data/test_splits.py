from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mobile_vla.core.errors import DataError
from mobile_vla.data.splits import changed_episodes, fingerprint, load_split, make_split, save_split

Make = Callable[..., Path]


def dataset(write: Make, counts: dict[str, int]) -> list[Path]:
    return [
        write(f"{scenario}_{number}.h5", scenario=scenario, frames=3, seed=number)
        for scenario, count in counts.items()
        for number in range(count)
    ]


def test_every_scenario_validates_in_proportion_and_no_episode_is_on_both_sides(write: Make) -> None:
    split = make_split(dataset(write, {"1box_vert_left": 20, "1box_vert_right": 10, "2box_hori_left": 3}), val_fraction=0.2)
    scenario_of = [name.rsplit("_", 1)[0] for name in split.val]
    counts = {name: scenario_of.count(name) for name in set(scenario_of)}
    assert counts == {"1box_vert_left": 4, "1box_vert_right": 2, "2box_hori_left": 1}
    assert not set(split.train) & set(split.val)
    assert len(split.train) + len(split.val) == 33


def test_the_order_of_files_does_not_matter_and_the_seed_does(write: Make) -> None:
    paths = dataset(write, {"1box_vert_left": 12})
    shuffled = random.Random(1).sample(paths, len(paths))
    assert make_split(paths, 0.3) == make_split(shuffled, 0.3)
    assert len({make_split(paths, 0.3, seed).val for seed in range(5)}) > 1


def test_a_lone_episode_trains_unless_nothing_would_validate(write: Make) -> None:
    paths = dataset(write, {"1box_vert_left": 1, "1box_vert_right": 4})
    assert "1box_vert_left_0.h5" in make_split(paths).train
    lone = make_split([paths[0], paths[1]])
    assert (len(lone.train), len(lone.val)) == (1, 1)
    assert make_split(paths[:1]).val == ()


def test_a_split_survives_its_file(write: Make, tmp_path: Path) -> None:
    split = make_split(dataset(write, {"1box_vert_left": 4}))
    save_split(split, tmp_path / "split.json")
    assert load_split(tmp_path / "split.json") == split
    train, val = split.paths(tmp_path)
    assert [path.name for path in train] == list(split.train)
    assert [path.name for path in val] == list(split.val)


def test_an_edited_or_broken_split_file_is_refused(write: Make, tmp_path: Path) -> None:
    file = tmp_path / "split.json"
    save_split(make_split(dataset(write, {"1box_vert_left": 4})), file)
    tree = json.loads(file.read_text())
    tree["train"], tree["val"] = tree["val"], tree["train"]
    file.write_text(json.dumps(tree))
    with pytest.raises(DataError, match="edited by hand"):
        load_split(file)
    file.write_text("{")
    with pytest.raises(DataError, match="not a split file"):
        load_split(file)


def test_changed_and_missing_episodes_are_named(write: Make, tmp_path: Path) -> None:
    paths = dataset(write, {"1box_vert_left": 3})
    split = make_split(paths)
    assert changed_episodes(split, tmp_path) == []
    paths[1].unlink()
    with pytest.raises(DataError, match=r"split = \['1box_vert_left_1.h5'\]"):
        split.paths(tmp_path)
    write(paths[1].name, frames=3, seed=99)
    assert changed_episodes(split, tmp_path) == [paths[1].name]
    assert make_split(paths).sha256 != split.sha256


def test_the_fingerprint_sees_actions_and_texts_but_not_the_name(write: Make, make_episode: Callable[..., object]) -> None:
    base = fingerprint(write("a.h5"))
    actions = np.zeros((5, 4), dtype=np.float32)
    assert fingerprint(write("b.h5")) == base
    assert len({base, fingerprint(write("c.h5", actions=actions)), fingerprint(write("d.h5", instruction="other"))}) == 3


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_a_bad_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(DataError, match="val_fraction"):
        make_split([], fraction)


def test_two_files_of_one_name_are_refused(write: Make, tmp_path: Path) -> None:
    path = write("a.h5")
    with pytest.raises(DataError, match="two episodes have this file name"):
        make_split([path, path])
