"""Polygons with class names as a yearly land-cover map: people's own labels where no map covers the ground.

Pixels outside every polygon have no class, so windows are drawn only where somebody has looked.
"""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.features import rasterize

from mining_platform.labels.mapbiomas import LEGEND
from mining_platform.regions import LandCover, Region
from mining_platform.sources.protocol import LAND_COVER_FILE, Cost, SourceError, refusal
from mining_platform.store.digests import file_digest

CLASS_FIELD = "class"
"""Property of a feature that names its class."""
_SUFFIXES = (".geojson", ".json", ".gpkg")


def read_land_cover(region: Region, year: int, out: Path) -> dict[str, Any]:
    """Burn the polygons' class codes into the region's own 10 m grid, as `out/land_cover.tif`.

    A pixel has the class of the polygon its centre lies in, the later in the file where two overlap; 0 where there is
    none. uint8 COG with the legend's colours. Returns facts as `mapbiomas.read_land_cover` does, and `polygons`, the
    number a class. SourceError for a file that is absent, unreadable, without CRS or class names, or with a class that the
    region file has no code for.
    """
    cover = _declared(region, year)
    polygons = _polygons(region, cover, year)
    codes = [cover.classes[name] for name in polygons[CLASS_FIELD]]
    shapes = zip(polygons.to_crs(region.epsg).geometry, codes, strict=True)
    grid = region.geobox
    pixels = np.asarray(rasterize(shapes, out_shape=grid.shape, transform=grid.affine, fill=0, dtype="uint8"))
    out.mkdir(parents=True, exist_ok=True)
    _write(out / LAND_COVER_FILE, pixels, region, f"Labelled polygons, {cover.collection}")
    counts = np.bincount(pixels.ravel(), minlength=256)
    return {
        "collection": cover.collection,
        "year": year,
        "band": None,
        "class_pixels": {str(code): int(counts[code]) for code in np.flatnonzero(counts)},
        "pixels": int(counts.sum()),
        "width": grid.shape[1],
        "height": grid.shape[0],
        "nodata": 0,
        "nodata_pixels": int(counts[0]),
        "crs": f"EPSG:{region.epsg}",
        "resolution": [abs(grid.affine.a), abs(grid.affine.e)],
        "source": fingerprint_land_cover(region, year),
        "simulated": cover.simulated,
        "polygons": {str(name): int(count) for name, count in sorted(polygons[CLASS_FIELD].value_counts().items())},
    }


def fingerprint_land_cover(region: Region, year: int) -> dict[str, Any]:
    """Collection, place, bytes and blake3 of the file, and the codes of its classes; SourceError where it is missing."""
    cover = _declared(region, year)
    path = _path(region, cover, year)
    return {
        "source": cover.source,
        "collection": cover.collection,
        "href": cover.href,
        "classes": dict(cover.classes),
        "year": year,
        "simulated": cover.simulated,
        "bytes": path.stat().st_size,
        "blake3": file_digest(path),
    }


def cost_land_cover(_region: Region, _year: int) -> Cost:
    """Nothing: the file is at hand."""
    return Cost()


def _declared(region: Region, year: int) -> LandCover:
    cover = region.land_cover
    if cover is None or not cover.years[0] <= year <= cover.years[1]:
        span = f"from {cover.years[0]} to {cover.years[1]}" if cover else "none"
        raise refusal(region, year, "polygons", f"labels are declared for {span}", "Ask for such a year.")
    return cover


def _refuse(region: Region, cover: LandCover, year: int, problem: str, remedy: str) -> SourceError:
    return refusal(region, year, f"polygons {cover.collection}", problem, remedy)


def _path(region: Region, cover: LandCover, year: int) -> Path:
    path = Path(cover.file_of(year))
    if path.suffix.lower() not in _SUFFIXES:
        remedy = "Name a file on disk in the region file."
        raise _refuse(region, cover, year, f"{cover.href} is no {', '.join(_SUFFIXES)} file", remedy)
    if not path.is_file():
        raise _refuse(region, cover, year, f"there is no file {path}", "Put it there, or mend href in the region file.")
    return path


def _polygons(region: Region, cover: LandCover, year: int) -> gpd.GeoDataFrame:
    path = _path(region, cover, year)
    try:
        polygons = gpd.read_file(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise _refuse(region, cover, year, f"{path.name} cannot be read ({error})", "Mend or replace the file.") from None
    if polygons.crs is None or CLASS_FIELD not in polygons.columns:
        remedy = f"Each polygon needs a property {CLASS_FIELD!r}, the file a CRS."
        raise _refuse(region, cover, year, f"{path.name} has no CRS or no {CLASS_FIELD!r}", remedy)
    unknown = sorted({str(name) for name in polygons[CLASS_FIELD]} - set(cover.classes))
    if unknown:
        remedy = "Add their class codes to 'classes' in the region file."
        raise _refuse(region, cover, year, f"{path.name} has classes without a code: {', '.join(unknown)}", remedy)
    return polygons


def _write(path: Path, pixels: NDArray[np.uint8], region: Region, description: str) -> None:
    plain = path.with_suffix(".plain.tif")
    height, width = pixels.shape
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": f"EPSG:{region.epsg}", "nodata": 0}
    try:
        with rasterio.open(plain, "w", **profile, width=width, height=height, transform=region.geobox.affine) as raster:
            raster.update_tags(TIFFTAG_IMAGEDESCRIPTION=description)
            raster.write_colormap(1, {code: (*row.rgb, 255) for code, row in LEGEND.items()})
            raster.write(pixels, 1)
        rasterio.shutil.copy(plain, path, driver="COG", BLOCKSIZE="256", COMPRESS="LZW", OVERVIEW_RESAMPLING="NEAREST")
    finally:
        plain.unlink(missing_ok=True)
