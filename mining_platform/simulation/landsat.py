"""Simulated Landsat on disk: Collection 2 Level 2 products by their official names, and images of mining sites cut from them.

Layout: Landsat 8-9 and 4-7 Collection 2 Level 2 Science Product Guides. As theirs, products lie in the northern UTM zone; unlike
theirs, they hold the ground around one region only, and their pixels lie on the region's lattice.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from mining_platform.bands import QA_PIXEL, provider_name
from mining_platform.simulation import catalog
from mining_platform.simulation.landsat_metadata import as_json, as_text, metadata
from mining_platform.simulation.landsat_scenes import CLOUD, PIXEL_M, LandsatScene, LandsatSpec, plan_landsat, render_landsat
from mining_platform.simulation.landsat_stacks import SiteWindow, site_windows, write_stack
from mining_platform.simulation.mine_sites import mine_sites
from mining_platform.simulation.places import Place
from mining_platform.simulation.rasters import marked, write_plain_cog

FOLDER, STACKS_FOLDER = "landsat", "landsat_sites"
SOUTHERN_UTM, FALSE_NORTHING_M = range(32701, 32761), 10_000_000
QA_NODATA = 1  # the fill bit alone


def write_landsat(out: Path, place: Place) -> Sequence[dict[str, Any]]:
    """Write products and site images of a place in all its years; a row a file of a site: site, year, path."""
    grid = northern(catalog.scaled(place.canvas, PIXEL_M))
    centre, rows = place.region.geometry.centroid, []
    windows = site_windows(mine_sites(place), (grid.shape[0], grid.shape[1]))
    for year, seen in place.years.items():
        for spec in plan_landsat(place.region.id, year, longitude=centre.x, latitude=centre.y, seed=place.seed):
            scene = render_landsat(spec, seen.ground, seed=place.seed)
            write_product(out / FOLDER / spec.id, spec, scene, grid)
            rows += [_write_stack(out, window, spec, scene, grid) for window in windows]
    return rows


def northern(grid: GeoBox) -> GeoBox:
    """The same pixels in the northern UTM zone, where products of both hemispheres lie; other CRS as they are."""
    epsg = grid.crs.epsg if grid.crs else None
    if epsg is None or epsg not in SOUTHERN_UTM:
        return grid
    return GeoBox(grid.shape, Affine.translation(0, -FALSE_NORTHING_M) * grid.affine, CRS(f"EPSG:{epsg - 100}"))


def file_names(spec: LandsatSpec) -> dict[str, str]:
    """Ending of the file of each role that reflects, of `thermal` and of `quality`."""
    provider = spec.instrument.provider
    named = {role: provider_name(f"L-{role}", provider) or "SR_B1" for role in spec.instrument.roles if role != "coastal"}
    coastal = {"coastal": "SR_B1"} if "coastal" in spec.instrument.roles else {}
    thermal, quality = provider_name("L-thermal", provider), provider_name(QA_PIXEL, provider)
    return coastal | named | {"thermal": thermal or "", "quality": quality or ""}


def write_product(folder: Path, spec: LandsatSpec, scene: LandsatScene, grid: GeoBox) -> None:
    """Write a product's rasters and metadata into a new folder of its name."""
    folder.mkdir(parents=True)
    names = file_names(spec)
    layers = {**scene.reflectance, "thermal": scene.temperature, "quality": scene.quality}
    for role, values in layers.items():
        tags = marked(f"{role} ({names[role]}) of {spec.id}; no real ground")
        path = folder / f"{spec.id}_{names[role]}.TIF"
        write_plain_cog(path, values, grid, nodata=QA_NODATA if role == "quality" else 0, tags=tags)
    cloudy = (scene.quality >> np.uint16(CLOUD)) & 1
    groups = metadata(spec, grid, 100 * float(cloudy.mean()), names)
    (folder / f"{spec.id}_MTL.json").write_text(as_json(groups), encoding="utf-8")
    (folder / f"{spec.id}_MTL.txt").write_text(as_text(groups), encoding="utf-8")


def _write_stack(out: Path, window: SiteWindow, spec: LandsatSpec, scene: LandsatScene, grid: GeoBox) -> dict[str, Any]:
    path = out / STACKS_FOLDER / window.name / f"{spec.id}.tif"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stack(path, scene, grid, window)
    return {"site": window.name, "year": spec.sensed.year, "path": path.relative_to(out).as_posix()}
