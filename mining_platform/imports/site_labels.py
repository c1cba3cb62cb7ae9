"""Label pictures of sites, as numbers or as colours: 0 background, 1 cloud, 2 mining."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform.imports.findings import PatchImportError
from mining_platform.imports.image_files import MAX_SIDE_PX
from mining_platform.labels.palette_pngs import SITE_PALETTE
from mining_platform.labels.recipes import NO_LABEL

NO_COLOUR = -1
_COLOURS = {(red << 16) + (green << 8) + blue: value for value, (red, green, blue) in SITE_PALETTE.items() if value != NO_LABEL}
"""Colours as one number -> value. White stands for no class only where a palette's index says so: in a picture it is a slip."""


def read_site_label(folder: Path, name: str) -> NDArray[np.uint8]:
    """Label (y, x): 0 background, 1 cloud, 2 mining, 255 no class.

    Of a palette picture the colours count where they are those of SITE_PALETTE, else the numbers. PatchImportError naming
    the first other number or colour and its place.
    """
    from PIL import Image

    try:
        with Image.open(folder / name, formats=("PNG",)) as picture:
            if max(picture.size) > MAX_SIDE_PX:
                raise PatchImportError(f"{name} has {picture.width} x {picture.height} pixels, more than {MAX_SIDE_PX} a side.")
            picture.load()
            if picture.mode == "P":
                return _of_palette(np.asarray(picture), np.array(picture.getpalette("RGB") or [0, 0, 0]).reshape(-1, 3), name)
            if picture.mode == "L":
                return _checked(np.asarray(picture), name)
            if picture.mode in ("RGB", "RGBA"):
                return _of_colours(np.asarray(picture), name)
            raise PatchImportError(
                f"{name} is a PNG of mode {picture.mode}; labels are palette, gray or colour pictures of 8 bits."
            )
    except (OSError, Image.DecompressionBombError, SyntaxError) as error:
        raise PatchImportError(f"{name} cannot be read ({error}). Fetch or write it anew.") from None


def _of_palette(numbers: NDArray[np.uint8], palette: NDArray[np.int64], name: str) -> NDArray[np.uint8]:
    used = np.unique(numbers)
    classes = np.full(256, NO_COLOUR)
    packed = (palette[:, 0] << 16) + (palette[:, 1] << 8) + palette[:, 2]
    classes[: len(packed)] = [_COLOURS.get(int(colour), NO_COLOUR) for colour in packed]
    classes[NO_LABEL] = NO_LABEL
    if (classes[used] != NO_COLOUR).all():
        return classes[numbers].astype(np.uint8)
    return _checked(numbers, name)


def _checked(numbers: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    wrong = ~np.isin(numbers, [*SITE_PALETTE])
    if wrong.any():
        y, x = np.argwhere(wrong)[0]
        raise PatchImportError(
            f"{name} has the value {numbers[y, x]} at column {x}, row {y}; labels are 0 background, 1 cloud, 2 mining, "
            "255 no class."
        )
    return numbers


def _of_colours(colours: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    packed = (colours[..., 0].astype(np.int64) << 16) + (colours[..., 1].astype(np.int64) << 8) + colours[..., 2]
    label = np.full(packed.shape, NO_COLOUR)
    for colour, value in _COLOURS.items():
        label[packed == colour] = value
    if colours.shape[-1] > 3:  # noqa: PLR2004 - red, green, blue; then opacity
        label[colours[..., 3] == 0] = NO_LABEL
    if (wrong := label == NO_COLOUR).any():
        y, x = np.argwhere(wrong)[0]
        known = ", ".join(f"{SITE_PALETTE[value]} is {value}" for value in _COLOURS.values())
        raise PatchImportError(f"{name} has the colour {tuple(colours[y, x].tolist())} at column {x}, row {y}; {known}.")
    return label.astype(np.uint8)
