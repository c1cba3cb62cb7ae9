"""What a model is trained on: the patches of a split, their statistics and weights, and the blocks held out for validation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from mining_platform import bands, profiles
from mining_platform.dn_histograms import dn_histograms, dn_moments
from mining_platform.experiments import Experiment
from mining_platform.models.classifier import SCORING_BATCH, Normalisation
from mining_platform.patch_datasets import PatchDataset


@dataclass(frozen=True)
class SplitPatches:
    """The patches of one side of a split: items of a dataset and their classes; images stay in the stores until asked for."""

    dataset: PatchDataset
    """Gives images as uint16 DN, nodata 0."""
    items: NDArray[np.int64]
    """(n,) numbers of the patches in the dataset."""
    is_mining: NDArray[np.bool_]
    """(n,) bool, in the order of `items`."""

    def __post_init__(self) -> None:
        """ValueError when the parts do not fit together."""
        if self.items.shape != self.is_mining.shape or self.items.ndim != 1:
            raise ValueError(f"{self.items.shape} items and {self.is_mining.shape} classes do not pair. Join them by patch id.")
        if self.dataset.as_reflectance or self.is_mining.dtype != np.bool_:
            raise ValueError("Images must be uint16 DN and classes bool. Open the dataset with as_reflectance=False.")

    @property
    def channels(self) -> tuple[str, ...]:
        """Band ids of the images, in order."""
        return self.dataset.channels

    @property
    def px(self) -> int:
        """Pixels a side of a patch."""
        return int(self.dataset.attributes["px"])

    def batches(self, size: int = SCORING_BATCH) -> Iterator[NDArray[np.uint16]]:
        """Images (at most `size`, band, y, x) in the order of `items`; one batch is held at a time."""
        for start in range(0, len(self.items), size):
            yield self.dataset[self.items[start : start + size].tolist()].image.numpy()


def check_patches(experiment: Experiment, train: SplitPatches, val: SplitPatches) -> None:
    """ValueError naming what keeps the experiment from training on these patches, and the remedy."""
    wanted = profiles.profile(experiment.profile).channels
    for name, patches in (("training", train), ("validation", val)):
        where = f"Experiment {experiment.id}, {name} split"
        if patches.channels != wanted:
            raise ValueError(
                f"{where}: the profile {experiment.profile} is {', '.join(wanted)}; got {', '.join(patches.channels)}."
            )
        mining, other = int(patches.is_mining.sum()), int((~patches.is_mining).sum())
        if not mining or not other:
            raise ValueError(
                f"{where}: {mining} mining and {other} other patches, at least one of each is needed. Enlarge the quotas of "
                f"dataset {experiment.dataset}, add regions or years, or change its split in mining_platform/datasets.py."
            )
    if train.px != val.px:
        raise ValueError(f"Experiment {experiment.id}: patches must have one size; got {train.px} px and {val.px} px.")
    shared = {train.dataset.patch_id(item) for item in train.items} & {val.dataset.patch_id(item) for item in val.items}
    if shared:
        raise ValueError(
            f"Experiment {experiment.id}: {len(shared)} patches are in training and validation, first {min(shared)}."
        )


def channel_statistics(batches: Iterable[NDArray[np.uint16]], channels: tuple[str, ...]) -> Normalisation:
    """Mean and standard deviation of the reflectance of each channel, nodata left out; batches (n, band, y, x) uint16 DN.

    Summed in integers, so neither order nor size of batches changes anything. A constant channel has a deviation of one DN.
    ValueError when a channel holds only nodata.
    """
    counts = dn_histograms(batches, len(channels))
    rows = [_reflectance_statistics(counts[position], channel) for position, channel in enumerate(channels)]
    return Normalisation(channels, tuple(mean for mean, _ in rows), tuple(std for _, std in rows))


def _reflectance_statistics(counts: NDArray[np.int64], channel: str) -> tuple[float, float]:
    """(mean, standard deviation, at least one DN) in reflectance, from the counts of one channel."""
    band = bands.band(channel)
    if not counts.sum() - counts[band.nodata]:
        raise ValueError(f"Channel {channel} holds only nodata in all training patches. Check the mosaic they come from.")
    mean_dn, std_dn = dn_moments(counts, band.nodata)
    return mean_dn * band.scale, max(std_dn, 1.0) * band.scale


def class_weights(is_mining: np.ndarray, *, balanced: bool) -> np.ndarray:
    """(2,) float32 weight of other and of mining patches: total / (2 * patches of the class), or 1."""
    counts = np.bincount(is_mining.astype(int), minlength=2)
    return (len(is_mining) / (2 * counts) if balanced else np.ones(2)).astype(np.float32)


def hold_out(blocks: Sequence[str], is_mining: np.ndarray, *, share: float, seed: int) -> np.ndarray:
    """(n,) bool: the patches set aside for validation, whole blocks of ground, so that no place is on both sides.

    Blocks are taken in the order of a seeded hash until both the mining and the other patches taken reach `share` of
    theirs. ValueError when that takes every block or leaves a class without training patches.
    """
    names = np.array(blocks)
    held = np.zeros(len(names), dtype=bool)
    for block in sorted(set(blocks), key=lambda name: blake3(f"{seed}:{name}".encode()).digest()):
        if all(held[is_mining == kind].mean() >= share for kind in (True, False) if (is_mining == kind).any()):
            break
        held |= names == block
    if not (is_mining[~held].any() and (~is_mining[~held]).any()):
        raise ValueError(
            f"{len(set(blocks))} blocks are too few to hold out {share:.0%} of their patches for validation and still train "
            "on both classes. Enlarge the dataset, or use smaller blocks in mining_platform/datasets.py."
        )
    return held
