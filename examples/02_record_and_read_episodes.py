"""Records two simulated drives of the expert as episodes in the guide's HDF5 layout, and reads them back.

Run it:  python examples/02_record_and_read_episodes.py [FOLDER]
"""

import sys
from datetime import datetime
from pathlib import Path

from mobile_vla.core.parallel import worker_pool
from mobile_vla.data.reader import read_episode
from mobile_vla.jobs.collect import CollectConfig
from mobile_vla.jobs.recording import record_simulated, recording_specs


def main(folder: Path) -> None:
    specs = recording_specs(2, scenarios=("1box_vert_left", "1box_vert_right"))
    with worker_pool(0) as pool:  # 0 workers: in this process; more of them record in parallel
        recorded = record_simulated(folder, specs, CollectConfig(image_size=(64, 64)), datetime.now(), pool)
    for each in recorded:
        episode = read_episode(each.path)
        print(each.path)
        print(f"  {episode.scenario}: {episode.instruction!r}, success: {episode.success}")
        print(f"  images {episode.images.shape}, actions {episode.actions.shape}, {episode.rate_hz:g} Hz")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/example_episodes"))
