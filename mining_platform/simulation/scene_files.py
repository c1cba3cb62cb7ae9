"""A simulated Sentinel-2 L2A scene on disk: a folder of COGs and the STAC item named after it; bands as all levels have them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from mining_platform.bands import BANDS
from mining_platform.simulation import catalog, painting, rasters, scenes
from mining_platform.simulation.calendar import SceneSpec
from mining_platform.simulation.stac_documents import write_json
from mining_platform.simulation.static_catalogs import file_fields


def write_scene(folder: Path, spec: SceneSpec, ground: painting.Ground, geobox: GeoBox, seed: int) -> dict[str, Any]:
    """Make one L2A scene, write its files and item into a new folder, and return the item."""
    folder.mkdir(parents=True)
    scene = scenes.render(spec, ground, seed=seed)
    assets = write_bands(folder, spec, scene.bands, geobox)
    layers: tuple[tuple[str, str, NDArray[np.uint8], str, str], ...] = (
        (catalog.SCL_ASSET, "SCL", scene.scl, "Scene classification", "classification"),
        (catalog.CLOUD_ASSET, "CLD", scene.cloud_probability, "Cloud probability in per cent", "cloud"),
    )
    for key, name, layer, title, role in layers:
        assets[key] = catalog.layer_asset(title, geobox, role) | _write_layer(folder, name, layer, geobox, spec)
    document = catalog.item(spec, geobox, scene.scl, assets)
    write_json(folder / f"{spec.id}.json", document)
    return document


def write_bands(
    folder: Path, spec: SceneSpec, bands: Mapping[str, NDArray[np.uint16]], geobox: GeoBox
) -> dict[str, dict[str, Any]]:
    """Write the bands of a scene into its folder and return their assets by Earth Search's names."""
    assets = {}
    for band_id, values in bands.items():
        fields = catalog.band_asset(band_id, geobox, spec.added_dn)
        assets[BANDS[band_id].providers[catalog.PROVIDER]] = fields | _write_layer(folder, band_id, values, geobox, spec)
    return assets


def _write_layer(
    folder: Path, name: str, values: NDArray[np.uint8] | NDArray[np.uint16], geobox: GeoBox, spec: SceneSpec
) -> dict[str, Any]:
    path = folder / f"{name}.tif"
    gsd_m = geobox.shape[0] * 10 // values.shape[0]
    grid = catalog.scaled(geobox, gsd_m)
    rasters.write_cog(path, values, grid, description=f"{name} of {spec.id}; no real ground")
    return file_fields(path)
