"""Loads a trained policy and asks it what to do about one picture.

Run it:  python examples/03_predict.py IMAGE [CHECKPOINT]      (without CHECKPOINT: the newest one below runs/)
"""

import sys

from mobile_vla.deploy.inference import MobileVLAInference
from mobile_vla.deploy.newest_checkpoint import newest_checkpoint


def main(image: str, checkpoint: str) -> None:
    inference = MobileVLAInference(checkpoint, device="auto")
    inference.warm_up()  # else the first prediction is the slowest
    result = inference.predict(image, "Pass the box on the left side")
    linear_x, linear_y, angular_z, _ = result["action"]
    print(f"Policy: {checkpoint} on {inference.device}")
    print(f"Action: {result['action_type']}, {linear_x:+.2f} m/s ahead, {linear_y:+.2f} m/s left, {angular_z:+.2f} rad/s")
    print(f"Chunk: {result['chunk'].shape}, one step every {1 / inference.config.rate_hz:.2f} s")
    print(f"Latency: {result['latency_ms']:.1f} ms")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else str(newest_checkpoint()))
