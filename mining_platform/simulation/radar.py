"""Simulated Sentinel-1 on disk, in the layout of Planetary Computer's `sentinel-1-rtc`: a static STAC catalogue of COGs.

https://planetarycomputer.microsoft.com/dataset/sentinel-1-rtc: linear gamma nought, float32, an asset a polarisation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from odc.geo.geobox import GeoBox

from mining_platform.bands import BANDS
from mining_platform.simulation import catalog
from mining_platform.simulation.places import Place
from mining_platform.simulation.radar_scenes import LOOKS, NODATA, PIXEL_M, RadarSpec, plan_radar, render_radar
from mining_platform.simulation.rasters import marked, write_plain_cog
from mining_platform.simulation.stac_documents import COG, item_document
from mining_platform.simulation.static_catalogs import FILE, PROJECTION, RASTER, file_fields, write_catalog, write_item

FOLDER, COLLECTION = "radar", "sentinel-1-rtc"
_EXTENSIONS = (
    "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    PROJECTION,
    RASTER,
    FILE,
)
_TITLES = {
    "VV": "VV: vertical transmit, vertical receive",
    "VH": "VH: vertical transmit, horizontal receive",
}


def write_radar(out: Path, place: Place) -> Sequence[dict[str, Any]]:
    """Write the scenes of a place in all its years, and return their items."""
    grid = catalog.scaled(place.canvas, PIXEL_M)
    latitude, items = place.region.geometry.centroid.y, []
    for year, seen in place.years.items():
        for spec in plan_radar(place.region.id, year, latitude=latitude, seed=place.seed):
            folder = out / FOLDER / COLLECTION / spec.id
            folder.mkdir(parents=True)
            assets = {}
            for name, values in render_radar(spec, seen.ground, seed=place.seed).items():
                path = folder / f"{spec.id}_{name}.tif"
                write_plain_cog(path, values, grid, nodata=NODATA, tags=_tags(spec, name))
                assets[BANDS[f"S1-{name}"].providers["planetary-computer"]] = _asset(path, name)
            outline = catalog.seen_outline(spec.swath, place.canvas, spec.region_id)
            properties = _properties(spec, grid)
            item = item_document(folder.name, COLLECTION, outline, properties, assets, extensions=_EXTENSIONS)
            items.append(write_item(folder, item))
    return items


def finish_radar(out: Path, items: Sequence[dict[str, Any]]) -> None:
    """Write the catalogue of the items."""
    title = "Sentinel-1 scenes in the layout of sentinel-1-rtc"
    write_catalog(out / FOLDER, COLLECTION, items, title=title, licence="Apache-2.0")


def _tags(spec: RadarSpec, polarisation: str) -> dict[str, str]:
    """What a file tells without its item, where it is taken out of the catalogue."""
    text = f"Sentinel-1 gamma nought {polarisation} of {spec.id}, linear power; no real ground"
    told = {"polarisation": polarisation, "unit": "linear", "datetime": _time(spec), "orbit": spec.flown.orbit}
    return marked(text) | told


def _time(spec: RadarSpec) -> str:
    return spec.sensed.strftime("%Y-%m-%dT%H:%M:%SZ")


def _asset(path: Path, polarisation: str) -> dict[str, Any]:
    return {
        "type": COG,
        "title": f"{_TITLES[polarisation]}, SIMULATED",
        "description": "Gamma nought in linear power under the speckle of four looks; slopes are ignored.",
        "roles": ["data"],
        "raster:bands": [{"nodata": NODATA, "data_type": "float32", "spatial_resolution": float(PIXEL_M)}],
        **file_fields(path),
    }


def _properties(spec: RadarSpec, grid: GeoBox) -> dict[str, Any]:
    bounds, epsg = grid.boundingbox, grid.crs.epsg if grid.crs else None
    return {
        "datetime": _time(spec),
        "platform": "SENTINEL-1A",
        "constellation": "Sentinel-1",
        "proj:epsg": epsg,
        "proj:code": f"EPSG:{epsg}",
        "proj:bbox": [bounds.left, bounds.bottom, bounds.right, bounds.top],
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.affine)[:6],
        "s1:processing_level": "1",
        "s1:resolution": "high",
        "s1:shape": [grid.shape[1], grid.shape[0]],
        "sar:center_frequency": 5.405,
        "sar:frequency_band": "C",
        "sar:instrument_mode": "IW",
        "sar:looks_azimuth": 1,
        "sar:looks_equivalent_number": LOOKS,
        "sar:looks_range": 5,
        "sar:observation_direction": "right",
        "sar:pixel_spacing_azimuth": PIXEL_M,
        "sar:pixel_spacing_range": PIXEL_M,
        "sar:polarizations": list(_TITLES),
        "sar:product_type": "GRD",
        "sar:resolution_azimuth": 22,
        "sar:resolution_range": 20,
        "sat:orbit_state": spec.flown.orbit,
        "sat:relative_orbit": spec.flown.relative_orbit,
    }
