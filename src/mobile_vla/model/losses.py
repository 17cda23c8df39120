"""The loss that the continuous heads share: Huber on velocities, weighted cross-entropy on the action type, padding masked.

Masked targets are replaced before any arithmetic, so not even NaN there reaches the loss or a gradient. Shapes never depend on
the mask: fixed shapes keep CPU kernels fast.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mobile_vla.model.head import HeadConfig, HeadOutput
from mobile_vla.task.actions import ACTION_NAMES, VELOCITY_DIM


def masked_action_loss(
    output: HeadOutput, targets: Tensor, target_mask: Tensor, config: HeadConfig, huber_beta: float
) -> dict[str, Tensor]:
    """Return the dictionary that `ActionHead.loss` promises.

    Args:
        output: velocities `(B, T, K, 3)`, type logits `(B, T, K, 4)`.
        targets: `(B, T, K, 4)`, velocities in [-1, 1] and the type 0..3.
        target_mask: `(B, T, K)` bool. With nothing valid the loss is 0.
        config: weights of the type loss.
        huber_beta: error (normalised units) at which Huber turns from quadratic to linear.
    """
    keep = target_mask.float()
    count = keep.sum().clamp(min=1.0)
    safe = torch.where(target_mask[..., None], targets.float(), 0.0)
    velocities, logits = output.velocities.float(), output.type_logits.float()
    huber = functional.smooth_l1_loss(velocities, safe[..., :VELOCITY_DIM], reduction="none", beta=huber_beta)
    velocity_loss = (huber * keep[..., None]).sum() / (count * VELOCITY_DIM)
    kinds = safe[..., VELOCITY_DIM].long()
    type_loss = _cross_entropy(logits, kinds, keep, config.type_class_weights)
    with torch.no_grad():
        error = ((velocities - safe[..., :VELOCITY_DIM]).abs() * keep[..., None]).sum(dim=(0, 1, 2)) / count
        accuracy = ((logits.argmax(dim=-1) == kinds) * keep).sum() / count
    return {
        "loss": velocity_loss + config.type_loss_weight * type_loss,
        "velocity_loss": velocity_loss.detach(),
        "type_loss": type_loss.detach(),
        **{f"mae_{name}": error[column] for column, name in enumerate(ACTION_NAMES[:VELOCITY_DIM])},
        "type_accuracy": accuracy,
    }


def _cross_entropy(logits: Tensor, kinds: Tensor, keep: Tensor, class_weights: tuple[float, ...] | None) -> Tensor:
    """Return the weighted mean over valid steps; the weights of the valid steps sum to one."""
    each = functional.cross_entropy(logits.flatten(0, 2), kinds.flatten(), reduction="none")
    weight = keep.flatten()
    if class_weights is not None:
        weight = weight * logits.new_tensor(class_weights)[kinds.flatten()]
    return (each * weight).sum() / weight.sum().clamp(min=1e-6)
