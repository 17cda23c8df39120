"""The guide's configuration file: its values, the edits that its troubleshooting section asks for, and the first paste."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mobile_vla.core.config import load_json
from mobile_vla.core.errors import ConfigError, DataError
from mobile_vla.model.checkpoint import load_policy
from mobile_vla.model.hf.miniature import write_miniature
from mobile_vla.training.config import TrainConfig, load_train_config
from mobile_vla.training.run import train

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "configs/mobile_vla/train_mobile_vla_full_ft.json"
MakeConfig = Callable[..., TrainConfig]

IN_THE_GUIDE = {
    "task_name": "mobile_vla_full_finetune",
    "model": "kosmos",
    "window_size": 8,
    "fwd_pred_next_n": 1,
    "batch_size": 4,
    "learning_rate": 1e-5,
    "max_epochs": 50,
    "train_setup": {"freeze_backbone": False, "train_vision": True, "lora_enable": False, "gradient_checkpointing": True},
    "act_head": {"type": "LSTMDecoder", "num_layers": 4, "action_dim": 4, "action_space": "continuous"},
}


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_miniature(tmp_path_factory.mktemp("kosmos"), "kosmos-2")


def test_the_file_holds_what_the_guide_says() -> None:
    assert IN_THE_GUIDE.items() <= load_json(GUIDE).items()
    config = load_train_config(GUIDE)
    assert (config.model, config.act_head["num_layers"], config.data_dir) == ("kosmos", 4, "../ROS_action/mobile_vla_dataset")


def test_the_edits_of_the_troubleshooting_section_are_accepted(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for before, after in {
        '"batch_size": 4,': '"batch_size": 2, // was 4',
        '"gradient_checkpointing": true': '"gradient_checkpointing": true, "precision": "bf16-mixed"',
        '"learning_rate": 1e-5,': '"learning_rate": 5e-6, // lower\n "warmup_epochs": 5,',
        '"output_dir"': '"trainer": {"accumulate_grad_batches": 2},\n'
        '"train_dataset": {"augmentation": {"color_jitter": 0.2, "gaussian_noise": 0.02}},\n"output_dir"',
    }.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    edited = tmp_path / "edited.json"
    edited.write_text(text, encoding="utf-8")
    config = load_train_config(edited)
    assert (config.batch_size, config.learning_rate, config.warmup_epochs) == (2, 5e-6, 5)
    assert (config.train_setup.precision, config.trainer.accumulate_grad_batches) == ("bf16-mixed", 2)
    augmentation = config.train_dataset.augmentation
    assert (augmentation.color_jitter, augmentation.gaussian_noise) == (0.2, 0.02)


def test_a_pretrained_backbone_without_a_path_is_refused_when_the_file_is_read() -> None:
    with pytest.raises(ConfigError, match=r"backbone: path: this key is required"):
        load_train_config(GUIDE, ["model=hf"])


def test_the_first_paste_names_the_remedies_and_asks_no_hub(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mobile_vla", "train", "--test", "--config", str(GUIDE)]
    environment = {"PATH": "/usr/bin:/bin", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "hub")}
    work = tmp_path / "clone"
    work.mkdir()
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, timeout=100, check=False)
    folder = tmp_path / "ROS_action/mobile_vla_dataset"
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: No .h5 files found in dataset: looked in {folder}, and there is no such folder.")
    assert f"mobile-vla record --sim --out {folder} --episodes 64" in done.stderr
    assert f"--config configs/mobile_vla/train_tiny_cpu.json --data-dir {folder}" in done.stderr
    assert "--set backbone.path=/folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_small_model_needs_no_weights_so_none_are_named(make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        train(make_config(data_dir=str(tmp_path / "nothing")))
    assert "mobile-vla record --sim" in str(caught.value)
    assert "backbone.path" not in str(caught.value)


def test_data_without_weights_gives_one_message(make_config: MakeConfig, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    lines: list[str] = []
    with pytest.raises(ConfigError, match=r"backbone\.path = 'nobody/nothing'.*--set backbone\.path=/folder") as caught:
        train(guide_like(make_config, "nobody/nothing"), say=lines.append)
    assert "train_tiny_cpu.json" in str(caught.value)
    assert lines == []


def guide_like(make_config: MakeConfig, path: Path | str, **keys: Any) -> TrainConfig:
    config = make_config(
        model="kosmos",
        backbone={"path": str(path)},
        act_head={**IN_THE_GUIDE["act_head"], "hidden_size": 16},
        preprocess={"max_tokens": 48},
        train_setup=IN_THE_GUIDE["train_setup"],
        **keys,
    )
    assert config.train_setup.gradient_checkpointing
    return config


def test_kosmos_trains_resumes_and_loads_without_its_folder(make_config: MakeConfig, miniature: Path, tmp_path: Path) -> None:
    folder = miniature.rename(tmp_path / "weights")
    lines: list[str] = []
    config = guide_like(make_config, folder, max_epochs=1, batch_size=16)
    first = train(config, say=lines.append)
    assert lines[3] == "Model created: RoboKosMos_MobileVLA"
    total = sum(weight.numel() for weight in first.policy.parameters())
    assert lines[4:6] == [f"Total parameters: {total:,}", f"Trainable parameters: {total:,}"]
    folder.rename(miniature)  # from here on nothing may ask for it
    longer = guide_like(make_config, folder, max_epochs=2, batch_size=16)
    second = train(longer, resume=first.last_path, say=lines.append)
    third = train(longer, init_from=second.last_path, test_mode=True, say=lines.append)
    image = torch.zeros(1, 1, 32, 32, 3, dtype=torch.uint8)
    tokens, mask = (torch.from_numpy(array.copy())[None] for array in third.policy.preprocessor.encode("go left"))
    states = torch.zeros(1, 1, 15), torch.zeros(1, 1, dtype=torch.bool)
    features = [load_policy(run.last_path).policy.encode(image, tokens, mask, *states) for run in (second, third)]
    assert not torch.allclose(*features)
    assert re.fullmatch(r"Best checkpoint: .*", lines[-1])
