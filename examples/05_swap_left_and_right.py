"""Says "left", then "right", about the same picture, and compares what the policy wants to do.

A policy that was trained well listens: where both sides are free the two actions differ, above all in linear_y.

Run it:  python examples/05_swap_left_and_right.py IMAGE [CHECKPOINT]      (without CHECKPOINT: the newest one below runs/)
"""

import sys

import numpy as np

from mobile_vla.deploy.inference import MobileVLAInference
from mobile_vla.deploy.newest_checkpoint import newest_checkpoint
from mobile_vla.task.instructions import swap_sides


def main(image: str, checkpoint: str) -> None:
    inference = MobileVLAInference(checkpoint)
    instruction = "Navigate around the obstacle on the left side and reach the goal"
    chunks = []
    for text in (instruction, swap_sides(instruction)):
        chunks.append(inference.predict(image, text)["chunk"])  # a changed instruction starts a new window
        print(f"{text}\n  {np.round(chunks[-1].astype(float), 3).tolist()}")
    difference = float(np.abs(chunks[0] - chunks[1])[:, :3].max())
    print(f"Largest difference of a velocity: {difference:.4f}")
    if difference == 0.0:
        print("The policy does not listen to the side at all.")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else str(newest_checkpoint()))
