"""What a model is trained on: the patches, their statistics and weights, and the blocks held out for validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from mining_platform import bands
from mining_platform.experiments import Experiment
from mining_platform.models.classifier import Normalisation

STATISTICS_BATCH = 64  # patches read at once; sums are of integers, so it changes no result
DN_VALUES = 1 << 16  # of uint16


@dataclass(frozen=True)
class PatchArrays:
    """Patches and their classes, row by row."""

    images: np.ndarray
    """(n, band, y, x) uint16 DN, nodata 0."""
    is_mining: np.ndarray
    """(n,) bool."""
    patch_ids: tuple[str, ...]
    channels: tuple[str, ...]
    """Band ids of the images, in order."""

    def __post_init__(self) -> None:
        """ValueError when the parts do not fit together."""
        rows = [len(self.images), len(self.is_mining), len(self.patch_ids)]
        if len(set(rows)) != 1:
            raise ValueError(
                f"{rows[0]} images, {rows[1]} classes and {rows[2]} ids of patches do not pair. Join them by patch id."
            )
        if self.images.ndim != 4 or self.images.shape[1] != len(self.channels):  # noqa: PLR2004 - sample, band, y, x
            raise ValueError(f"Images of shape {self.images.shape} are not (n, band, y, x) of {', '.join(self.channels)}.")
        if self.images.dtype != np.uint16 or self.is_mining.dtype != np.bool_:
            raise ValueError(f"Images must be uint16 DN and classes bool; got {self.images.dtype} and {self.is_mining.dtype}.")


def check_patches(experiment: Experiment, train: PatchArrays, val: PatchArrays) -> None:
    """ValueError naming what keeps the experiment from training on these patches, and the remedy."""
    wanted = bands.profile(experiment.profile).channels
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
    sizes = {patches.images.shape[2:] for patches in (train, val)}
    if len(sizes) != 1 or len(set(next(iter(sizes)))) != 1:
        raise ValueError(f"Experiment {experiment.id}: patches must be squares of one size; got {sorted(sizes)}.")
    if shared := sorted(set(train.patch_ids) & set(val.patch_ids)):
        raise ValueError(f"Experiment {experiment.id}: {len(shared)} patches are in training and validation, first {shared[0]}.")


def channel_statistics(images: np.ndarray, channels: tuple[str, ...]) -> Normalisation:
    """Mean and standard deviation of the reflectance of each channel, (n, band, y, x) uint16 DN, nodata left out.

    Summed in integers, so the order of patches changes nothing. ValueError when a channel holds only nodata.
    """
    rows = [_reflectance_statistics(images[:, position], channel) for position, channel in enumerate(channels)]
    return Normalisation(channels, tuple(mean for mean, _ in rows), tuple(std for _, std in rows))


def _reflectance_statistics(values: np.ndarray, channel: str) -> tuple[float, float]:
    """(mean, standard deviation, at least one DN) of (n, y, x) uint16 DN of one channel, in reflectance."""
    band = bands.band(channel)
    histogram = np.zeros(DN_VALUES, dtype=np.int64)  # exact sums whatever the number of patches, in little memory
    for start in range(0, len(values), STATISTICS_BATCH):
        histogram += np.bincount(values[start : start + STATISTICS_BATCH].ravel(), minlength=DN_VALUES)
    histogram[band.nodata] = 0
    if not (count := int(histogram.sum())):
        raise ValueError(
            f"Channel {channel} holds only nodata in all {len(values)} training patches. Check the mosaic they come from."
        )
    numbers = np.arange(DN_VALUES, dtype=np.int64)
    total, squares = int(histogram @ numbers), int(histogram @ numbers**2)
    variance_dn = (count * squares - total**2) / count**2
    return total / count * band.scale, max(variance_dn**0.5, 1.0) * band.scale


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
