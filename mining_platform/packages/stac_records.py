"""`stac/`: a STAC collection of the package and an item a patch, https://github.com/radiantearth/stac-spec version 1.1.0.

With the extensions projection 2.0.0 and raster 2.0.0. Fields that start with `mining:` are this project's own. Plain
dictionaries, since an object of pystac for each of thousands of patches takes seconds.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely

from mining_platform import bands
from mining_platform.packages import citation
from mining_platform.packages.contents import Contents, FileKind, Release
from mining_platform.packages.credits import licence_of
from mining_platform.packages.patch_files import place_of

STAC_FOLDER, COLLECTION_JSON = "stac", "collection.json"
STAC_VERSION = "1.1.0"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
_GEOTIFF_PREFIX = "image/tiff"


def collection(contents: Contents) -> dict[str, Any]:
    """Content of `stac/collection.json`."""
    release, table = contents.release, contents.table
    licence, _ = licence_of(release.credits)
    west, south, east, north = table.total_bounds.tolist()
    years = sorted({int(year) for year in table["year"]})
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [PROJECTION, RASTER],
        "id": release.dataset,
        "title": citation.title(release),
        "description": citation.abstract(contents),
        "keywords": citation.keywords(release),
        "license": licence or "other",
        "providers": _providers(release),
        "extent": {
            "spatial": {"bbox": [[west, south, east, north]]},
            "temporal": {"interval": [[_year_bounds(years[0])[0], _year_bounds(years[-1])[1]]]},
        },
        "summaries": _summaries(table),
        "item_assets": {_key(kind): _asset(kind) for kind in contents.kinds},
        "mining:version": release.version,
        "links": [
            {"rel": "root", "href": f"./{COLLECTION_JSON}", "type": "application/json"},
            _licence_link(release),
            *({"rel": "item", "href": f"./{item_path(name)}", "type": "application/geo+json"} for name in table["patch_id"]),
        ],
    }


def items(out: Path, contents: Contents) -> Iterator[tuple[str, dict[str, Any]]]:
    """Path below `stac/` and content of the item of each patch; reads the headers of files that are on grids of their own.

    ValueError for a patch whose id cannot be the name of a file.
    """
    table, kinds = contents.table, contents.kinds
    assets = {kind.column: _asset(kind) for kind in kinds}
    own_grids = [kind for kind in kinds if not kind.on_patch_grid and kind.media_type.startswith(_GEOTIFF_PREFIX)]
    geometries, boxes = _geometries(table), table.bounds.to_numpy().tolist()
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        for row, geometry, bbox in zip(table.itertuples(), geometries, boxes, strict=True):
            described = {_key(kind): {"href": f"../../{getattr(row, kind.column)}", **assets[kind.column]} for kind in kinds}
            for kind in own_grids:
                described[_key(kind)] |= _grid_of(out / getattr(row, kind.column))
            yield item_path(str(row.patch_id)), _item(row, contents.release, geometry, bbox, described)


def item_path(patch_id: str) -> str:
    """`items/<patch_id>.json`, below `stac/`; ValueError where the id cannot be the name of a file."""
    if not patch_id or any(sign in "/\\" or not sign.isprintable() for sign in patch_id):
        raise ValueError(f"patch_id {patch_id!r} cannot be the name of a file. Name patches <window_id>_<year>.")
    return f"items/{patch_id}.json"


def _item(row: Any, release: Release, geometry: dict[str, Any], bbox: list[float], assets: dict[str, Any]) -> dict[str, Any]:
    start, end = _year_bounds(int(row.year))
    place = place_of(row)
    px = round((row.maxx - row.minx) / place.pixel_m)
    right, lower = place.x0 + px * place.pixel_m, place.y0 - px * place.pixel_m
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [PROJECTION, RASTER],
        "id": row.patch_id,
        "collection": release.dataset,
        "geometry": geometry,
        "bbox": bbox,
        "properties": {
            **({"title": f"SIMULATED · {row.patch_id}"} if row.simulated else {}),
            **({"datetime": row.acquired} if row.acquired else {"datetime": None, "start_datetime": start, "end_datetime": end}),
            "gsd": place.pixel_m,
            "split": row.split,
            "mining:is_mining": bool(row.is_mining),
            "mining:share": None if math.isnan(row.share) else row.share,
            "mining:range": row.range,
            "mining:simulated": bool(row.simulated),
            "proj:code": f"EPSG:{row.epsg}",
            "proj:bbox": [place.x0, lower, right, place.y0],
            "proj:shape": [px, px],
            "proj:transform": list(place.transform)[:6],
        },
        "links": [
            {"rel": rel, "href": f"../{COLLECTION_JSON}", "type": "application/json"} for rel in ("root", "parent", "collection")
        ],
        "assets": assets,
    }


def _asset(kind: FileKind) -> dict[str, Any]:
    """A kind of file as asset without href; what its bands share stands once, at the asset, as STAC 1.1 wants it."""
    each = _quantities(kind)
    shared = each[0] if each and all(one == each[0] for one in each) else {}
    own = [{} if shared else one for one in each] or [{} for _ in kind.channels]
    told = {
        "title": kind.title,
        "description": kind.description,
        "type": kind.media_type,
        "roles": list(kind.roles),
        "data_type": kind.dtype,
        "nodata": kind.nodata,
        **shared,
        "bands": [_band(channel, quantity) for channel, quantity in zip(kind.channels, own, strict=True)] or None,
    }
    return {name: value for name, value in told.items() if value is not None}


def _quantities(kind: FileKind) -> list[dict[str, Any]]:
    """Unit, scale and offset of each band; none where the values are no measurement."""
    if kind.scale is None:
        return []
    names = ("unit", "raster:scale", "raster:offset")
    return [dict(zip(names, kind.quantity(channel), strict=True)) for channel in kind.channels]


def _band(channel: str, quantity: Mapping[str, Any]) -> dict[str, Any]:
    row = bands.band(channel)
    wavelength = f", {row.wavelength_nm:g} nm" if row.wavelength_nm else ""
    return {"name": channel, "description": f"{row.sensor} {row.role}{wavelength}", **quantity}


def _grid_of(path: Path) -> dict[str, Any]:
    """Grid of a GeoTIFF in the fields of the projection extension."""
    with rasterio.open(path, driver="GTiff") as raster:
        code = raster.crs.to_epsg() if raster.crs else None
        return {
            "proj:code": f"EPSG:{code}" if code else None,
            "proj:bbox": list(raster.bounds),
            "proj:shape": list(raster.shape),
            "proj:transform": list(raster.transform)[:6],
        }


def _geometries(table: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """Footprints as GeoJSON, rings counter-clockwise (RFC 7946)."""
    oriented = shapely.orient_polygons(np.asarray(table.geometry, dtype=object))
    return [shapely.geometry.mapping(polygon) for polygon in oriented]


def _key(kind: FileKind) -> str:
    """`image_path` -> `image`."""
    return kind.column.removesuffix("_path")


def _year_bounds(year: int) -> tuple[str, str]:
    return f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59Z"


def _providers(release: Release) -> list[dict[str, Any]]:
    authors = [{"name": author, "roles": ["producer", "processor"]} for author in release.authors]
    sources = [
        {"name": credit.line, "roles": ["licensor"], **({"url": credit.url} if credit.url else {})} for credit in release.credits
    ]
    return [*authors, *sources]


def _licence_link(release: Release) -> dict[str, str]:
    _, url = licence_of(release.credits)
    page = {"href": url, "type": "text/html"} if url else {"href": "../README.md", "type": "text/markdown"}
    return {"rel": "license", **page, "title": "Terms of the package"}


def _summaries(table: gpd.GeoDataFrame) -> dict[str, Any]:
    shares = table["share"].dropna()
    told = {
        name: sorted({str(value) for value in table[column]}) for name, column in (("split", "split"), ("mining:range", "range"))
    }
    span = {"mining:share": {"minimum": float(shares.min()), "maximum": float(shares.max())}} if len(shares) else {}
    codes = {"proj:code": [f"EPSG:{code}" for code in sorted({int(code) for code in table["epsg"]})]}
    pixels = sorted({int(value) for value in table["pixel_m"]})
    return {"gsd": pixels, **told, **span, **codes, "mining:simulated": sorted({bool(value) for value in table["simulated"]})}
