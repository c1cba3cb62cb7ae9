"""What a model is trained on: the patches of a split, their statistics and classes, and the blocks held out for validation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from mining_platform import bands, profiles
from mining_platform.dn_histograms import dn_histograms, dn_moments
from mining_platform.experiments import Experiment
from mining_platform.labels.recipes import NO_LABEL
from mining_platform.models.classifier import SCORING_BATCH, Normalisation
from mining_platform.models.contracts import check_quantities
from mining_platform.models.registry import Task, model
from mining_platform.patch_datasets import PatchDataset
from mining_platform.patches import read_attributes
from mining_platform.training_losses import LOSSES


@dataclass(frozen=True)
class SplitPatches:
    """The patches of one side of a split: items of a dataset and their classes; images stay in the stores until asked for."""

    dataset: PatchDataset
    """Gives images as uint16 DN, nodata 0."""
    items: NDArray[np.int64]
    """(n,) numbers of the patches in the dataset."""
    is_mining: NDArray[np.bool_]
    """(n,) bool, in the order of `items`."""
    classes: int | None = None
    """Pixels whose label is this number or a later one have no class, such as clouds for a model of two classes; None: all do."""

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

    @property
    def pixel_m(self) -> float:
        """Ground size of a pixel in metres; ValueError where the stores do not know it."""
        if (side_m := self.dataset.attributes["pixel_m"]) is None:
            raise ValueError(
                "The patches do not tell the ground size of their pixels. Import them again with --pixel-m, in metres."
            )
        return side_m

    def batches(self, size: int = SCORING_BATCH) -> Iterator[NDArray[np.uint16]]:
        """Images (at most `size`, band, y, x) in the order of `items`; one batch is held at a time."""
        for images, _ in self.labelled(size):
            yield images

    def labelled(self, size: int = SCORING_BATCH) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.uint8]]]:
        """`batches`, each with its labels (n, y, x)."""
        for start in range(0, len(self.items), size):
            patches = self.dataset[self.items[start : start + size].tolist()]
            yield patches.image.numpy(), within_classes(patches.label.numpy(), self.classes)

    @property
    def quantities(self) -> dict[str, dict[str, Any]]:
        """What the stores say of their channels, by id (`bands.described`); empty where they say nothing."""
        return {row["id"]: row for store in self.dataset.stores for row in read_attributes(store).get("bands", ())}

    @property
    def label_names(self) -> tuple[str, ...]:
        """Classes of the labels' pixels, in the order of their values from 0."""
        values = {value: name for name, value in self.dataset.attributes["label_values"].items() if value != NO_LABEL}
        return tuple(values[value] for value in sorted(values))[: self.classes]


def within_classes(labels: NDArray[np.uint8], classes: int | None) -> NDArray[np.uint8]:
    """Labels whose values from `classes` on are NO_LABEL; all as they are where it is None."""
    return labels if classes is None else np.where(labels < classes, labels, np.uint8(NO_LABEL))


def class_counts(patches: SplitPatches, task: Task) -> NDArray[np.int64]:
    """Patches without and with mining, (2,); of segmentation the pixels of each of `label_names`. ValueError for other values."""
    if task == "classification":
        return np.bincount(patches.is_mining.astype(int), minlength=2)
    classes = len(patches.label_names)
    counts = np.zeros(NO_LABEL + 1, np.int64)
    for _, labels in patches.labelled():
        counts += np.bincount(labels.ravel(), minlength=len(counts))
    if strange := [value for value in np.flatnonzero(counts).tolist() if classes <= value < NO_LABEL]:
        raise ValueError(f"Labels hold {strange[:3]}, their store knows {', '.join(patches.label_names)}. Cut the patches anew.")
    return counts[:classes]


def content_digest(patches: SplitPatches) -> str:
    """Of ids, classes, images and labels, in order: equal ones give equal digests wherever the stores lie."""
    found = blake3(repr([patches.dataset.patch_id(item) for item in patches.items.tolist()]).encode())
    found.update(patches.is_mining.tobytes())
    for images, labels in patches.labelled():
        found.update(images.tobytes())
        found.update(labels.tobytes())
    return found.hexdigest()


def check_patches(experiment: Experiment, train: SplitPatches, val: SplitPatches) -> None:
    """ValueError naming what keeps the experiment from training on these patches, and the remedy."""
    task = LOSSES[experiment.loss].task
    if model(experiment.model).task != task:
        raise ValueError(
            f"Experiment {experiment.id}: the loss {experiment.loss} is of {task}, the model {experiment.model} not. "
            f"Use one of {', '.join(row.id for row in LOSSES.values() if row.task == model(experiment.model).task)}."
        )
    for name, patches in (("training", train), ("validation", val)):
        _check_split(experiment, patches, f"Experiment {experiment.id}, {name} split", task)
    if (train.px, train.pixel_m) != (val.px, val.pixel_m):
        sizes = " and ".join(f"{each.px} px of {each.pixel_m} m" for each in (train, val))
        raise ValueError(f"Experiment {experiment.id}: patches must have one size; got {sizes}.")
    shared = {train.dataset.patch_id(item) for item in train.items} & {val.dataset.patch_id(item) for item in val.items}
    if shared:
        raise ValueError(
            f"Experiment {experiment.id}: {len(shared)} patches are in training and validation, first {min(shared)}."
        )


def _check_split(experiment: Experiment, patches: SplitPatches, where: str, task: Task) -> None:
    wanted = profiles.profile(experiment.profile).channels if experiment.profile else patches.channels
    if patches.channels != wanted:
        raise ValueError(f"{where}: the profile {experiment.profile} is {', '.join(wanted)}; got {', '.join(patches.channels)}.")
    check_quantities([bands.described(channel) for channel in wanted], patches.quantities, where=f"the patches of {where}")
    other, mining = class_counts(patches, task)[:2].tolist()
    if not mining or not other:
        remedy = (
            f"Enlarge the quotas of dataset {experiment.dataset}, add regions or years, or change its split in "
            "mining_platform/datasets.py."
            if experiment.dataset
            else "Give more patches, or part them anew."
        )
        units = "patches" if task == "classification" else "pixels"
        raise ValueError(f"{where}: {mining} mining and {other} other {units}, at least one of each is needed. {remedy}")


def channel_statistics(batches: Iterable[NDArray[np.uint16]], channels: tuple[str, ...]) -> Normalisation:
    """Mean and standard deviation of each channel in its unit, nodata left out; batches (n, band, y, x) uint16 DN.

    Summed in integers, so neither order nor size of batches changes anything. A constant channel has a deviation of one DN.
    ValueError when a channel holds only nodata.
    """
    counts = dn_histograms(batches, len(channels))
    rows = [_statistics(counts[position], channel) for position, channel in enumerate(channels)]
    return Normalisation(channels, tuple(mean for mean, _ in rows), tuple(std for _, std in rows))


def _statistics(counts: NDArray[np.int64], channel: str) -> tuple[float, float]:
    """(mean, standard deviation, at least one DN) in the channel's unit, from its counts."""
    band, (scale, offset) = bands.band(channel), bands.stored_as(channel)
    if not counts.sum() - counts[band.nodata]:
        raise ValueError(f"Channel {channel} holds only nodata in all training patches. Check the mosaic they come from.")
    mean_dn, std_dn = dn_moments(counts, band.nodata)
    return mean_dn * scale + offset, max(std_dn, 1.0) * scale


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
