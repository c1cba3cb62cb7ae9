"""Maps of mining found in a year, and of what is new among it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.io import DatasetReader

from mining_platform import figures
from mining_platform.first_years import FOUND, NEVER, NOT_OBSERVED, windows
from mining_platform.pixel_areas import pixel_side_m
from mining_platform.raster_files import opened_raster_file

PICTURE_PX = 900
AXES = ("km east", "km north")
GROUND, UNSEEN, EARLIER, NEW = "#eef1ee", "#c9ced4", "#e0a458", "#c1121f"


def detection_picture(mask: Path, *, title: str, simulated: bool) -> bytes:
    """PNG of a yearly mask: what was found, and what was not observed."""
    with opened_raster_file(mask) as source:
        shades = reduced_shades(source, lambda values: np.where(values == FOUND, 2, np.where(values == NOT_OBSERVED, 1, 0)))
        keys = {"mining found": NEW, "not observed": UNSEEN}
        return shaded_map(source, shades, (GROUND, UNSEEN, NEW), keys, title=title, simulated=simulated)


def change_picture(
    first_years: Path,
    year: int,
    *,
    title: str,
    simulated: bool,
    words: tuple[str, str] = ("new in {year}", "found before {year}"),
    axes: tuple[str, str] = AXES,
) -> bytes:
    """PNG of a map of first years: what is new in a year, and what was found before it, by their names in `words`."""
    with opened_raster_file(first_years) as source:
        shades = reduced_shades(
            source, lambda values: np.where(values == year, 2, np.where((values != NEVER) & (values < year), 1, 0))
        )
        keys = {words[0].format(year=year): NEW, words[1].format(year=year): EARLIER}
        return shaded_map(source, shades, (GROUND, EARLIER, NEW), keys, title=title, simulated=simulated, axes=axes)


def reduced_shades(source: DatasetReader, shade: Callable[[NDArray[np.integer]], NDArray[np.integer]]) -> NDArray[np.uint8]:
    """(y, x) shades of a raster's cells, the highest of each square of cells, so that a single cell of mining stays in sight."""
    step = -(-max(source.shape) // PICTURE_PX)
    reduced = np.zeros([-(-size // step) for size in source.shape], np.uint8)
    for window in windows(source):
        shades = shade(source.read(1, window=window)).astype(np.uint8)
        rows, columns = (
            np.arange(size) + first for size, first in zip(shades.shape, (window.row_off, window.col_off), strict=True)
        )
        np.maximum.at(reduced, np.ix_(rows // step, columns // step), shades)
    return reduced


def shaded_map(
    source: DatasetReader,
    shades: NDArray[np.uint8],
    colours: tuple[str, ...],
    keys: dict[str, str],
    *,
    title: str,
    simulated: bool,
    axes: tuple[str, str] = AXES,
) -> bytes:
    """PNG of shades of a raster's cells, 0 to the number of colours.

    `keys` are the names of some colours, told below the map; `axes` those of the axes, to the east and to the north.
    """
    from matplotlib.colors import ListedColormap

    side_km = pixel_side_m(source.transform, CRS.from_user_input(source.crs), source.shape) / 1000
    height_km, width_km = (size * side_km for size in source.shape)
    with figures.styled():
        figure = figures.new_figure(6.2, min(max(5.4 * height_km / width_km, 2.0), 9.0) + 1.0)
        plot = figure.subplots()
        colour_map = ListedColormap(list(colours))
        plot.imshow(
            shades, extent=(0, width_km, 0, height_km), cmap=colour_map, vmin=0, vmax=len(colours) - 1, interpolation="nearest"
        )
        plot.grid(visible=False)
        ink = figures.SIMULATED_INK if simulated else figures.INK
        plot.set_title(figures.mark_title(title, simulated=simulated), color=ink)
        plot.set(xlabel=axes[0], ylabel=axes[1])
        handles = [Patch(color=colour, label=label) for label, colour in keys.items()]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8)
        return figures.figure_png(figure)
