"""Small pictures of the layers beside a mosaic: a map for each channel."""

import math
from pathlib import Path

import numpy as np

from mining_platform import bands, figures, zarr_arrays
from mining_platform.chunks import block_slices
from mining_platform.grids import PIXEL_M
from mining_platform.layers import Layer, computed_blocks, open_layer

LONGEST_PX = 300
"""Longest side of a map."""
MOST_MAPS = 6
COLUMNS = 3
MAP_IN = 2.6
COLOURS = {"dB": "gray", "m": "terrain", "degree": "magma", "flag": "binary"}
"""Colour map by the channel's unit."""


def layer_picture(path: Path, title: str) -> bytes:
    """PNG of a layer's channels, at most MOST_MAPS, with the range of values that 98 % of the pixels have."""
    layer = open_layer(path)
    channels = layer.channels[:MOST_MAPS]
    down = math.ceil(len(channels) / COLUMNS)
    height_km, width_km = (size * PIXEL_M / 1000 for size in layer.geobox.shape)
    values = preview(layer, path)
    with figures.styled():
        across = min(len(channels), COLUMNS)
        figure = figures.new_figure(MAP_IN * across + 0.6, (MAP_IN * min(height_km / width_km, 2) + 0.5) * down + 0.5)
        maps = figure.subplots(down, across, squeeze=False).ravel()
        for axes, channel, shown in zip(maps, channels, values, strict=False):
            unit = bands.band(channel).unit
            low, high = (0, 1) if unit == "flag" else np.nanpercentile(shown, (1, 99)) if np.isfinite(shown).any() else (0, 1)
            image = axes.imshow(shown, extent=(0, width_km, 0, height_km), cmap=COLOURS.get(unit, "viridis"), vmin=low, vmax=high)
            axes.set_facecolor("#cdcdcd")
            axes.grid(visible=False)
            axes.set_title(channel, fontsize=9.0)
            if unit != "flag":
                figure.colorbar(image, ax=axes, shrink=0.7, label=unit)
        for axes in maps[len(channels) :]:
            axes.set_axis_off()
        colour = figures.SIMULATED_INK if layer.simulated else figures.INK
        figure.suptitle(figures.mark_title(title, simulated=layer.simulated), color=colour)
        return figures.figure_png(figure)


def preview(layer: Layer, path: Path, longest_px: int = LONGEST_PX) -> np.ndarray:
    """Values (band, y, x) float32 of every n-th pixel, at most `longest_px` a side; NaN where nothing was computed."""
    height, width = layer.geobox.shape
    step = max(1, -(-max(height, width) // longest_px))
    found = np.full((len(layer.channels), -(-height // step), -(-width // step)), np.nan, np.float32)
    for block in computed_blocks(path):
        rows, columns = block_slices(layer.geobox, block)
        top, left = -(-rows.start // step), -(-columns.start // step)
        numbers = zarr_arrays.read_box(layer.image, (slice(0, len(layer.channels)), rows, columns))
        part = numbers[:, top * step - rows.start :: step, left * step - columns.start :: step]
        values = np.stack([bands.as_values(name, each) for name, each in zip(layer.channels, part, strict=True)])
        found[:, top : top + part.shape[1], left : left + part.shape[2]] = values
    return found
