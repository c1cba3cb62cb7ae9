"""Random changes of training patches under which a mine stays a mine: flips, quarter turns, rotation, shear and zoom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mining_platform.labels.recipes import NO_LABEL
from mining_platform.patch_datasets import LabelledPatches

if TYPE_CHECKING:
    from torch import Generator, Tensor

SYMMETRIES = 8  # the flips and quarter turns of a square
VALID_WEIGHT = 0.5  # a pixel interpolated for the larger part from nodata is nodata


@dataclass(frozen=True)
class Augmentation:
    """How far patches are changed; each is drawn on its own, evenly within the limits."""

    symmetries: bool
    """Flips and quarter turns, which move pixels whole."""
    rotation_deg: float
    """Largest turn either way."""
    shear_deg: float
    """Largest shear along x and along y, either way."""
    zoom: float
    """Largest factor of enlargement, and of its inverse; 1 for none."""


AUGMENTATIONS: Mapping[str, Augmentation | None] = MappingProxyType(
    {
        "none": None,
        "flips": Augmentation(symmetries=True, rotation_deg=0, shear_deg=0, zoom=1),
        "document": Augmentation(symmetries=True, rotation_deg=30, shear_deg=10, zoom=1.2),
    }
)
"""Rows that experiments name. `document`: rotation, shear, zoom and flips as Dissing and Kalo have them; their text gives no
limits, these are ours."""


def augment(
    patches: LabelledPatches, augmentation: Augmentation, *, seed: int, binary_channels: Sequence[int] = ()
) -> LabelledPatches:
    """Changed copies of a batch (n, ...) of float32 images; equal seeds give equal copies.

    Images are interpolated bilinearly between pixels with data; a pixel is nodata where all its channels that are not binary
    are 0. The label and `binary_channels` (positions in the image) take the nearest pixel. What comes from outside a patch is
    nodata (0), its label 255. Warped by kornia (Riba et al. 2020, WACV, arXiv:1910.02190). ValueError for images that are not
    float32, and for a zoom below 1.

    Numbers as they are stored do as well as reflectance: 0 is nodata in both.
    """
    import torch

    if patches.image.dtype != torch.float32 or patches.image.ndim != 4:  # noqa: PLR2004 - sample, band, y, x
        raise ValueError(f"Augmentation needs a batch of float32 reflectance, got {patches.image.dtype}. Ask for as_reflectance.")
    if augmentation.zoom < 1:
        raise ValueError(f"The zoom {augmentation.zoom} is below 1. Give the largest enlargement; its inverse is the smallest.")
    draws = torch.Generator().manual_seed(seed)
    image, label = patches.image, patches.label
    if augmentation.symmetries:
        symmetry = torch.randint(SYMMETRIES, (len(image),), generator=draws)
        image, label = turned(image, symmetry), turned(label[:, None], symmetry)[:, 0]
    if augmentation.rotation_deg or augmentation.shear_deg or augmentation.zoom > 1:
        image, label = _warped(image, label, _matrices(len(image), image.shape[-1], augmentation, draws), binary_channels)
    return LabelledPatches(image, label, patches.item)


def turned(images: "Tensor", symmetry: "Tensor") -> "Tensor":
    """(n, band, y, x) squares, each by its own symmetry, (n,) of 0 to 7: quarter turns, from 4 on after a flip of x."""
    import torch

    out = torch.empty_like(images)
    for number in range(SYMMETRIES):
        rows = symmetry == number
        flipped = images[rows].flip(3) if number >= SYMMETRIES // 2 else images[rows]
        out[rows] = flipped.rot90(number % 4, (2, 3))
    return out


def _matrices(count: int, px: int, augmentation: Augmentation, draws: "Generator") -> "Tensor":
    """(n, 2, 3) affine of pixel coordinates about the centre of each patch."""
    import torch
    from kornia.geometry.transform import get_affine_matrix2d

    turn, shear_x, shear_y, enlarge = torch.rand((4, count), generator=draws) * 2 - 1  # (n,) each in [-1, 1)
    shears = (torch.deg2rad(draw * augmentation.shear_deg) for draw in (shear_x, shear_y))
    scale = augmentation.zoom**enlarge
    centre = torch.full((count, 2), (px - 1) / 2)
    still = torch.zeros((count, 2))
    return get_affine_matrix2d(still, centre, scale[:, None].repeat(1, 2), turn * augmentation.rotation_deg, *shears)[:, :2]


def _warped(image: "Tensor", label: "Tensor", matrices: "Tensor", binary: Sequence[int]) -> tuple["Tensor", "Tensor"]:
    """Image and label moved by matrices (n, 2, 3)."""
    import torch
    from kornia.geometry.transform import warp_affine

    size = (image.shape[2], image.shape[3])
    smooth = [channel for channel in range(image.shape[1]) if channel not in set(binary)]
    valid = (image[:, smooth] != 0).any(1, keepdim=True).float()  # moved along, so that nodata weighs nothing
    moved = warp_affine(torch.cat([image[:, smooth], valid], 1), matrices, size, mode="bilinear")
    weight = moved[:, -1:]
    # Counted from the other end, so that the zeros from outside become "no class".
    flags = torch.cat([image[:, list(binary)], (NO_LABEL - label[:, None].int()).float()], 1)
    moved_flags = warp_affine(flags, matrices, size, mode="nearest")
    out = torch.empty_like(image)
    out[:, smooth] = torch.where(weight >= VALID_WEIGHT, moved[:, :-1] / weight.clamp_min(VALID_WEIGHT), 0)
    out[:, list(binary)] = moved_flags[:, :-1]
    return out, (NO_LABEL - moved_flags[:, -1].round().int()).to(torch.uint8)
