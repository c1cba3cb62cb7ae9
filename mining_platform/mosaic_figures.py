"""Small pictures of large mosaics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mining_platform import figures, zarr_arrays
from mining_platform.bands import band_of_role
from mining_platform.chunks import block_slices
from mining_platform.figures import RGB_ROLES, rgb_uint8
from mining_platform.grids import PIXEL_M
from mining_platform.mosaic_arrays import Mosaic, computed_blocks, open_mosaic
from mining_platform.mosaic_quality import remnant_map

PICTURE_WIDTH_IN = 6.2
QUALITY_PX = 400
"""Longest side of the maps of evidence."""
LABELS_IN = 0.7  # what title and axis labels take
MISSING_GREY = 205
"""Shade of ground that was not composed or was never clear."""


def preview(path: Path, longest_px: int = 800) -> NDArray[np.uint8]:
    """Natural-colour picture (y, x, 3) uint8 of a `mosaic.zarr`, every n-th pixel, at most `longest_px` a side.

    Chunks that were not composed and pixels without a clear observation are grey.
    """
    mosaic = open_mosaic(path)
    step = _step(mosaic, longest_px)
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


def quality_picture(path: Path, facts: Mapping[str, Any], title: str) -> bytes:
    """PNG of a mosaic's clear days beside what stands out as cloud, under their scores."""
    mosaic = open_mosaic(path)
    step = _step(mosaic, QUALITY_PX)
    days = np.ma.masked_all(tuple(-(-size // step) for size in mosaic.geobox.shape), np.uint16)
    for block in computed_blocks(path):
        box = block_slices(mosaic.geobox, block)
        first = tuple(-(-part.start // step) for part in box)
        count = zarr_arrays.read_box(mosaic.clear_count, box)
        part = count[first[0] * step - box[0].start :: step, first[1] * step - box[1].start :: step]
        days[first[0] : first[0] + part.shape[0], first[1] : first[1] + part.shape[1]] = part
    fences = facts["remnant_fences"]
    left = remnant_map(path, fences, step) if fences else np.zeros(days.shape, bool)
    return _two_maps(mosaic, days, left, facts, title)


def _two_maps(mosaic: Mosaic, days: "np.ma.MaskedArray", left: NDArray[np.bool_], facts: Mapping[str, Any], title: str) -> bytes:
    height_km, width_km = (size * PIXEL_M / 1000 for size in mosaic.geobox.shape)
    extent = (0, width_km, 0, height_km)
    from matplotlib.colors import ListedColormap

    with figures.styled():
        figure = figures.new_figure(8.4, min(3.3 * height_km / width_km + 0.9, 7.5))
        days_axes, left_axes = figure.subplots(1, 2)
        shown = days_axes.imshow(days, extent=extent, cmap="YlGnBu", vmin=0, interpolation="nearest")
        figure.colorbar(shown, ax=days_axes, shrink=0.8, label="clear days")
        days_axes.set_title(f"Clear days, median {facts['clear_count_median']}", fontsize=9.0)
        shades = np.where(days.mask, 0, np.where(left, 2, 1))
        colours = ListedColormap(["#cdcdcd", "#eef1f4", figures.PALETTE["mining"]])
        left_axes.imshow(shades, extent=extent, cmap=colours, vmin=0, vmax=2, interpolation="nearest")
        left_axes.set_title(f"Left clouds (red): {_percent(facts['remnant_score'])}", fontsize=9.0)
        for axes in (days_axes, left_axes):
            axes.grid(visible=False)
            axes.set(xlabel="km east", ylabel="km north")
        loss = facts.get("bright_soil_loss")
        told = f", {loss:.0%} of mining observations masked, {facts['other_loss']:.0%} of others" if loss is not None else ""
        colour = figures.SIMULATED_INK if mosaic.simulated else figures.INK
        marked = figures.mark_title(f"{title}{told}", simulated=mosaic.simulated)
        figure.suptitle(marked, color=colour, fontsize=10.5, x=0.01, ha="left")
        return figures.figure_png(figure)


def _percent(share: float | None) -> str:
    return "no pixels" if share is None else f"{share:.3%}"


def _step(mosaic: Mosaic, longest_px: int) -> int:
    return -(-max(mosaic.geobox.shape) // longest_px)


def _natural_colour(mosaic: Mosaic, rows: slice, columns: slice, first: tuple[int, int], step: int) -> NDArray[np.uint8]:
    """Every `step`-th pixel of a chunk from its pixel `first`, as (y, x, 3) uint8."""
    ids = tuple(band_of_role(role, mosaic.channels) for role in RGB_ROLES)
    boxes = [(slice(band, band + 1), rows, columns) for band in map(mosaic.channels.index, ids)]
    image = np.concatenate([zarr_arrays.read_box(mosaic.image, box)[:, first[0] :: step, first[1] :: step] for box in boxes])
    return np.where((image == 0).all(axis=0)[..., None], np.uint8(MISSING_GREY), rgb_uint8(image, ids))
