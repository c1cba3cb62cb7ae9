"""Small pictures of the layers beside a mosaic: a map for each channel."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, figures, zarr_arrays
from mining_platform.chunks import block_slices
from mining_platform.grids import PIXEL_M
from mining_platform.layers import Layer, computed_blocks, open_layer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_PX = 300
"""Longest side of a map."""
MOST_MAPS = 6
COLUMNS = 3
MAP_IN = 2.6
EDGE_IN = 0.6
"""Beside and below a map: the numbers of its axes."""
SCALE_IN = 0.6
FLAG = "flag"
COLOURS = {"dB": "gray", "m": "cividis", "degree": "magma", FLAG: "binary"}
"""Colour map by the channel's unit."""
UNKNOWN = "#cdcdcd"
FLAG_KEY = "black: a feature; white: none; grey: not known or not computed"

Numbers = NDArray[np.uint16]
"""(y, x) numbers as they are stored: of flags 0 not known, 1 absent, 2 present."""


def layer_picture(path: Path, title: str) -> bytes:
    """PNG of a layer's channels, at most MOST_MAPS, with the range of values that 98 % of the pixels have."""
    layer = open_layer(path)
    channels = layer.channels[:MOST_MAPS]
    across, down = min(len(channels), COLUMNS), math.ceil(len(channels) / COLUMNS)
    height_km, width_km = size_km = tuple(size * PIXEL_M / 1000 for size in layer.geobox.shape)
    flags = all(bands.band(channel).unit == FLAG for channel in channels)
    with figures.styled():
        beside_in = EDGE_IN + (0 if flags else SCALE_IN)
        figure = figures.new_figure((MAP_IN + beside_in) * across, (MAP_IN * min(height_km / width_km, 2) + EDGE_IN) * down + 0.5)
        maps = figure.subplots(down, across, squeeze=False).ravel()
        for axes, channel, shown in zip(maps, channels, preview(layer, path), strict=False):
            _draw(axes, channel, shown, size_km)
        for axes in maps[len(channels) :]:
            axes.set_axis_off()
        colour = figures.SIMULATED_INK if layer.simulated else figures.INK
        figure.suptitle(figures.mark_title(title, simulated=layer.simulated), color=colour)
        if flags:
            figure.supxlabel(FLAG_KEY, fontsize=8.5, color=figures.MUTED)
        return figures.figure_png(figure)


def _draw(axes: "Axes", channel: str, shown: np.ndarray, size_km: tuple[float, ...]) -> None:
    """One channel's map in km, with its scale of colours unless it tells yes or no."""
    unit, (height_km, width_km) = bands.band(channel).unit, size_km
    known = np.isfinite(shown).any()
    low, high = (0, 1) if unit == FLAG or not known else np.nanpercentile(shown, (1, 99))
    image = axes.imshow(shown, extent=(0, width_km, 0, height_km), cmap=COLOURS.get(unit, "viridis"), vmin=low, vmax=high)
    axes.set_facecolor(UNKNOWN)
    axes.grid(visible=False)
    axes.set_title(channel, fontsize=9.0)
    axes.set_xlabel("km", fontsize=8.0)
    if unit == FLAG:
        axes.spines[["top", "right"]].set_visible(True)
    elif axes.figure is not None:
        axes.figure.colorbar(image, ax=axes, fraction=0.05, pad=0.03, label=unit)


def preview(layer: Layer, path: Path, longest_px: int = LONGEST_PX) -> np.ndarray:
    """Values (band, y, x) float32 of a map of at most `longest_px` a side; NaN where nothing was computed.

    Of every n-th pixel; of flags the largest of n x n pixels, so that a road of one pixel is not lost.
    """
    height, width = layer.geobox.shape
    step = max(1, -(-max(height, width) // longest_px))
    numbers = np.zeros((len(layer.channels), -(-height // step), -(-width // step)), np.uint16)
    for block in computed_blocks(path):
        rows, columns = block_slices(layer.geobox, block)
        read = zarr_arrays.read_box(layer.image, (slice(0, len(layer.channels)), rows, columns))
        for channel, cells, pixels in zip(layer.channels, numbers, read, strict=True):
            take = _take_largest if bands.band(channel).unit == FLAG else _take_nth
            take(cells, pixels, (rows.start, columns.start), step)
    return np.stack([bands.as_values(name, each) for name, each in zip(layer.channels, numbers, strict=True)])


def _take_nth(cells: Numbers, pixels: Numbers, corner: tuple[int, int], step: int) -> None:
    """Put every n-th pixel of a chunk, whose first one is at `corner`, into its cell of the map."""
    top, left = (-(-start // step) for start in corner)
    taken = pixels[top * step - corner[0] :: step, left * step - corner[1] :: step]
    cells[top : top + taken.shape[0], left : left + taken.shape[1]] = taken


def _take_largest(cells: Numbers, pixels: Numbers, corner: tuple[int, int], step: int) -> None:
    """Raise the cells of the map to the largest of a chunk's pixels in them; a cell may lie in several chunks."""
    largest = pixels
    for axis, start in enumerate(corner):
        firsts = np.arange(start // step, -(-(start + pixels.shape[axis]) // step)) * step - start
        largest = np.maximum.reduceat(largest, np.maximum(firsts, 0), axis=axis)
    top, left = (start // step for start in corner)
    place = cells[top : top + largest.shape[0], left : left + largest.shape[1]]
    np.maximum(place, largest, out=place)
