from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mobile_vla.data.stats import dataset_stats

Make = Callable[..., Path]

GUIDE_SNIPPET = """
import h5py
import numpy as np
from pathlib import Path

data_dir = Path('../ROS_action/mobile_vla_dataset')
h5_files = list(data_dir.glob('*.h5'))

print(f'Total episodes: {len(h5_files)}')

total_frames = 0
for h5_path in h5_files:
    with h5py.File(h5_path, 'r') as f:
        total_frames += len(f['observations/images'])

print(f'Total frames: {total_frames}')
print(f'Average frames per episode: {total_frames / len(h5_files):.1f}')
"""


def test_the_guides_snippet_runs_on_our_files_and_agrees_with_us(tmp_path: Path, write: Make) -> None:
    folder = tmp_path / "ROS_action" / "mobile_vla_dataset"
    write("ROS_action/mobile_vla_dataset/a.h5", frames=4)
    write("ROS_action/mobile_vla_dataset/b.h5", frames=7)
    (folder / ".c.h5.1.partial").touch()
    here = tmp_path / "repository"
    here.mkdir()
    run = subprocess.run([sys.executable, "-c", GUIDE_SNIPPET], cwd=here, capture_output=True, text=True, check=True)
    expected = ["Total episodes: 2", "Total frames: 11", "Average frames per episode: 5.5"]
    assert run.stdout.splitlines() == expected
    assert dataset_stats(folder).lines()[:3] == expected


def test_scenarios_are_told_apart(tmp_path: Path, write: Make) -> None:
    actions = np.array([[0.5, 0, 0.2, 0], [1.0, 0, -0.4, 0], [0, 0, 0.5, 1], [0, 0, 0, 2]], dtype=np.float32)
    write("a.h5", frames=4, actions=actions, success=True)
    write("b.h5", frames=4, actions=actions, success=False)
    write("c.h5", frames=2, scenario="2box_hori_right", rate_hz=5.0)
    first, second = dataset_stats(tmp_path).scenarios
    assert (first.scenario, first.episodes, first.frames, first.rates_hz) == ("1box_vert_left", 2, 8, (10.0, 10.0))
    assert (first.successes, first.judged) == (1, 2)
    assert first.type_shares == (0.5, 0.25, 0.25, 0.0)
    np.testing.assert_allclose(first.velocity[0], (0.375, 0.0, 1.0))
    np.testing.assert_allclose(first.velocity[2], (0.075, -0.4, 0.5), rtol=1e-5)
    assert (second.scenario, second.judged) == ("2box_hori_right", 0)
    text = "\n".join(dataset_stats(tmp_path).lines())
    assert "1box_vert_left: 2 episodes, 8 frames, 10.0 Hz, success 1/2" in text
    assert "2box_hori_right: 1 episodes, 2 frames, 5.0 Hz, success unknown" in text
    assert "action_type: move 50.0%, rotate 25.0%, stop 25.0%, special 0.0%" in text
