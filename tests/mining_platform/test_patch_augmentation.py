import pytest
import torch

from mining_platform.patch_augmentation import Augmentation, augment
from mining_platform.patch_datasets import LabelledPatches

STILL = Augmentation(symmetries=False, rotation_deg=0, shear_deg=0, zoom=1)
TURNS = Augmentation(symmetries=True, rotation_deg=0, shear_deg=0, zoom=1)
ALL = Augmentation(symmetries=True, rotation_deg=30, shear_deg=10, zoom=1.3)


def batch(count: int = 6, px: int = 32) -> LabelledPatches:
    """Random reflectance, a binary channel (the last) that is the label, a square of mining off the centre."""
    draws = torch.Generator().manual_seed(0)
    label = torch.zeros((count, px, px), dtype=torch.uint8)
    label[:, 4:14, 6:20] = 1
    image = torch.rand((count, 3, px, px), generator=draws) + 0.1
    image[:, 2] = label.float()
    return LabelledPatches(image, label, torch.arange(count))


def test_nothing_changes_without_a_change_asked_for() -> None:
    patches = batch()
    assert torch.equal(augment(patches, STILL, seed=1).image, patches.image)


def test_equal_seeds_give_equal_patches_and_others_do_not() -> None:
    first, second, other = (augment(batch(), ALL, seed=seed, binary_channels=[2]) for seed in (3, 3, 4))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.label, second.label)
    assert not torch.equal(first.image, other.image)
    assert first.item.tolist() == [0, 1, 2, 3, 4, 5]


def test_flips_and_quarter_turns_move_pixels_whole_and_label_with_image() -> None:
    patches = batch(count=40)
    found = augment(patches, TURNS, seed=1)
    assert torch.equal(found.image[:, 2], found.label.float())
    assert torch.equal(found.image.flatten(1).sort(1).values, patches.image.flatten(1).sort(1).values)
    assert len({tuple(label.flatten().tolist()) for label in found.label}) == 8


def test_label_and_binary_channels_take_no_values_between() -> None:
    found = augment(batch(), ALL, seed=2, binary_channels=[2])
    assert set(found.label.unique().tolist()) == {0, 1, 255}
    assert set(found.image[:, 2].unique().tolist()) == {0.0, 1.0}
    assert torch.equal(found.image[:, 2] == 1, found.label == 1)
    assert len(found.image[:, 0].unique()) > 1000


def test_what_comes_from_outside_is_nodata_without_class() -> None:
    smaller = Augmentation(symmetries=False, rotation_deg=45, shear_deg=0, zoom=1)
    found = augment(batch(), smaller, seed=0, binary_channels=[2])
    outside = found.label == 255
    assert 0 < outside.float().mean() < 0.3
    corner = outside[:, 0, 0]
    assert corner.any()
    assert not found.image[corner][:, :, 0, 0].any()


def test_a_smooth_plane_keeps_its_values_beside_nodata() -> None:
    image = torch.full((4, 1, 32, 32), 0.25)
    image[:, :, :, 20:] = 0
    flat = LabelledPatches(image, torch.zeros((4, 32, 32), dtype=torch.uint8), torch.arange(4))
    found = augment(flat, ALL, seed=5).image
    values = found[found != 0]
    assert len(values) > 1000
    assert torch.allclose(values, torch.tensor(0.25), atol=1e-5)


def test_a_rotation_turns_by_its_angle_and_a_zoom_changes_areas_by_its_square() -> None:
    label = torch.zeros((200, 64, 64), dtype=torch.uint8)
    label[:, 22:42, 22:42] = 1
    square = LabelledPatches(torch.ones((200, 1, 64, 64)), label, torch.arange(200))
    area = (augment(square, Augmentation(False, 0, 0, 1.5), seed=0).label == 1).sum((1, 2)) / 400
    assert 1.5**-2 * 0.9 < area.min() < 0.55
    assert 1.9 < area.max() < 1.5**2 * 1.1
    turned = (augment(square, Augmentation(False, 45, 0, 1), seed=0).label == 1).sum((1, 2)) / 400
    assert torch.allclose(turned, torch.ones(200), atol=0.06)
    side = (augment(square, Augmentation(False, 45, 0, 1), seed=0).label == 1).any(1).sum(1)
    assert 19 <= side.min() <= 22
    assert 26 <= side.max() <= 29  # a square on its corner: 20 px x sqrt(2)


def test_digital_numbers_and_a_zoom_below_one_are_refused() -> None:
    patches = batch()
    with pytest.raises(ValueError, match=r"needs a batch of float32 reflectance, got torch\.uint8"):
        augment(patches._replace(image=patches.image.to(torch.uint8)), ALL, seed=0)
    with pytest.raises(ValueError, match="is below 1"):
        augment(patches, Augmentation(True, 0, 0, 0.5), seed=0)
