"""Pictures of land-cover maps in the legend's colours."""

from pathlib import Path

import numpy as np
import rasterio
from matplotlib.patches import Patch

from mining_platform import figures
from mining_platform.labels.mapbiomas import LEGEND

PICTURE_PX = 700


def land_cover_picture(path: Path, *, title: str, simulated: bool) -> bytes:
    """PNG of a class raster with the legend of the classes it holds, most common first."""
    with rasterio.open(path, driver="GTiff") as raster:
        scale = max(raster.height, raster.width) / PICTURE_PX
        shape = (max(round(raster.height / max(scale, 1)), 1), max(round(raster.width / max(scale, 1)), 1))
        classes = raster.read(1, out_shape=shape)
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
