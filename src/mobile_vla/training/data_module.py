"""Episodes as batches of windows: one sample per frame, gathered by fancy indexing.

Legend: `N` frames (= samples), `B` batch, `T` window frames, `K` chunk steps, `L` tokens, `h` `w` the policy's image size.
It knows files through `data`, and the policy only through its preprocessor and action normaliser.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from mobile_vla.core.errors import CheckpointError, DataError, problem
from mobile_vla.data.frame_store import FrameStore
from mobile_vla.data.reader import find_episodes
from mobile_vla.data.splits import Split, make_split
from mobile_vla.data.windows import chunk_rows, window_rows
from mobile_vla.model.batch import Batch
from mobile_vla.model.preprocess import Preprocessor
from mobile_vla.task.normalisation import ActionNormaliser
from mobile_vla.training.config import TrainConfig
from mobile_vla.training.lightning_module import Samples
from mobile_vla.training.sampling import Position, Share, TrainingBatches, ValidationBatches


class WindowDataset(Dataset[Samples]):
    """The windows that end at each frame of a frame store; grows with the store.

    Args:
        store: the frames.
        preprocessor: encodes instructions, each distinct one once.
        normaliser: normalises target velocities.
        window: `T`.
        chunk: `K`.
    """

    def __init__(
        self, store: FrameStore, preprocessor: Preprocessor, normaliser: ActionNormaliser, window: int, chunk: int
    ) -> None:
        self.store = store
        self._preprocessor = preprocessor
        self._normaliser = normaliser
        self._window, self._chunk = window, chunk
        self.refresh()

    def refresh(self) -> None:
        """Take in what was appended to the store."""
        encoded = [self._preprocessor.encode(text) for text in self.store.instructions]
        self._tokens = np.stack([tokens for tokens, _ in encoded])
        self._token_masks = np.stack([mask for _, mask in encoded])
        self._targets = self._normaliser.normalise(self.store.actions)

    def __len__(self) -> int:
        """Return `N`."""
        return len(self.store)

    def __getitem__(self, sample: int) -> Samples:
        """Return one sample as a batch of one."""
        return self.__getitems__(np.asarray([sample]))

    def __getitems__(self, samples: NDArray[np.int64]) -> Samples:
        """Return the batch of the windows that end at frames `samples` `(B,)`."""
        ends = np.asarray(samples, dtype=np.int64)
        store = self.store
        frames, frame_mask = window_rows(ends, store.starts[ends], self._window)
        rows, target_mask = chunk_rows(frames, store.ends[ends], self._chunk)
        instruction = store.instruction_index[ends]
        arrays = Batch(
            images=_tensor(store.images[frames]),
            frame_mask=_tensor(frame_mask),
            tokens=_tensor(self._tokens[instruction]),
            token_mask=_tensor(self._token_masks[instruction]),
            states=_tensor(store.states[frames]),
            state_mask=_tensor(store.state_mask[frames] & frame_mask),
            targets=_tensor(self._targets[rows]),
            target_mask=_tensor(target_mask & frame_mask[..., None]),
        )
        return Samples(arrays, torch.from_numpy(ends))


class EpisodeDataModule(pl.LightningDataModule):
    """Finds, splits and holds the episodes, and makes loaders that resume where training stood.

    Args:
        config: the training configuration.
        preprocessor: resizes frames and encodes instructions.
        normaliser: normalises target velocities.

    Attributes:
        files: number of episodes found.
        split: which of them are trained on and which validate.
        train_set, val_set: available after `load`.

    Raises:
        DataError: there are no episodes, or too few to split.
    """

    train_set: WindowDataset
    val_set: WindowDataset

    def __init__(self, config: TrainConfig, preprocessor: Preprocessor, normaliser: ActionNormaliser) -> None:
        super().__init__()
        paths = find_episodes(config.data_dir)
        self.config = config
        self.files = len(paths)
        self.split: Split = make_split(paths, config.val_fraction, config.seed)
        if not self.split.val:
            raise DataError(problem("data_dir", config.data_dir, "one episode cannot both train and validate", "Record more"))
        self._preprocessor = preprocessor
        self._normaliser = normaliser
        self._added: list[Path] = []

    def load(self) -> None:
        """Read all frames at the policy's size and cadence. Raises DataError for an episode that cannot be used."""
        train, val = self.split.paths(self.config.data_dir)
        self.train_set = self._dataset(train)
        self.val_set = self._dataset(val)

    def add_episodes(self, paths: Sequence[Path | str]) -> None:
        """Append episodes to the training set; the next epoch draws from them. They are never validated on.

        With `steps_per_epoch` a call at an epoch's start counts at once; without, the length of that epoch stays as it was.
        """
        added = [Path(path) for path in paths]
        self.train_set.store.append(added)
        self.train_set.refresh()
        self._added.extend(added)

    @property
    def data_hash(self) -> str:
        """SHA-256 over what is trained on: actions, instructions and file names, in order."""
        digest = hashlib.sha256()
        for episode in self.train_set.store.episodes:
            digest.update(episode.path.name.encode())
        digest.update(np.ascontiguousarray(self.train_set.store.actions).tobytes())
        digest.update("\n".join(self.train_set.store.instructions).encode())
        return digest.hexdigest()

    def train_dataloader(self) -> DataLoader[Samples]:
        """Return the loader of the training set, for the epoch in which training stands."""
        return self._loader(self.train_set, self.training_batches())

    def training_batches(self) -> TrainingBatches:
        """Return the batches of an epoch; their number is the number of steps before gradients are accumulated."""
        config, share = self.config, self._share()
        return TrainingBatches(
            lambda: len(self.train_set), config.batch_size, config.steps_per_epoch, config.seed, self._position, share
        )

    def val_dataloader(self) -> DataLoader[Samples]:
        """Return the loader of the validation set: every window once."""
        return self._loader(self.val_set, ValidationBatches(len(self.val_set), self.config.batch_size, self._share()))

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run has to find again, as plain values."""
        return {"split_hash": self.split.sha256, "added": [str(path) for path in self._added]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Check that the data are those of the checkpoint, and append what had been added. Raises CheckpointError."""
        if state_dict["split_hash"] != self.split.sha256:
            rule = f"the checkpoint was trained on another split ({state_dict['split_hash']!r})"
            remedy = "Restore data_dir, seed and val_fraction, or start from its weights with --init-from"
            raise CheckpointError(problem("split", self.split.sha256, rule, remedy))
        self.add_episodes([path for path in state_dict["added"] if Path(path) not in self._added])

    def _dataset(self, paths: Sequence[Path]) -> WindowDataset:
        store = FrameStore(self._preprocessor.resize, self.config.rate_hz, self.config.on_rate_mismatch)
        store.append(paths)
        return WindowDataset(store, self._preprocessor, self._normaliser, self.config.window_size, self.config.fwd_pred_next_n)

    def _loader(self, dataset: WindowDataset, batches: Any) -> DataLoader[Samples]:
        return DataLoader(
            dataset,
            batch_sampler=batches,
            num_workers=self.config.num_workers,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
        )

    def _position(self) -> Position:
        """Return where training stands; Lightning's epoch counter lags behind just when a finished epoch is resumed from."""
        loop = cast(Any, self.trainer).fit_loop
        done = int(loop.epoch_loop.batch_progress.current.ready) if loop.restarting else 0
        return Position(epoch=int(loop.epoch_progress.current.processed), batches_done=done)

    def _share(self) -> Share:
        return Share() if self.trainer is None else Share(self.trainer.global_rank, self.trainer.world_size)


def _as_it_is(samples: Any) -> Any:
    """Collate nothing: the data set gathers whole batches."""
    return samples


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))
