"""The batches of training: each patch once an epoch, the same with workers as without, turned whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mining_platform.experiments import EXPERIMENTS
from mining_platform.models.classifier import normalised
from mining_platform.patch_datasets import PatchDataset
from mining_platform.training_batches import training_epochs
from mining_platform.training_patches import SplitPatches, channel_statistics
from tests.mining_platform.patch_stores import write_pixels

RGB = ("B04", "B03", "B02")
PLAIN = replace(EXPERIMENTS["sim-cnn"], profile="rgb", batch_size=4, epochs=3, augmentation="none", seed=6)
ITEMS = np.array([9, 1, 4, 3, 6, 7, 0])


@pytest.fixture
def patches(tmp_path: Path) -> SplitPatches:
    """Seven of ten patches, of which the even items hold mining; each is as bright as its item says, darker to the right."""
    images = np.arange(4, 0, -1, dtype=np.uint16) * np.arange(100, 1100, 100, dtype=np.uint16)[:, None, None, None]
    store = write_pixels(tmp_path, np.broadcast_to(images, (10, 3, 4, 4)), RGB, [f"p{row}" for row in range(10)])
    return SplitPatches(PatchDataset([store], as_reflectance=False), ITEMS, ITEMS % 2 == 0)


def epochs_of(patches: SplitPatches, workers: int = 0, **changed: object) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    statistics = channel_statistics(patches.batches(), RGB)
    epochs = training_epochs(patches, statistics, replace(PLAIN, **changed), workers=workers)  # type: ignore[arg-type]
    return [[(images.numpy(), is_mining.numpy()) for images, is_mining in batches] for batches in epochs]


def test_an_epoch_holds_each_patch_once_with_its_class_in_another_order_than_the_next(patches: SplitPatches) -> None:
    statistics = channel_statistics(patches.batches(), RGB)
    of_item = {item: normalised(patches.dataset[[item]].image.numpy(), statistics).numpy()[0] for item in ITEMS.tolist()}
    orders = []
    for epoch in epochs_of(patches):
        assert [len(images) for images, _ in epoch] == [4, 3]
        order = []
        for image, is_mining in ((image, each) for images, classes in epoch for image, each in zip(images, classes, strict=True)):
            (item,) = (item for item, expected in of_item.items() if np.array_equal(image, expected))
            assert is_mining == (item % 2 == 0)
            order.append(item)
        assert sorted(order) == sorted(ITEMS.tolist())
        orders.append(order)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("augmentation", ["none", "flips", "document"])
def test_workers_give_the_batches_that_the_process_itself_gives(patches: SplitPatches, augmentation: str) -> None:
    alone, helped = (epochs_of(patches, workers, augmentation=augmentation) for workers in (0, 2))
    for first, second in zip(alone, helped, strict=True):
        for (images, classes), (other_images, other_classes) in zip(first, second, strict=True):
            np.testing.assert_array_equal(images, other_images)
            np.testing.assert_array_equal(classes, other_classes)


def test_flips_turn_patches_anew_each_epoch_and_keep_their_values(patches: SplitPatches) -> None:
    plain, flipped = epochs_of(patches), epochs_of(patches, augmentation="flips")
    brightest = [{tuple(np.argwhere(image[0] == image[0].max())[0]) for images, _ in e for image in images} for e in flipped]
    assert len({corner for corners in brightest for corner in corners}) > 1
    for epoch in (plain, flipped):
        values = np.concatenate([images.ravel() for images, _ in epoch[0]])
        np.testing.assert_array_equal(np.sort(values), np.sort(np.concatenate([images.ravel() for images, _ in plain[1]])))


def test_drawing_leaves_the_random_numbers_of_torch_alone(patches: SplitPatches) -> None:
    before = torch.random.get_rng_state()
    epochs_of(patches, augmentation="flips")
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("augmentation", ["none", "document"])
def test_training_that_begins_with_a_later_epoch_sees_what_one_from_the_first_sees_then(
    patches: SplitPatches, augmentation: str
) -> None:
    statistics = channel_statistics(patches.batches(), RGB)
    experiment = replace(PLAIN, augmentation=augmentation)
    (later,) = [list(batches) for batches in training_epochs(patches, statistics, experiment, first=3)]
    whole = [list(batches) for batches in training_epochs(patches, statistics, experiment)][2]
    for (images, classes), (expected, of_expected) in zip(later, whole, strict=True):
        assert torch.equal(images, expected)
        assert torch.equal(classes, of_expected)


def test_pixels_turned_in_from_outside_are_nodata_and_have_no_class(patches: SplitPatches) -> None:
    statistics = channel_statistics(patches.batches(), RGB)
    experiment = replace(PLAIN, augmentation="document", loss="cross-entropy", epochs=8)
    seen = [batch for batches in training_epochs(patches, statistics, experiment) for batch in batches]
    images, labels = (torch.cat(parts) for parts in zip(*seen, strict=True))
    outside = labels == 255
    assert 0 < outside.float().mean() < 0.5
    blank = (images == 0).all(1)  # what nodata is normalised to
    assert blank.any()
    assert (outside | ~blank).float().mean() > 0.9  # nearest and bilinear part ways at edges
