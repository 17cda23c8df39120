"""Which weights decay, and what the learning rate does."""

import pytest
from torch import nn

from mobile_vla.training.config import TrainConfig
from mobile_vla.training.optimisation import make_optimiser, rate_schedule


def config(**keys: object) -> TrainConfig:
    return TrainConfig.model_validate({"rate_hz": 5, **keys})


def test_norms_and_biases_do_not_decay_and_frozen_weights_are_left_out() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    module[2].requires_grad_(False)
    groups = make_optimiser(module, config(weight_decay=0.1)).param_groups
    decay = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    assert decay == {
        id(module[0].weight): 0.1,
        id(module[0].bias): 0.0,
        id(module[1].weight): 0.0,
        id(module[1].bias): 0.0,
    }


def test_warm_up_rises_then_cosine_falls_to_the_floor() -> None:
    schedule = rate_schedule(config(max_epochs=10, warmup_epochs=1, min_lr_scale=0.1), batches_per_epoch=20)
    rates = [schedule(step) for step in range(201)]
    assert rates[:21] == sorted(rates[:21])
    assert rates[0] < 0.06
    assert rates[20] == 1.0
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert rates[200] == pytest.approx(0.1)


def test_constant_stays_at_its_peak() -> None:
    schedule = rate_schedule(config(scheduler="constant", warmup_steps=4), batches_per_epoch=20)
    assert schedule(0) == pytest.approx(0.2)
    assert {schedule(step) for step in range(4, 500)} == {1.0}


def test_accumulation_and_max_steps_shorten_the_schedule() -> None:
    accumulated = config(max_epochs=2, trainer={"accumulate_grad_batches": 4})
    assert rate_schedule(accumulated, batches_per_epoch=10).total_steps == 6
    assert rate_schedule(config(max_epochs=2, max_steps=5), batches_per_epoch=10).total_steps == 5
