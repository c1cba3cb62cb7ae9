"""STAC documents of the simulated scenes: catalogue, collection and items with the asset names of Earth Search v1."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely import affinity
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from mining_platform import grids
from mining_platform.bands import BANDS, CLOUD_PROBABILITY, LAYERS, SCL
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.sky import swath_half_plane
from mining_platform.simulation.stac_documents import COG, catalog_document, collection_document, item_document

COLLECTION = "sentinel-2-l2a"
PROVIDER = "earth-search"
SCL_ASSET, CLOUD_ASSET = (LAYERS[layer].providers[PROVIDER] for layer in (SCL, CLOUD_PROBABILITY))
EXTENSIONS = (
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.0.0/schema.json",
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/view/v1.0.0/schema.json",
)
_SCL_SHARES = {
    "s2:cloud_shadow_percentage": 3,
    "s2:vegetation_percentage": 4,
    "s2:not_vegetated_percentage": 5,
    "s2:water_percentage": 6,
    "s2:unclassified_percentage": 7,
    "s2:medium_proba_clouds_percentage": 8,
    "s2:high_proba_clouds_percentage": 9,
    "s2:thin_cirrus_percentage": 10,
}


def band_asset(band_id: str, geobox: GeoBox, added_dn: int) -> dict[str, Any]:
    """Asset fields of one band on its own grid, without href, size and checksum."""
    row = BANDS[band_id]
    grid = scaled(geobox, row.gsd_m)
    return {
        "type": COG,
        "title": f"{row.role} ({band_id}), SIMULATED",
        "roles": ["data", "reflectance"],
        "gsd": row.gsd_m,
        "eo:bands": [{"name": band_id, "center_wavelength": round(row.wavelength_nm / 1000, 4)}],
        "raster:bands": [_raster_band(row.gsd_m, "uint16") | {"scale": row.scale, "offset": round(-added_dn * row.scale, 6)}],
        **_grid_fields(grid),
    }


def layer_asset(title: str, geobox: GeoBox, role: str) -> dict[str, Any]:
    """Asset fields of a 20 m layer of bytes, such as the scene classification."""
    return {
        "type": COG,
        "title": f"{title}, SIMULATED",
        "roles": ["data", role],
        "gsd": 20,
        "raster:bands": [_raster_band(20, "uint8")],
        **_grid_fields(scaled(geobox, 20)),
    }


def _raster_band(gsd_m: int, data_type: str) -> dict[str, Any]:
    return {"data_type": data_type, "nodata": 0, "spatial_resolution": gsd_m}


def _grid_fields(grid: GeoBox) -> dict[str, Any]:
    return {"proj:shape": list(grid.shape), "proj:transform": list(grid.affine)[:6]}


def scaled(geobox: GeoBox, gsd_m: int) -> GeoBox:
    """The same ground in pixels of `gsd_m`; the 10 m sides must divide."""
    return geobox.zoom_out(gsd_m / grids.PIXEL_M)


def footprint(spec: SceneSpec, geobox: GeoBox) -> BaseGeometry:
    """Outline in EPSG:4326 of the ground that the scene shows."""
    return seen_outline(spec.swath, geobox, spec.region_id)


def seen_outline(swath: tuple[float, int] | None, geobox: GeoBox, region_id: str) -> BaseGeometry:
    """Outline in EPSG:4326 of a canvas, or of what a swath (SceneSpec.swath) shows of it."""
    rows, columns = geobox.shape[0] // 2, geobox.shape[1] // 2
    area: BaseGeometry = box(0, 0, columns, rows)
    if swath is not None:
        a, b, c = swath_half_plane((rows, columns), *swath)
        far = -1e5 if a > 0 else 1e5
        area = area.intersection(Polygon([(far, 0), ((c - b * 0) / a, 0), ((c - b * rows) / a, rows), (far, rows)]))
    affine = scaled(geobox, 20).affine
    ground = affinity.affine_transform(area, [affine.a, affine.b, affine.d, affine.e, affine.c, affine.f])
    epsg = geobox.crs.epsg if geobox.crs else None
    if epsg is None:
        raise ValueError(f"The canvas of {region_id} has no EPSG code; give the region an 'epsg' in regions.geojson.")
    return grids.project(ground.segmentize(2000), epsg, 4326)


def item(spec: SceneSpec, geobox: GeoBox, scl: NDArray[np.uint8], assets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The STAC item of an L2A scene; shares are computed from its scene classification. All links are relative."""
    seen = max(int((scl != 0).sum()), 1)
    shares = {name: round(100 * float((scl == code).sum()) / seen, 4) for name, code in _SCL_SHARES.items()}
    cloudy, unseen = float(np.isin(scl, (8, 9, 10)).sum()) / seen, float((scl == 0).mean())
    properties = {
        "title": f"SIMULATED Sentinel-2 L2A scene {spec.id}",
        "s2:product_type": "S2MSI2A",
        **scene_properties(spec, geobox, cloudy_share=cloudy, unseen_share=unseen),
        **shares,
    }
    return item_document(spec.id, COLLECTION, footprint(spec, geobox), properties, assets, extensions=EXTENSIONS)


def scene_properties(spec: SceneSpec, geobox: GeoBox, *, cloudy_share: float, unseen_share: float) -> dict[str, Any]:
    """What the items of all levels say: of the clouds over what is seen, and of what the swath leaves out, shares of 0 to 1."""
    epsg = geobox.crs.epsg if geobox.crs else None
    return {
        "datetime": spec.sensed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "platform": spec.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        "proj:epsg": epsg,
        "proj:code": f"EPSG:{epsg}",
        "eo:cloud_cover": round(100 * cloudy_share, 4),
        "view:sun_azimuth": round(spec.sun[0], 4),
        "view:sun_elevation": round(spec.sun[1], 4),
        "grid:code": f"SIM-{spec.region_id}",
        "s2:mgrs_tile": f"SIM-{spec.region_id}",
        "s2:processing_baseline": spec.baseline,
        "s2:nodata_pixel_percentage": round(100 * unseen_share, 4),
        "earthsearch:boa_offset_applied": False,
    }


def collection(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The collection of the items, in the order of their ids."""
    return collection_document(
        COLLECTION,
        items,
        title="SIMULATED Sentinel-2 Level-2A scenes",
        description="SIMULATED scenes in the layout of Earth Search v1, made by a computer; no real ground is shown.",
        license="Apache-2.0",
        keywords=["simulated", "sentinel-2"],
    )


def root() -> dict[str, Any]:
    """The catalogue above the collection."""
    description = "SIMULATED satellite scenes in real formats; no real ground is shown."
    return catalog_document("mining-platform-simulated", COLLECTION, title="SIMULATED archive", description=description)
