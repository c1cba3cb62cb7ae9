"""Small pictures of large mosaics."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform import figures, zarr_arrays
from mining_platform.bands import band_of_role
from mining_platform.chunks import block_slices
from mining_platform.figures import RGB_ROLES, rgb_uint8
from mining_platform.grids import PIXEL_M
from mining_platform.mosaics import Mosaic, computed_blocks, open_mosaic

PICTURE_WIDTH_IN = 6.2
LABELS_IN = 0.7  # what title and axis labels take
MISSING_GREY = 205
"""Shade of ground that was not composed or was never clear."""


def preview(path: Path, longest_px: int = 800) -> NDArray[np.uint8]:
    """Natural-colour picture (y, x, 3) uint8 of a `mosaic.zarr`, every n-th pixel, at most `longest_px` a side.

    Chunks that were not composed and pixels without a clear observation are grey.
    """
    mosaic = open_mosaic(path)
    step = -(-max(mosaic.geobox.shape) // longest_px)
    height, width = (-(-size // step) for size in mosaic.geobox.shape)
    picture = np.full((height, width, 3), MISSING_GREY, np.uint8)
    for block in computed_blocks(path):
        rows, columns = block_slices(mosaic.geobox, block)
        top, left = -(-rows.start // step), -(-columns.start // step)
        pixels = _natural_colour(mosaic, rows, columns, (top * step - rows.start, left * step - columns.start), step)
        picture[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return picture


def mosaic_picture(path: Path, title: str) -> bytes:
    """PNG of a mosaic in natural colour under its title, with axes in kilometres; marked where it is simulated."""
    mosaic, pixels = open_mosaic(path), preview(path)
    height_km, width_km = (size * PIXEL_M / 1000 for size in mosaic.geobox.shape)
    with figures.styled():
        figure = figures.new_figure(PICTURE_WIDTH_IN, (PICTURE_WIDTH_IN - LABELS_IN) * height_km / width_km + LABELS_IN)
        axes = figure.subplots()
        axes.imshow(pixels, extent=(0, width_km, 0, height_km), interpolation="antialiased")
        axes.grid(visible=False)
        colour = figures.SIMULATED_INK if mosaic.simulated else figures.INK
        axes.set_title(figures.mark_title(title, simulated=mosaic.simulated), color=colour)
        axes.set(xlabel="km east", ylabel="km north")
        return figures.figure_png(figure)


def _natural_colour(mosaic: Mosaic, rows: slice, columns: slice, first: tuple[int, int], step: int) -> NDArray[np.uint8]:
    """Every `step`-th pixel of a chunk from its pixel `first`, as (y, x, 3) uint8."""
    ids = tuple(band_of_role(role, mosaic.channels) for role in RGB_ROLES)
    boxes = [(slice(band, band + 1), rows, columns) for band in map(mosaic.channels.index, ids)]
    image = np.concatenate([zarr_arrays.read_box(mosaic.image, box)[:, first[0] :: step, first[1] :: step] for box in boxes])
    return np.where((image == 0).all(axis=0)[..., None], np.uint8(MISSING_GREY), rgb_uint8(image, ids))
