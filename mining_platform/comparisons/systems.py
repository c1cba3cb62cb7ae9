"""What another system says of mining in a year: its outlines, or the region's land-cover map."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from shapely import STRtree
from shapely.geometry import box

from mining_platform.labels.agreement import SourceMask
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.mapbiomas import NO_CLASS_CODES
from mining_platform.labels.polygon_labels import read_polygons
from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import OtherSystem, Region
from mining_platform.resampling import read_on_grid
from mining_platform.sources.protocol import SourceError
from mining_platform.store.digests import file_digest


class NotCoveredError(ValueError):
    """A system tells nothing of a year; the message says why, and `reason` is one of REASONS."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


REASONS = ("no_file", "other_years")
"""A system's file is not there; it holds other years."""


@dataclass(frozen=True)
class Theirs:
    """What one system says."""

    id: str
    name: str
    span: str
    """One of regions.SPANS: what of ours it is compared with."""
    cell_m: float
    """Side of its cells, metres; 0 where that is not known."""
    simulated: bool
    said: Callable[[GeoBox], SourceMask]
    """Its mask on a grid of the CRS for which it was made."""


def systems_fingerprint(systems: Iterable[OtherSystem], year: int) -> dict[str, dict[str, Any]]:
    """What decides what the systems say of a year, by id: each one's row, and the blake3 of its file, None where it is absent."""
    return {each.id: {**asdict(each), "blake3": _digest(Path(each.file_of(year)))} for each in systems}


def _digest(path: Path) -> str | None:
    return file_digest(path) if path.is_file() else None


def outlined(system: OtherSystem, year: int, crs: str) -> Theirs:
    """What a system's polygons say of a year, on grids of `crs`; a cell is mining where its middle lies in one.

    NotCoveredError where its file is not there, or holds other years; SourceError for a file that cannot be used.
    """
    placed = polygons_of_year(system, year).geometry.force_2d().to_crs(crs)
    reached = np.isfinite(placed.bounds).all(axis=1)  # the rest of the globe has no place in a CRS of a zone
    shapes = np.asarray(placed[reached], dtype=object)
    tree = STRtree(shapes)

    def said(grid: GeoBox) -> SourceMask:
        near = shapes[np.sort(tree.query(box(*grid.boundingbox.bbox)))]
        return SourceMask(system.id, _burnt(near, grid), np.ones(grid.shape, dtype=bool))

    return Theirs(system.id, system.name, system.span, system.cell_m, system.simulated, said)


def _burnt(shapes: NDArray[np.object_], grid: GeoBox) -> NDArray[np.bool_]:
    if not len(shapes):
        return np.zeros(grid.shape, dtype=bool)
    return np.asarray(rasterize(list(shapes), out_shape=grid.shape, transform=grid.affine, dtype="uint8") == 1)


def polygons_of_year(system: OtherSystem, year: int) -> gpd.GeoDataFrame:
    """The polygons that tell of a year, or by the span of all years up to it; errors as of `outlined`."""
    path = Path(system.file_of(year))
    if not path.is_file():
        raise NotCoveredError("no_file", f"there is no file {path.name}")
    try:
        polygons, _ = read_polygons(path)
    except LabelError as error:
        raise SourceError(f"Outlines of {system.name}: {error}") from None
    if not system.year_field:
        return polygons
    years = _years(polygons, system, path)
    if not years.min() <= year <= years.max():
        raise NotCoveredError("other_years", f"{path.name} tells of {years.min():.0f} to {years.max():.0f}")
    return polygons[years <= year if system.span == "to-date" else years == year]


def _years(polygons: gpd.GeoDataFrame, system: OtherSystem, path: Path) -> "pd.Series[float]":
    if system.year_field not in polygons:
        own = ", ".join(str(name) for name in polygons if name != "geometry") or "none"
        raise SourceError(f"{path.name} has no property {system.year_field!r}; it has {own}. Mend the system's year_field.")
    years = pd.to_numeric(polygons[system.year_field], errors="coerce")
    if years.isna().any():
        number = int(np.flatnonzero(years.isna())[0])
        raise SourceError(f"{path.name}: {system.year_field} of polygon {number} (from 0) is no year. Mend or remove it.")
    return years


def mapped(land_cover: Path, codes: Iterable[int], region: Region, *, system_id: str, cell_m: float) -> Theirs:
    """What a map of class codes says: mining where the pixel under a cell's middle has one of `codes`, in its own year."""
    wanted, cover = sorted(codes), region.land_cover
    if cover is None:
        raise SourceError(f"Region {region.id} has no land-cover map to compare with. Name one in the region file.")
    blind = sorted({0, *NO_CLASS_CODES} - {*wanted})

    def said(grid: GeoBox) -> SourceMask:
        with opened_raster_file(land_cover) as source:
            values = read_on_grid(source, grid, nearest=True)
        return SourceMask(system_id, np.isin(values, wanted), ~np.isin(values, blind))

    name = f"{'MapBiomas' if cover.source != 'polygons' else 'land cover'}, collection {cover.collection}"
    return Theirs(system_id, name, "year", cell_m, cover.simulated, said)
