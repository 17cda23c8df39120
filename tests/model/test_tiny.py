"""The tiny backbone's parts: FiLM scales and shifts, and word order counts."""

from __future__ import annotations

import torch

from mobile_vla.model.backbones.tiny import Stage, TextEncoder


def test_film_scales_and_shifts_each_channel_of_each_frame() -> None:
    torch.manual_seed(0)
    stage = Stage(3, 4, "relu").eval()
    x = torch.randn(2, 3, 8, 8)
    plain = stage(x, torch.zeros(2, 8))
    modulation = torch.zeros(2, 8)
    modulation[1, 2] = 1.0  # scale of channel 2 in the second frame: 1 + 1
    scaled = stage(x, modulation)
    torch.testing.assert_close(scaled[1, 2], 2 * plain[1, 2])
    scaled[1, 2] = plain[1, 2]
    assert torch.equal(scaled, plain)
    modulation = torch.zeros(2, 8)
    modulation[0, 4 + 3] = 100.0  # shift of channel 3 in the first frame
    assert stage(x, modulation)[0, 3].min() > 50


def test_batch_statistics_normalise_in_training() -> None:
    torch.manual_seed(0)
    stage = Stage(3, 4, "gelu").train()
    seen: list[torch.Tensor] = []
    stage.norm.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    stage(torch.randn(8, 3, 16, 16) * 30 + 7, torch.zeros(8, 8))
    torch.testing.assert_close(seen[0].mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0].std(dim=(0, 2, 3)), torch.ones(4), atol=1e-2, rtol=0)


def test_word_order_counts() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(20, 0, 16, 4)
    words = torch.tensor([[5, 6, 7, 0], [6, 5, 7, 0]])
    one, other = encoder(words, words > 0)
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_text_without_any_token_is_finite() -> None:
    encoder = TextEncoder(20, 0, 16, 4)
    tokens = torch.zeros(2, 4, dtype=torch.int64)
    encoded = encoder(tokens, tokens > 0)
    assert encoded.isfinite().all()
    encoded.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
