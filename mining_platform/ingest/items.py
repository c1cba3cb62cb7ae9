"""The STAC item of a scene that was made from somebody's stack of bands, under Earth Search's asset names."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox
from shapely.geometry import mapping

from mining_platform import bands, scene_collections
from mining_platform.sources.archives.folders import epsg_of, outline_of
from mining_platform.sources.listed_files import multihash

PROVIDER = "earth-search"
SIMULATED_MARK = "SIMULATED"
EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("eo/v1.1.0", "file/v2.1.0", "grid/v1.0.0", "projection/v1.1.0", "raster/v1.1.0", "view/v1.0.0")
)


@dataclass(frozen=True)
class StackScene:
    """What is said of a stack."""

    scene_id: str
    collection: scene_collections.Collection
    acquired: datetime | tuple[datetime, datetime]
    """When, or the first and the last time it may have been."""
    platform: str
    baseline: str | None
    """E.g. `05.09`; None where nobody knows."""
    sun: tuple[float, float] | None
    """Azimuth and elevation in degrees."""
    description: str
    simulated: bool

    @property
    def span(self) -> tuple[datetime, datetime]:
        """First and last time; the same where it is known."""
        return (self.acquired, self.acquired) if isinstance(self.acquired, datetime) else self.acquired


@dataclass(frozen=True)
class StackOffset:
    """What a stack's digital numbers carry."""

    dn: int
    """To be added, 0 or bands.S2_OFFSET_DN."""
    baseline: str
    """What the item says; 00.00 for none."""
    detected: bool
    """Whether the pixels told, for want of a baseline."""
    darkest_dn: Mapping[str, int]
    """offsets.dark_dn by band."""


def asset_name(band_id: str) -> str | None:
    """What the item calls a band; None where Earth Search has no such band."""
    return bands.provider_name(band_id, PROVIDER)


def asset(path: Path, band_id: str, grid: GeoBox, offset: StackOffset) -> dict[str, Any]:
    """The asset of a band's raster, which lies beside the item."""
    row = bands.band(band_id)
    return {
        "href": f"./{path.name}",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": f"{row.role} ({band_id})",
        "roles": ["data", "reflectance"],
        "eo:bands": [{"name": band_id, "center_wavelength": round(row.wavelength_nm / 1000, 4)}],
        "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": row.scale, "offset": round(offset.dn * row.scale, 6)}],
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
        "file:size": path.stat().st_size,
        "file:checksum": multihash(path),
    }


def item(scene: StackScene, grid: GeoBox, assets: Mapping[str, Any], offset: StackOffset) -> dict[str, Any]:
    """The STAC item; its footprint is the whole grid."""
    outline = outline_of(grid)
    corners = [[round(lon, 7), round(lat, 7)] for lon, lat in mapping(outline)["coordinates"][0]]
    sun = {} if scene.sun is None else {"view:sun_azimuth": scene.sun[0], "view:sun_elevation": scene.sun[1]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(EXTENSIONS),
        "id": scene.scene_id,
        "collection": scene.collection.stac.get(PROVIDER, scene.collection.id),
        "bbox": [round(value, 7) for value in outline.bounds],
        "geometry": {"type": "Polygon", "coordinates": [corners]},
        "properties": {
            **_times(scene),
            **sun,
            "title": f"{SIMULATED_MARK} {scene.scene_id}" if scene.simulated else scene.scene_id,
            "description": scene.description,
            "platform": scene.platform,
            "simulated": scene.simulated,
            "proj:epsg": epsg_of(grid),
            "proj:code": f"EPSG:{epsg_of(grid)}",
            "grid:code": f"STACK-{scene.scene_id}",
            "eo:cloud_cover": 0,
            "mining:clouds_unknown": True,
            "s2:processing_baseline": offset.baseline,
            "earthsearch:boa_offset_applied": False,
            "mining:offset_detected": offset.detected,
            "mining:darkest_dn": dict(offset.darkest_dn),
        },
        "assets": dict(assets),
        "links": [],
    }


def _times(scene: StackScene) -> dict[str, str | None]:
    first, last = (time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for time in scene.span)
    if isinstance(scene.acquired, datetime):
        return {"datetime": first}
    return {"datetime": None, "start_datetime": first, "end_datetime": last}
