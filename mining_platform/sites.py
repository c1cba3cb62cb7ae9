"""Sites that people drew: their polygons by name, and the windows that cover them."""

import math
from collections.abc import Iterator
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from mining_platform.grids import PIXEL_M
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.polygon_labels import fulfilling, read_polygons, site_column
from mining_platform.labels.site_names import normalised_site, read_aliases
from mining_platform.site_files import SitesFile
from mining_platform.sources.protocol import SourceError
from mining_platform.store.digests import file_digest

NAMED = 5  # bad polygons an error names


def sites_fingerprint(sites: SitesFile, year: int) -> dict[str, Any]:
    """What identifies the content of the year's file and of the aliases; SourceError where one is missing."""
    files = [path for path in (sites.path_of(year), sites.aliases_path) if path]
    if absent := [path for path in files if not path.is_file()]:
        raise SourceError(f"There is no file of sites {absent[0]}. Put it there, or mend the dataset's row.")
    return {path.name: {"bytes": path.stat().st_size, "blake3": file_digest(path)} for path in files}


def read_sites(sites: SitesFile, year: int) -> gpd.GeoDataFrame:
    """The polygons of a year in the file's own CRS, all its properties, and `site`: the name that aliases give each.

    Names are as `site_names.normalised_site` writes them, with `-` for blanks. SourceError for a file that is missing or
    cannot be read, that has no polygon that the conditions hold for, and for polygons without a name.
    """
    path = sites.path_of(year)
    sites_fingerprint(sites, year)
    try:
        polygons, _ = read_polygons(path)
        polygons = fulfilling(polygons, sites.conditions, path.name)
        aliases = read_aliases(sites.aliases_path) if sites.aliases_path else {}
        names = [normalised_site(str(name)) for name in polygons[site_column(polygons, sites.site_field, path.name)].fillna("")]
    except LabelError as error:
        raise SourceError(f"Sites of {year}: {error}") from None
    if nameless := [number for number, name in enumerate(names, 1) if not name]:
        raise SourceError(f"{path.name}: polygons {nameless[:NAMED]} name no site. Mend the file, or name another site_field.")
    meant = _meant(aliases)
    return polygons.assign(site=[meant.get(name, name).replace(" ", "-") for name in names])


def _meant(aliases: dict[str, str]) -> dict[str, str]:
    """Name of a site -> the one name that stands for all of its names: the first of them."""
    groups: dict[str, set[str]] = {}
    for alias, site in aliases.items():
        joined = groups.get(alias, {alias}) | groups.get(site, {site})
        groups |= dict.fromkeys(joined, joined)
    return {name: min(group) for name, group in groups.items()}


def site_places(sites: SitesFile, year: int, epsg: int, size_m: int) -> gpd.GeoDataFrame:
    """Centres of the square windows of `size_m` metres that cover the sites, in EPSG:4326: point_id, is_mining, geometry.

    The windows of a site lie side by side around the middle of its bounds in the CRS `epsg`, on the 10 m lattice; those without
    a polygon are left out. They are named `<site>_<n>`, from the north-west, row by row. Sites that the CRS does not reach are
    left out, too. Raises as `read_sites`.
    """
    polygons = read_sites(sites, year)
    projected = polygons.geometry.force_2d().to_crs(epsg)
    reached = np.isfinite(projected.bounds).all(axis=1).to_numpy()
    names, centres = [], []
    for site in sorted(set(polygons["site"][reached])):
        ground = shapely.union_all(projected[reached & (polygons["site"] == site).to_numpy()].make_valid().to_numpy())
        for number, centre in enumerate(_centres(ground, size_m), 1):
            names.append(f"{site}_{number}")
            centres.append(centre)
    x, y = np.array(centres, float).reshape(-1, 2).T
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(x, y)
    return gpd.GeoDataFrame({"point_id": names, "is_mining": True}, geometry=gpd.points_from_xy(lon, lat), crs=4326)


def _centres(ground: BaseGeometry, size_m: int) -> Iterator[tuple[float, float]]:
    """Centres of the windows, on the lattice, that ground touches, row by row from the north-west."""
    west, south, east, north = ground.bounds
    columns, rows = (max(1, math.ceil(length / size_m)) for length in (east - west, north - south))
    left = round(((west + east - columns * size_m) / 2) / PIXEL_M) * PIXEL_M
    top = round(((south + north + rows * size_m) / 2) / PIXEL_M) * PIXEL_M
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * size_m, top - row * size_m
            if ground.intersection(shapely.box(x, y - size_m, x + size_m, y)).area > 0:
                yield x + size_m / 2, y - size_m / 2
