"""Sentinel-2 products by their official names: SAFE folders as they are distributed, or the same files as COG.

Names and layout: Sentinel-2 Products Specification Document, compact format (since December 2016),
https://sentinels.copernicus.eu/web/sentinel/user-guides/sentinel-2-msi/naming-convention.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path, PurePosixPath

from mining_platform import bands, scene_collections
from mining_platform.scenes import Scene, solar_day
from mining_platform.sources.archives import safe_metadata
from mining_platform.sources.archives.folders import (
    Candidate,
    Files,
    FolderError,
    Found,
    Touches,
    epsg_of,
    files_within,
    metadata_bytes,
    outline_of,
    raster_box,
)

PROVIDER = "safe"
_NAME = re.compile(
    r"(?P<id>S2(?P<unit>[A-D])_(?P<product>MSIL1C|MSIL2A)_(?P<sensed>\d{8}T\d{6})_N(?P<baseline>\d{4})"
    r"_R\d{3}_T(?P<tile>\d{2}[A-Z]{3})_(?P<made>\d{8}T\d{6}))(?:\.SAFE)?"
)
_RASTER = re.compile(
    r"(?:L2A_)?(?:T(?P<tile>\d{2}[A-Z]{3})_\d{8}T\d{6}_)?(?P<name>[A-Za-z0-9_]+?)(?:_(?P<gsd>[126]0)m)?\.(?:jp2|tiff?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ProductName:
    """What the name of a product tells."""

    id: str
    platform: str
    product: str
    """`MSIL1C` or `MSIL2A`."""
    sensed: datetime
    """Start of the datatake, UTC."""
    baseline: float
    tile: str
    made: str


def product_name(folder: str) -> ProductName | None:
    """The parts of a folder's name; None for any other name."""
    found = _NAME.fullmatch(folder)
    if found is None:
        return None
    try:
        sensed = datetime.strptime(found["sensed"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    platform, baseline = f"sentinel-2{found['unit'].lower()}", int(found["baseline"]) / 100
    return ProductName(found["id"], platform, found["product"], sensed, baseline, found["tile"], found["made"])


def candidate(root: Path, folder: Path, *, simulated: bool) -> Candidate | None:
    """The product of a folder, by its name; None for any other name."""
    name = product_name(folder.name)
    if name is None:
        return None
    collections = frozenset(row.id for row in scene_collections.COLLECTIONS.values() if row.product == name.product)
    return Candidate(collections, name.sensed.year, partial(read_product, root, folder, name, simulated=simulated))


def read_product(root: Path, folder: Path, name: ProductName, touches: Touches, *, simulated: bool) -> Found | None:
    """The scene of a product's folder; None where it does not touch. FolderError names the file that is wrong.

    Without MTD_MSI*.xml the baseline is the name's, the offset follows from it, the CRS and the outline are those of a
    raster's header, and the cloud share is unknown; without MTD_TL.xml the sun's angles are.
    """
    files = files_within(root, folder)
    rasters = rasters_of(files, name)
    if not rasters:
        raise FolderError(f"{name.id} holds no raster of a band. Fetch the product anew, or remove its folder.")
    product, tile = _metadata_file(files, f"MTD_{name.product}.xml"), _metadata_file(files, "MTD_TL.xml")
    stated = None if product is None else _stated(safe_metadata.product_metadata(metadata_bytes(root, product), product), name)
    footprint = stated.footprint if stated else outline_of(raster_box(root, min(rasters.values())))
    if not touches(footprint):
        return None
    sun = None if tile is None else safe_metadata.tile_metadata(metadata_bytes(root, tile), tile)
    scene = Scene(
        scene_id=name.id,
        acquired=name.sensed,
        solar_day=solar_day(name.sensed, footprint.centroid.x),
        platform=name.platform,
        tile=name.tile,
        cloud_pct=stated.cloud_pct if stated else 0.0,
        baseline=name.baseline,
        offset_dn=stated.offset_dn if stated else _offset_by_baseline(name),
        epsg=sun.epsg if sun else epsg_of(raster_box(root, min(rasters.values()))),
        simulated=simulated,
        hrefs=rasters,
        sizes={band_id: files[place] for band_id, place in rasters.items()},
        sun_azimuth_deg=sun.sun_azimuth_deg if sun else None,
        sun_elevation_deg=sun.sun_elevation_deg if sun else None,
    )
    return Found(
        scene=scene,
        footprint=footprint,
        place=folder.relative_to(root).as_posix(),
        metadata=tuple(place for place in (product, tile) if place),
        acquisition=(name.platform, name.product, name.sensed.isoformat(), name.tile),
        version=(name.baseline,),
        clouds_known=stated is not None,
    )


def rasters_of(files: Files, name: ProductName) -> dict[str, str]:
    """Id of a band or layer -> place of its raster at the native resolution; FolderError where there are two, or another tile.

    Files of other resolutions are resampled copies and are left out; a name without resolution is taken as native.
    """
    found: dict[str, str] = {}
    for place in sorted(files):
        parts = _RASTER.fullmatch(PurePosixPath(place).name)
        band_id = _ids().get(parts["name"].upper()) if parts else None
        if parts is None or band_id is None or (parts["gsd"] and int(parts["gsd"]) != _gsd_m(band_id)):
            continue
        if parts["tile"] and parts["tile"].upper() != name.tile:
            raise FolderError(f"{place} is of the tile {parts['tile']}, in a product of {name.tile}. Remove it.")
        if band_id in found:
            raise FolderError(f"{found[band_id]} and {place} are the same band {band_id}. Remove one of them.")
        found[band_id] = place
    return {band_id: found[band_id] for band_id in _ids().values() if band_id in found}


@cache
def _ids() -> dict[str, str]:
    """Name in files, in capitals -> id of the band or layer."""
    names = {band_id: bands.provider_name(band_id, PROVIDER) for band_id in (*bands.BANDS, *bands.LAYERS)}
    return {name.upper(): band_id for band_id, name in names.items() if name}


def _gsd_m(band_id: str) -> int:
    return (bands.LAYERS.get(band_id) or bands.band(band_id)).gsd_m


def _metadata_file(files: Files, name: str) -> str | None:
    """The place of a metadata file, in a product folder or in a granule's; FolderError where there are several."""
    found = sorted(place for place in files if PurePosixPath(place).name.upper() == name.upper())
    if len(found) > 1:
        raise FolderError(f"{found[0]} and {found[1]} are in one product; a product has one granule. Remove one of them.")
    return found[0] if found else None


def _stated(metadata: safe_metadata.ProductMetadata, name: ProductName) -> safe_metadata.ProductMetadata:
    """Metadata that agree with the folder's name; FolderError otherwise."""
    stated_name = (metadata.name or name.id).removesuffix(".SAFE")
    if stated_name != name.id:
        raise FolderError(f"{name.id}: its MTD_{name.product}.xml is of {stated_name}. Give the folder the product's name.")
    if round(metadata.baseline, 2) != round(name.baseline, 2):
        problem = f"its MTD_{name.product}.xml states baseline {metadata.baseline:05.2f}"
        raise FolderError(f"{name.id}: {problem}, its name {name.baseline:05.2f}. Fetch the product anew.")
    return metadata


def _offset_by_baseline(name: ProductName) -> int:
    return bands.S2_OFFSET_DN if name.baseline >= bands.S2_OFFSET_BASELINE else 0
