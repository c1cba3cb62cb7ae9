"""Pictures of class rasters in the legend's colours."""

from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mining_platform import figures, zarr_arrays
from mining_platform.chunks import block_slices, geobox_of
from mining_platform.labels.mapbiomas import LEGEND
from mining_platform.raster_files import opened_raster_file

PICTURE_PX = 700


def land_cover_picture(path: Path, *, title: str, simulated: bool) -> bytes:
    """PNG of a class GeoTIFF with the legend of the classes it holds, most common first."""
    with opened_raster_file(path) as raster:
        scale = max(raster.height, raster.width, PICTURE_PX) / PICTURE_PX
        classes = raster.read(1, out_shape=(max(round(raster.height / scale), 1), max(round(raster.width / scale), 1)))
    return class_picture(classes, title=title, simulated=simulated)


def label_picture(path: Path, *, title: str, simulated: bool) -> bytes:
    """PNG of a `label.zarr`, every n-th pixel; chunks that were not computed are white."""
    geobox, array = geobox_of(zarr_arrays.group_attributes(path)), zarr_arrays.open_array(path / "classes")
    step = -(-max(geobox.shape) // PICTURE_PX)
    classes = np.zeros([-(-size // step) for size in geobox.shape], np.uint8)
    for block in zarr_arrays.written_files(path / "classes"):
        rows, columns = block_slices(geobox, (block[0], block[1]))
        top, left = -(-rows.start // step), -(-columns.start // step)
        codes = zarr_arrays.read_box(array, (rows, columns))[top * step - rows.start :: step, left * step - columns.start :: step]
        classes[top : top + codes.shape[0], left : left + codes.shape[1]] = codes
    return class_picture(classes, title=title, simulated=simulated)


def class_picture(classes: NDArray[np.uint8], *, title: str, simulated: bool) -> bytes:
    """PNG of class codes (y, x); codes without a class in the legend are white."""
    colours = np.full((256, 3), 255, np.uint8)
    for row in LEGEND.values():
        colours[row.code] = row.rgb
    found, counts = np.unique(classes, return_counts=True)
    shown = [int(code) for code in found[np.argsort(-counts, kind="stable")] if int(code) in LEGEND]
    with figures.styled():
        figure = figures.new_figure(7.6, 5.0)
        axes = figure.subplots()
        axes.imshow(colours[classes], interpolation="nearest")
        axes.set_axis_off()
        colour = figures.SIMULATED_INK if simulated else figures.INK
        axes.set_title(figures.mark_title(title, simulated=simulated), color=colour)
        handles = [Patch(color=LEGEND[code].colour, label=f"{code} {LEGEND[code].name}") for code in shown]
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), fontsize=8)
        return figures.figure_png(figure)
