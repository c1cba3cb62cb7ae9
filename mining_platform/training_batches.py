"""The batches of training: drawn in one process, read, changed and normalised in this one or in workers, always the same.

Order and changes are seeded by experiment, epoch and batch alone, so that training can begin with any epoch.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from mining_platform.experiments import Experiment
from mining_platform.models.classifier import Normalisation, normalised
from mining_platform.models.contracts import is_flag
from mining_platform.models.registry import Task
from mining_platform.patch_augmentation import AUGMENTATIONS, Augmentation, augment
from mining_platform.patch_datasets import PatchDataset, ShuffledBatches, batch_loader
from mining_platform.training_losses import LOSSES
from mining_platform.training_patches import SplitPatches, within_classes

if TYPE_CHECKING:
    from torch import Tensor

SEED_BITS = 63  # of torch's generators

Batches = Iterable[tuple["Tensor", "Tensor"]]
"""Normalised images (n, band, y, x) float32, and classes uint8: (n,) 1 for mining, or of segmentation the labels (n, y, x)."""
Drawn = tuple[list[int], int]
"""Items of a batch, and the seed of their changes."""


def training_epochs(
    patches: SplitPatches, normalisation: Normalisation, experiment: Experiment, *, workers: int = 0, first: int = 1
) -> Iterator[Batches]:
    """The batches of each epoch from `first` on; each epoch is to be gone through before the next one is asked for.

    Workers, if any, prepare batches ahead, also those of the next epoch; what they give does not depend on their number.
    """
    is_mining = np.zeros(len(patches.dataset), dtype=bool)
    is_mining[patches.items] = patches.is_mining
    change, task = AUGMENTATIONS[experiment.augmentation], LOSSES[experiment.loss].task
    prepared = _Prepared(patches.dataset, is_mining, normalisation, change, task, patches.classes)
    epochs = range(first, experiment.epochs + 1)
    batches = iter(batch_loader(prepared, _drawn(patches.items, experiment, epochs), workers=workers))
    steps = math.ceil(len(patches.items) / experiment.batch_size)
    for _ in epochs:
        yield islice(batches, steps)


def _drawn(items: NDArray[np.int64], experiment: Experiment, epochs: Iterable[int]) -> Iterator[Drawn]:
    """What is drawn for the batches of these epochs, one after the other."""
    import torch

    for epoch in epochs:
        generator = torch.Generator().manual_seed(_seed(experiment, epoch, "order"))
        for number, batch in enumerate(ShuffledBatches(items, experiment.batch_size, generator)):
            yield batch, _seed(experiment, epoch, number)


def _seed(experiment: Experiment, epoch: int, what: int | str) -> int:
    digest = blake3(f"{experiment.seed}:{epoch}:{what}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - SEED_BITS)


@dataclass(frozen=True)
class _Prepared:
    """Batches as the model takes them in, by what was drawn."""

    dataset: PatchDataset
    is_mining: NDArray[np.bool_]
    """By item of the dataset."""
    normalisation: Normalisation
    change: Augmentation | None
    task: Task
    classes: int | None
    """As SplitPatches has it."""

    def __getitem__(self, drawn: Drawn) -> "tuple[Tensor, Tensor]":
        import torch

        items, seed = drawn
        patches = self.dataset[items]
        if self.change is not None:
            flags = [at for at, channel in enumerate(self.dataset.channels) if is_flag(channel)]
            stored = patches._replace(image=patches.image.to(torch.float32))  # interpolated as numbers, for nodata is 0 there
            patches = augment(stored, self.change, seed=seed, binary_channels=flags)
        images = normalised(patches.image.numpy(), self.normalisation)
        of_patches = torch.from_numpy(self.is_mining[items].astype(np.uint8))
        return images, of_patches if self.task == "classification" else torch.from_numpy(
            within_classes(patches.label.numpy(), self.classes)
        )
