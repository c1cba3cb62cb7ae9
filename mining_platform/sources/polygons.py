"""Polygons with class names as a yearly land-cover map: people's own labels where no map covers the ground.

Pixels outside every polygon have no class, so windows are drawn only where somebody has looked.
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.windows import Window

from mining_platform.regions import LandCover, Region
from mining_platform.sources.land_cover_clips import (
    Clip,
    MapGrid,
    clip_facts,
    declared_map,
    map_description,
    map_identity,
    refuse_map,
    strips,
    write_clip,
)
from mining_platform.sources.protocol import LAND_COVER_FILE, Cost
from mining_platform.store.digests import file_digest
from mining_platform.vector_files import SUFFIXES, read_features

CLASS_FIELD = "class"
"""Property of a feature that names its class."""
_AREAS = ("Polygon", "MultiPolygon")


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """Burn the polygons' class codes into the region's own 10 m grid, as `out/land_cover.tif`.

    A pixel has the class of the polygon its centre lies in, the later in the file where two overlap; 0 where there is
    none. uint8 COG with the legend's colours. Returns facts as `mapbiomas.read_land_cover` does, and `polygons`, the
    number a class. SourceError for a file that is absent, unreadable, without CRS or class names, with a class that the
    region file has no code for or a feature that is no polygon, and where no polygon covers a pixel.
    """
    cover, identity = declared_map(region, year), fingerprint_land_cover(region, year)
    polygons = _polygons(region, cover, year)
    shapes = [(row.geometry, cover.classes[row[CLASS_FIELD]]) for _, row in polygons.iterrows()]
    clip = _whole_grid(region)

    def read(part: Window) -> NDArray[np.uint8]:
        affine = clip.affine * Affine.translation(part.col_off, part.row_off)
        return np.asarray(rasterize(shapes, out_shape=(part.height, part.width), transform=affine, fill=0, dtype="uint8"))

    out.mkdir(parents=True, exist_ok=True)
    path = out / LAND_COVER_FILE
    counts = write_clip(clip, strips(clip), read, path, map_description(cover, year, simulated=cover.simulated))
    if not counts[1:].any():
        path.unlink()
        raise refuse_map(region, cover, year, "no polygon covers a pixel of the region", "Mend the outline or the polygons.")
    facts = {**clip_facts(clip, counts, cover, year), "source": identity, "simulated": cover.simulated}
    return {**facts, "polygons": {str(name): int(n) for name, n in sorted(polygons[CLASS_FIELD].value_counts().items())}}


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """Collection, place, bytes and blake3 of the file, and the codes of its classes; SourceError where it is missing."""
    cover = declared_map(region, year)
    path = _path(region, cover, year)
    content = {"bytes": path.stat().st_size, "blake3": file_digest(path)}
    return {**map_identity(cover, year), "classes": dict(cover.classes), **content}


def cost_land_cover(region: Region, year: int) -> Cost:  # noqa: ARG001 - the same for every region
    """Nothing: the file is at hand."""
    return Cost()


def _whole_grid(region: Region) -> Clip:
    """The region's grid as a map of its own, of which nothing is cut off."""
    grid = region.geobox
    height, width = grid.shape
    return Clip(MapGrid(CRS.from_epsg(region.epsg), grid.affine, width, height, nodata=0), Window(0, 0, width, height))


def _path(region: Region, cover: LandCover, year: int) -> Path:
    path = Path(cover.file_of(year))
    if path.suffix.lower() not in SUFFIXES:
        remedy = "Name a file on disk in the region file."
        raise refuse_map(region, cover, year, f"{cover.href} is no {', '.join(SUFFIXES)} file", remedy)
    if not path.is_file():
        raise refuse_map(region, cover, year, f"there is no file {path}", "Put it there, or mend href in the region file.")
    return path


def _polygons(region: Region, cover: LandCover, year: int) -> gpd.GeoDataFrame:
    """The file's polygons in the region's CRS, each with a class that has a code."""
    path = _path(region, cover, year)
    try:
        found = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise refuse_map(region, cover, year, f"{path.name} cannot be read ({error})", "Mend or replace the file.") from None
    if not isinstance(found, gpd.GeoDataFrame) or found.crs is None or CLASS_FIELD not in found.columns:
        remedy = f"Each polygon needs a property {CLASS_FIELD!r}, the file a CRS."
        raise refuse_map(region, cover, year, f"{path.name} has no CRS or no {CLASS_FIELD!r}", remedy)
    unknown = sorted({str(name) for name in found[CLASS_FIELD]} - set(cover.classes))
    if unknown:
        remedy = "Add their class codes to 'classes' in the region file."
        raise refuse_map(region, cover, year, f"{path.name} has classes without a code: {', '.join(unknown)}", remedy)
    projected = found.to_crs(region.epsg)
    areas = projected.geom_type.isin(_AREAS) & ~projected.is_empty & np.isfinite(projected.bounds).all(axis=1)
    if not areas.all():
        numbers = ", ".join(str(number) for number in np.flatnonzero(~areas)[:5] + 1)
        problem = f"{path.name} has features that are no polygons on the ground (number {numbers})"
        raise refuse_map(region, cover, year, problem, "Draw them as polygons, or take them out.")
    return projected
