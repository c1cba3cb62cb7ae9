"""The largest new places of a year: where they are, how large, and how their ground looks before and after."""

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import geopandas as gpd
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from mining_platform.bands import band_of_role
from mining_platform.chunks import CHUNK_PX
from mining_platform.figures import RGB_ROLES, rgb_uint8
from mining_platform.grids import PIXEL_M, project
from mining_platform.mosaic_arrays import Mosaic, open_mosaic, read_window

SHOWN = 6
"""Places of a report."""
MARGIN_M = 300.0
"""Around a place in its picture."""
LEAST_SIDE_M, MOST_SIDE_M = 1_600.0, 10_240.0
"""Of a picture's ground; of a larger place its middle is shown."""
PICTURE_PX = 520
JPEG_QUALITY = 84
MISSING_GREY = 205

Bounds = tuple[float, float, float, float]
"""West, south, east, north in metres."""
PictureMaker = Callable[[Bounds], bytes]
"""Gives a JPEG of ground, empty where it shows nothing of it."""


@dataclass(frozen=True)
class Site:
    """A new place."""

    region: str
    change_id: str
    area_ha: float
    lon: float
    lat: float
    """Of a point within it, degrees."""
    pictures: Mapping[int, str]
    """Year -> JPEG in base64 of the years that have a mosaic."""
    outline: str
    """SVG path in a view of 1000 x 1000 over the pictures."""
    side_m: float
    """Ground that the pictures' sides show."""
    reviewed: str
    """`change_polygons.CONFIRMED` or `NOT_REVIEWED`."""
    simulated: bool


@dataclass(frozen=True)
class Views:
    """A place's ground in several years."""

    pictures: Mapping[int, bytes]
    """Year -> JPEG of the years whose mosaic shows it."""
    outline: str
    """SVG path in a view of 1000 x 1000 over the pictures."""
    side_m: float
    """Ground that the pictures' sides show."""


def largest_sites(new: gpd.GeoDataFrame, epsg: Mapping[str, int], mosaics: Mapping[str, Mapping[int, Path]]) -> list[Site]:
    """The SHOWN largest places, largest first.

    `new` has the columns of `change_polygons.COLUMNS` and region, in EPSG:4326; `epsg` a region's projected CRS; `mosaics` its
    `mosaic.zarr` by year, for the years that have one that covers its grid.
    """
    ordered = new.sort_values(["area_ha", "region", "change_id"], ascending=[False, True, True]).head(SHOWN)
    opened = {region: {year: open_mosaic(path) for year, path in by_year.items()} for region, by_year in mosaics.items()}
    return [_site(row, epsg[row.region], opened.get(row.region, {})) for row in ordered.itertuples()]


def _site(row: object, epsg: int, mosaics: Mapping[int, Mosaic]) -> Site:
    shape: Polygon = row.geometry  # type: ignore[attr-defined]
    views = views_of(shape, epsg, {year: partial(mosaic_picture, mosaic) for year, mosaic in mosaics.items()})
    pictures = {year: base64.b64encode(found).decode() for year, found in views.pictures.items()}
    inside = shape.representative_point()
    told = {name: getattr(row, name) for name in ("region", "change_id", "area_ha", "reviewed", "simulated")}
    return Site(**told, lon=inside.x, lat=inside.y, pictures=pictures, outline=views.outline, side_m=views.side_m)


def views_of(shape: Polygon, epsg: int, makers: Mapping[int, PictureMaker]) -> Views:
    """The ground of an outline in EPSG:4326 in pictures by year; `epsg` is a projected CRS, in which makers get their bounds."""
    placed = cast("Polygon", project(shape, 4326, epsg))
    bounds = _square(placed.bounds)
    pictures = {year: found for year, make in sorted(makers.items()) if (found := make(bounds))}
    return Views(pictures, _path(placed, bounds), bounds[2] - bounds[0])


def _square(bounds: Bounds) -> Bounds:
    """A square of ground around bounds, in whole pixels of the lattice."""
    minx, miny, maxx, maxy = bounds
    side = min(max(maxx - minx + 2 * MARGIN_M, maxy - miny + 2 * MARGIN_M, LEAST_SIDE_M), MOST_SIDE_M)
    half = round(side / 2 / PIXEL_M) * PIXEL_M
    x, y = (round((low + high) / 2 / PIXEL_M) * PIXEL_M for low, high in ((minx, maxx), (miny, maxy)))
    return x - half, y - half, x + half, y + half


def mosaic_picture(mosaic: Mosaic, bounds: Bounds) -> bytes:
    """JPEG of a whole mosaic in natural colour, grey beyond its grid and where it was never clear; empty if all is."""
    grid = mosaic.geobox.boundingbox
    minx, miny, maxx, maxy = bounds
    inner = (max(minx, grid.left), max(miny, grid.bottom), min(maxx, grid.right), min(maxy, grid.top))
    size = round((maxx - minx) / PIXEL_M)
    if inner[0] >= inner[2] or inner[1] >= inner[3] or size > 4 * CHUNK_PX:
        return b""
    image, _ = read_window(mosaic, inner)
    channels = tuple(band_of_role(role, mosaic.channels) for role in RGB_ROLES)
    chosen = image[[mosaic.channels.index(each) for each in channels]]
    pixels = np.where((chosen == 0).all(axis=0)[..., None], np.uint8(MISSING_GREY), rgb_uint8(chosen, channels))
    whole = np.full((size, size, 3), MISSING_GREY, np.uint8)
    row, column = round((maxy - inner[3]) / PIXEL_M), round((inner[0] - minx) / PIXEL_M)
    whole[row : row + pixels.shape[0], column : column + pixels.shape[1]] = pixels
    return jpeg(whole)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture (y, x, 3) of PICTURE_PX a side as JPEG."""
    from PIL import Image

    picture = Image.fromarray(pixels).resize((PICTURE_PX, PICTURE_PX), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _path(shape: Polygon, bounds: Bounds) -> str:
    """SVG path of an outline in a view of 1000 x 1000 over bounds."""
    minx, _, maxx, maxy = bounds
    scale = 1000 / (maxx - minx)
    rings = [shape.exterior, *shape.interiors]
    drawn = (" L".join(f"{(x - minx) * scale:.1f} {(maxy - y) * scale:.1f}" for x, y in list(ring.coords)[:-1]) for ring in rings)
    return "".join(f"M{ring}Z" for ring in drawn)
