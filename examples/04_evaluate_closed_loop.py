"""Lets a policy and the expert drive the same four scenes that no training has seen, and counts.

Four drives show that it works, not how good the policy is: see the intervals.

Run it:  python examples/04_evaluate_closed_loop.py [CHECKPOINT]      (default: the newest one below runs/)
"""

import sys

from mobile_vla.core.parallel import worker_pool
from mobile_vla.deploy.newest_checkpoint import newest_checkpoint
from mobile_vla.evaluation.agent import AgentOptions
from mobile_vla.evaluation.closed_loop import ClosedLoopPlan, evaluate_closed_loop
from mobile_vla.evaluation.rollouts import RolloutConfig
from mobile_vla.evaluation.summary import summarise_agents
from mobile_vla.model.checkpoint import load_policy


def main(checkpoint: str) -> None:
    rate_hz = load_policy(checkpoint).policy.config.rate_hz  # a policy drives at the rate that it was trained at
    plan = ClosedLoopPlan(episodes=4, agents=("policy", "expert"), rollout=RolloutConfig(rate_hz=rate_hz))
    with worker_pool(1) as pool:
        drives = evaluate_closed_loop(plan, AgentOptions(checkpoint=checkpoint), pool)
    for name, summary in summarise_agents(drives).items():
        success, ends = summary.overall.success, summary.overall.ends
        low, high = success.ci95
        print(f"{name}: {success.count}/{success.n} succeeded (95 % interval {low:.0%} to {high:.0%}), ends: {ends}")


if __name__ == "__main__":  # the worker starts by importing this file; without this line it would start workers of its own
    main(sys.argv[1] if len(sys.argv) > 1 else str(newest_checkpoint()))
