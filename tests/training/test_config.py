"""Every mistake in a training configuration has its own message; every accepted key has its effect."""

import json
from pathlib import Path

import pytest

from mobile_vla.core.errors import ConfigError
from mobile_vla.training.config import TrainConfig, load_train_config

TINY = Path(__file__).parents[2] / "configs/mobile_vla/train_tiny_cpu.json"


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"rate_hz": 5}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("learning_rat=1", "learning_rat = 1: unknown key. Did you mean 'learning_rate'?"),
        ("trainer.gradient_clip=1", "trainer.gradient_clip = 1: unknown key. Did you mean 'gradient_clip_val'?"),
        ("train_dataset.augmentation.color_jiter=0.1", "Did you mean 'color_jitter'?"),
        ("batch_size=0", "batch_size = 0: input should be greater than or equal to 1"),
        ("scheduler=linear", "scheduler = 'linear': input should be 'cosine' or 'constant'"),
        ("on_rate_mismatch=ignore", "on_rate_mismatch = 'ignore': input should be 'refuse' or 'resample'"),
        ("train_setup.precision=16-mixed", "train_setup.precision = '16-mixed': input should be '32-true' or 'bf16-mixed'"),
        ("train_setup.lora_enable=true", "train_setup.lora_enable = True: backbone 'tiny' has no low-rank adapters here."),
        (
            "train_setup.gradient_checkpointing=true",
            "train_setup.gradient_checkpointing = True: backbone 'tiny' cannot recompute its activations.",
        ),
        ("model=tinny", "Did you mean 'tiny'?"),
        ('act_head={"type": "LSTMDecodr"}', "Did you mean 'LSTMDecoder'?"),
        ("task_name=a/b", "task_name = 'a/b': string should match pattern"),
        ("val_fraction=1", "val_fraction = 1: input should be less than 1"),
    ],
)
def test_each_mistake_has_its_message(config_file: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_train_config(config_file, [override])
    assert message in str(caught.value)


def test_rate_is_required(tmp_path: Path) -> None:
    path = tmp_path / "empty.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rate_hz: this key is required\."):
        load_train_config(path)


def test_conflicting_warm_ups_are_refused_with_both_values(config_file: Path) -> None:
    with pytest.raises(ConfigError, match="warmup_epochs = 2 and warmup_steps = 10 both set the warm-up: keep one"):
        load_train_config(config_file, ["warmup_epochs=2", "warmup_steps=10"])


def test_a_floor_without_a_cosine_is_refused(config_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"min_lr_scale = 0\.1 has no effect with scheduler = 'constant'"):
        load_train_config(config_file, ["min_lr_scale=0.1", "scheduler=constant"])


def test_overrides_and_data_dir_take_effect(config_file: Path) -> None:
    config = load_train_config(config_file, ["trainer.accumulate_grad_batches=2", "task_name=mine"], data_dir="/data")
    assert (config.trainer.accumulate_grad_batches, config.task_name, config.data_dir) == (2, "mine", "/data")


def test_comments_are_accepted_and_the_policy_part_is_the_policys(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text('{"rate_hz": 4, // slow\n "window_size": 3, "act_head": {"type": "FCDecoder"}}', encoding="utf-8")
    policy = load_train_config(path).policy_config()
    assert (policy.rate_hz, policy.window_size, policy.act_head) == (4, 3, {"type": "FCDecoder"})


def test_the_shipped_tiny_config_loads() -> None:
    config = load_train_config(TINY)
    assert isinstance(config, TrainConfig)
    assert (config.model, config.window_size, config.rate_hz, config.batch_size) == ("tiny", 8, 5, 32)
