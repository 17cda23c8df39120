"""The adapter: one frame and the instruction through a pretrained vision-language model, one feature out.

Legend: `B` batch, `T` window frames, `N` = B * T sequences, `L` tokens, `S` state token width, `D` width of the model.

The sequence is: prefix with the image's slots, the state token (if any), the instruction, the action token, padding. The
feature is the last hidden state at the action token, whose embedding is a learned vector (`[LRN]` of RoboVLMs,
https://arxiv.org/abs/2412.14058). The language head is never built, so no logits are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from mobile_vla.core.errors import ConfigError, problem
from mobile_vla.model.backbone import Backbone, BackboneConfig, BackboneInputs, Prepared
from mobile_vla.model.hf.blueprint import family_of, read_folder, restore_config
from mobile_vla.model.hf.folder import DESCRIPTION, WEIGHTS, model_folder, transformers
from mobile_vla.model.preprocess import PreprocessConfig

_SHOWN_KEYS = 5


class PretrainedConfig(BackboneConfig):
    """Options of a pretrained backbone.

    Attributes:
        path: a local folder as `save_pretrained` writes it, or a name on the hub (`owner/name`).
    """

    path: str


class PretrainedBackbone(Backbone):
    """A vision-language model of transformers without its language head. Concrete backbones only choose name and defaults."""

    Config = PretrainedConfig
    pretrained = True
    recomputes = True

    def __init__(self, config: PretrainedConfig, inputs: BackboneInputs) -> None:
        super().__init__()
        self._path = config.path
        hf_config = restore_config(dict(inputs.blueprint["hf_config"]))
        self._family = family_of(hf_config)
        self._slots = cast("tuple[int, int]", tuple(inputs.blueprint["slots"]))
        self._prefix = [int(index) for index in inputs.blueprint["prefix"]]
        self._pad_id = inputs.pad_id
        self.model = _without_weights(hf_config)
        width = int(hf_config.get_text_config().hidden_size)
        self.action_token = nn.Parameter(torch.zeros(width))
        self.state = nn.Linear(inputs.state_token_dim, width) if inputs.state_token_dim else None
        self._freeze_idle()

    @classmethod
    def prepare(cls, options: PretrainedConfig, preprocess: PreprocessConfig) -> Prepared:
        """See `Backbone`."""
        return read_folder(model_folder(options.path, DESCRIPTION), preprocess)

    @property
    def feature_dim(self) -> int:
        """See `Backbone`."""
        return self.action_token.numel()

    def load_pretrained(self) -> None:
        """See `Backbone`. Every tensor of the model must be in the files. Raises ConfigError naming those that are not."""
        folder = model_folder(self._path, WEIGHTS)
        loader = transformers().AutoModel
        try:
            self.model, report = loader.from_pretrained(
                folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ConfigError(problem("backbone.path", self._path, f"its weights cannot be read ({reason})")) from error
        lacking = sorted(str(name) for name in (*report["missing_keys"], *report["mismatched_keys"]))
        if lacking:
            rule = f"{len(lacking)} tensors of the model are not in its files, for example {', '.join(lacking[:_SHOWN_KEYS])}"
            raise ConfigError(problem("backbone.path", self._path, rule, "Download the files again"))
        self._start_action_token()
        self._freeze_idle()

    def forward(self, images: Tensor, tokens: Tensor, token_mask: Tensor, state_token: Tensor | None) -> Tensor:
        """See `Backbone`."""
        batch, frames = images.shape[:2]
        ids, mask = self._sequences(tokens, token_mask, frames)
        last = mask.sum(dim=1) - 1
        state = None if self.state is None or state_token is None else self.state(state_token.flatten(0, 1))
        with self._own_vectors(last, state):
            output = self.model(
                input_ids=ids,
                attention_mask=mask.long(),
                pixel_values=images.flatten(0, 1).to(self.model.dtype),
                use_cache=False,
                **self._family.keywords(ids, self._slots),
            )
        features = output.last_hidden_state[torch.arange(len(ids), device=ids.device), last]
        return cast(Tensor, features.view(batch, frames, -1))

    def vision_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the image encoder's parameters; the projection into the language model is not among them."""
        return self._family.vision(self.model).parameters()

    def new_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the action token, and the projection of the state."""
        yield self.action_token
        if self.state is not None:
            yield from self.state.parameters()

    def idle_parameters(self) -> Iterator[nn.Parameter]:
        """See `Backbone`."""
        return self._family.idle(self.model)

    def recompute_activations(self) -> None:
        """See `Backbone`; in evaluation mode nothing changes."""
        renamed = getattr(self.model, "activation_checkpointing_enable", None)  # in transformers 5.x
        enable = renamed or self.model.gradient_checkpointing_enable
        enable({"use_reentrant": False})

    def _sequences(self, tokens: Tensor, token_mask: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Return ids and mask `(N, L)`: `tokens` behind the prefix, cut to the longest of them, once per frame."""
        longest = int(token_mask.sum(dim=1).max())
        tokens, token_mask = tokens[:, :longest], token_mask[:, :longest]
        before = tokens.new_tensor(self._prefix + [self._prefix[-1]] * (self.state is not None)).expand(len(tokens), -1)
        ids = torch.cat([before, tokens.masked_fill(~token_mask, self._pad_id)], dim=1)
        mask = torch.cat([torch.ones_like(before, dtype=torch.bool), token_mask], dim=1)
        return ids.repeat_interleave(frames, dim=0), mask.repeat_interleave(frames, dim=0)

    @contextmanager
    def _own_vectors(self, last: Tensor, state: Tensor | None) -> Iterator[None]:
        """Replace what the embedding gives at the action token (places `last` `(N,)`) and at the state token."""

        def put(module: nn.Module, arguments: Any, embedded: Tensor) -> Tensor:
            result = embedded.clone()
            result[torch.arange(len(last), device=last.device), last] = self.action_token.to(result.dtype)
            if state is not None:
                result[:, len(self._prefix)] = state.to(result.dtype)
            return result

        handle = self.model.get_input_embeddings().register_forward_hook(put)
        try:
            yield
        finally:
            handle.remove()

    @torch.no_grad()
    def _start_action_token(self) -> None:
        """Start at the embedding of the end-of-text token: close to where the model expects a summary."""
        config = self.model.config.get_text_config()
        end = config.eos_token_id if isinstance(config.eos_token_id, int) else self._pad_id
        self.action_token.copy_(self.model.get_input_embeddings()(torch.tensor([end]))[0])

    def _freeze_idle(self) -> None:
        for parameter in self.idle_parameters():
            parameter.requires_grad_(False)


def _without_weights(config: Any) -> Any:
    """Return the base model of `config` in float32. Its memory is not initialised: weights are about to be loaded into it."""
    package = transformers()
    from transformers.initialization import no_init_weights

    with no_init_weights():
        return package.AutoModel.from_config(config, dtype=torch.float32)
