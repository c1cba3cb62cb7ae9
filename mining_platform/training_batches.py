"""The batches of training: drawn in one process, read, normalised and turned in this one or in workers, always the same."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mining_platform.experiments import Experiment
from mining_platform.models.classifier import Normalisation, normalised
from mining_platform.patch_datasets import PatchDataset, ShuffledBatches, batch_loader
from mining_platform.training_patches import SplitPatches

if TYPE_CHECKING:
    from torch import Tensor

SYMMETRIES = 8  # the flips and quarter turns of a square

Batches = Iterable[tuple["Tensor", "Tensor"]]
"""Normalised images (n, band, y, x) float32 and whether each holds mining, (n,) bool."""
Drawn = tuple[list[int], "Tensor | None"]
"""Items of a batch, and the symmetry of each, 0 to SYMMETRIES - 1; None where patches stay as they are."""


def training_epochs(
    patches: SplitPatches, normalisation: Normalisation, experiment: Experiment, *, workers: int = 0
) -> Iterator[Batches]:
    """The batches of each epoch; each epoch is to be gone through before the next one is asked for.

    Order and flips are drawn with the experiment's seed. Workers, if any, prepare batches ahead, also those of the next epoch;
    what they give does not depend on their number.
    """
    is_mining = np.zeros(len(patches.dataset), dtype=bool)
    is_mining[patches.items] = patches.is_mining
    prepared = _Prepared(patches.dataset, is_mining, normalisation)
    batches = iter(batch_loader(prepared, _drawn(patches.items, experiment), workers=workers))
    steps = math.ceil(len(patches.items) / experiment.batch_size)
    for _ in range(experiment.epochs):
        yield islice(batches, steps)


def _drawn(items: NDArray[np.int64], experiment: Experiment) -> Iterator[Drawn]:
    """What is drawn for the batches of all epochs, one after the other."""
    import torch

    generator = torch.Generator().manual_seed(experiment.seed)
    order = ShuffledBatches(items, experiment.batch_size, generator)
    for batch in chain.from_iterable(repeat(order, experiment.epochs)):
        flips = experiment.augmentation == "flips"
        yield batch, torch.randint(SYMMETRIES, (len(batch),), generator=generator) if flips else None


@dataclass(frozen=True)
class _Prepared:
    """Batches as the model takes them in, by what was drawn."""

    dataset: PatchDataset
    is_mining: NDArray[np.bool_]
    """By item of the dataset."""
    normalisation: Normalisation

    def __getitem__(self, drawn: Drawn) -> "tuple[Tensor, Tensor]":
        import torch

        items, symmetry = drawn
        images = normalised(self.dataset[items].image.numpy(), self.normalisation)
        return images if symmetry is None else turned(images, symmetry), torch.from_numpy(self.is_mining[items])


def turned(images: "Tensor", symmetry: "Tensor") -> "Tensor":
    """(n, band, y, x) squares, each by its own symmetry, (n,) of 0 to 7: quarter turns, from 4 on after a flip of x."""
    import torch

    out = torch.empty_like(images)
    for number in range(SYMMETRIES):
        rows = symmetry == number
        flipped = images[rows].flip(3) if number >= SYMMETRIES // 2 else images[rows]
        out[rows] = flipped.rot90(number % 4, (2, 3))
    return out
