"""Maps of mining found in a year, and of what is new among it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from mining_platform import figures
from mining_platform.first_years import FOUND, NEVER, NOT_OBSERVED, windows
from mining_platform.raster_files import opened_raster_file

PICTURE_PX = 900
GROUND, UNSEEN, EARLIER, NEW = "#eef1ee", "#c9ced4", "#e0a458", "#c1121f"


def detection_picture(mask: Path, *, title: str, simulated: bool) -> bytes:
    """PNG of a yearly mask: what was found, and what was not observed."""
    with opened_raster_file(mask) as source:
        shades = _reduced(source, lambda values: np.where(values == FOUND, 2, np.where(values == NOT_OBSERVED, 1, 0)))
        keys = {"mining found": NEW, "not observed": UNSEEN}
        return _map(source, shades, (GROUND, UNSEEN, NEW), keys, title=title, simulated=simulated)


def change_picture(first_years: Path, year: int, *, title: str, simulated: bool) -> bytes:
    """PNG of a map of first years: what was found before a year, and what is new in it."""
    with opened_raster_file(first_years) as source:
        shades = _reduced(source, lambda values: np.where(values == year, 2, np.where((values != NEVER) & (values < year), 1, 0)))
        keys = {f"new in {year}": NEW, f"found before {year}": EARLIER}
        return _map(source, shades, (GROUND, EARLIER, NEW), keys, title=title, simulated=simulated)


def _reduced(source: DatasetReader, shade: Callable[[NDArray[np.integer]], NDArray[np.integer]]) -> NDArray[np.uint8]:
    """Shades of a raster's cells, the highest of each square of cells, so that a single cell of mining stays in sight."""
    step = -(-max(source.shape) // PICTURE_PX)
    reduced = np.zeros([-(-size // step) for size in source.shape], np.uint8)
    for window in windows(source):
        shades = shade(source.read(1, window=window)).astype(np.uint8)
        rows, columns = (
            np.arange(size) + first for size, first in zip(shades.shape, (window.row_off, window.col_off), strict=True)
        )
        np.maximum.at(reduced, np.ix_(rows // step, columns // step), shades)
    return reduced


def _map(
    source: DatasetReader,
    shades: NDArray[np.uint8],
    colours: tuple[str, ...],
    keys: dict[str, str],
    *,
    title: str,
    simulated: bool,
) -> bytes:
    from matplotlib.colors import ListedColormap

    height_km, width_km = (size * abs(source.transform.a) / 1000 for size in source.shape)
    with figures.styled():
        figure = figures.new_figure(6.2, min(max(5.4 * height_km / width_km, 2.0), 9.0) + 1.0)
        axes = figure.subplots()
        colour_map = ListedColormap(list(colours))
        axes.imshow(
            shades, extent=(0, width_km, 0, height_km), cmap=colour_map, vmin=0, vmax=len(colours) - 1, interpolation="nearest"
        )
        axes.grid(visible=False)
        ink = figures.SIMULATED_INK if simulated else figures.INK
        axes.set_title(figures.mark_title(title, simulated=simulated), color=ink)
        axes.set(xlabel="km east", ylabel="km north")
        handles = [Patch(color=colour, label=label) for label, colour in keys.items()]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8)
        return figures.figure_png(figure)
