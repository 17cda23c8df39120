"""Drives the simulator through Gymnasium, with the expert at the wheel.

The expert sees the true scene; replace `expert_action()` by anything that looks at `observation` alone.

Run it:  python examples/01_drive_the_simulator.py
"""

import gymnasium

from mobile_vla.sim.env import ENV_ID, BoxNavigationEnv, register


def main() -> None:
    register()
    env = gymnasium.make(ENV_ID, scenario="2box_vert_left", height=64, width=64)
    simulator = env.unwrapped
    assert isinstance(simulator, BoxNavigationEnv)
    observation, _ = env.reset(seed=0)
    print(f"Instruction: {observation['instruction']}")
    over, steps, total = False, 0, 0.0
    while not over:
        observation, reward, terminated, truncated, info = env.step(simulator.expert_action())
        over, steps, total = terminated or truncated, steps + 1, total + float(reward)
    print(f"Camera picture: {observation['image'].shape}, state: {observation['state'].shape}")
    print(f"End: {info['end']} after {steps} steps, passed on the {info['side_taken']}, return {total:.2f}")
    env.close()


if __name__ == "__main__":
    main()
