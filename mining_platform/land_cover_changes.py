"""Two versions of a land-cover map held against each other: pixels and hectares that each class gained and lost."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.windows import Window

from mining_platform.labels.mapbiomas import LEGEND, NO_CLASS_CODES
from mining_platform.pixel_areas import pixel_areas_m2
from mining_platform.raster_files import opened_raster_file

STRIP_ROWS = 512
HA_M2 = 10_000


@dataclass(frozen=True)
class ClassChange:
    """One class in two versions of a map; areas are ellipsoidal."""

    code: int
    name: str
    pixels_before: int
    pixels_after: int
    ha_before: float
    ha_after: float
    gained_ha: float | None
    """On ground that had another class; None where the versions lie on different pixels."""
    lost_ha: float | None


def class_changes(before: Path, after: Path) -> list[ClassChange]:
    """Classes of two maps (uint8 codes, one band) that differ in any pixel, or, on different pixels, in their area.

    Codes without a class (not observed, outside the map) are told like classes, so that ground which is observed at last shows.
    """
    with ExitStack() as opened:
        old, new = (opened.enter_context(opened_raster_file(path)) for path in (before, after))
        if (old.crs, old.transform, old.shape) != (new.crs, new.transform, new.shape):
            return _unlike(_table(old), _table(new))
        return _alike(_crossed(old, new))


def _crossed(old: rasterio.DatasetReader, new: rasterio.DatasetReader) -> NDArray[np.float64]:
    """Pixels and square metres by class before and after: (2, 256, 256)."""
    crossed = np.zeros((2, 256 * 256))
    for window, area_m2 in _strips(new):
        pairs = old.read(1, window=window).astype(np.int64) * 256 + new.read(1, window=window)
        crossed[0] += np.bincount(pairs.ravel(), minlength=256 * 256)
        crossed[1] += np.bincount(pairs.ravel(), area_m2.ravel(), minlength=256 * 256)
    return crossed.reshape(2, 256, 256)


def _table(raster: rasterio.DatasetReader) -> NDArray[np.float64]:
    """Pixels and square metres by class: (2, 256)."""
    return np.asarray(np.einsum("kij->kj", _crossed(raster, raster)))


def _strips(raster: rasterio.DatasetReader) -> Iterator[tuple[Window, NDArray[np.float64]]]:
    """Parts of a map with the areas of their pixels, square metres."""
    crs, columns = CRS.from_user_input(raster.crs), np.arange(raster.width)
    for row in range(0, raster.height, STRIP_ROWS):
        rows = np.arange(row, min(row + STRIP_ROWS, raster.height))
        yield Window(0, row, raster.width, rows.size), pixel_areas_m2(raster.transform, crs, columns, rows)


def _alike(crossed: NDArray[np.float64]) -> list[ClassChange]:
    before, after, kept = crossed.sum(axis=2), crossed.sum(axis=1), np.einsum("kii->ki", crossed)
    differing = np.flatnonzero((before[0] != kept[0]) | (after[0] != kept[0]))
    gained, lost = after[1] - kept[1], before[1] - kept[1]
    return [_change(int(code), before, after, float(gained[code]), float(lost[code])) for code in differing]


def _unlike(before: NDArray[np.float64], after: NDArray[np.float64]) -> list[ClassChange]:
    differing = np.flatnonzero(~np.isclose(before[1], after[1], atol=1.0))
    return [_change(int(code), before, after, None, None) for code in differing]


def _change(
    code: int, before: NDArray[np.float64], after: NDArray[np.float64], gained_m2: float | None, lost_m2: float | None
) -> ClassChange:
    return ClassChange(
        code,
        class_name(code),
        int(before[0, code]),
        int(after[0, code]),
        _hectares(before[1, code]),
        _hectares(after[1, code]),
        None if gained_m2 is None else _hectares(gained_m2),
        None if lost_m2 is None else _hectares(lost_m2),
    )


def class_name(code: int) -> str:
    """A class's name; `no class` for what is not observed or outside, and the number for codes the legend does not have."""
    if code in NO_CLASS_CODES:
        return "no class"
    return LEGEND[code].name if code in LEGEND else f"class {code}"


def _hectares(area_m2: float) -> float:
    return round(float(area_m2) / HA_M2, 2)
