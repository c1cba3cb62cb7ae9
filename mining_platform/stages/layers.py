"""Stages of the layers beside the mosaic: radar, height and OpenStreetMap context on the region's grid."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, Ref
from mining_platform.graph import active_datasets
from mining_platform.grid_steps import layer_channels
from mining_platform.layer_figures import layer_picture
from mining_platform.layers import layer_name, write_layer
from mining_platform.pipeline import Platform
from mining_platform.stages.files import PREVIEW_FILE
from mining_platform.stages.imagery import blocks_to_compute

TITLES: Mapping[str, str] = {"radar": "Radar", "elevation": "Elevation", "osm_context": "OpenStreetMap context"}
"""Layer, one of regions.LAYERS_BESIDE -> how its picture is called."""


def compose_layer(layer: str, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`<layer>.zarr` in the mosaic's chunks, and a picture of it."""
    region, year = platform.region_year(key)
    channels = layer_channels(layer, region.id, active_datasets(platform.regions))
    reading = platform.beside.open_layer(layer, region, year, channels)
    facts = write_layer(
        out / layer_name(layer),
        region.geobox,
        channels,
        reading.compute,
        blocks=blocks_to_compute(region, inputs),
        simulated=reading.simulated,
        threads=reading.threads,
    )
    title = f"{TITLES[layer]} {year}, {region.name}"
    (out / PREVIEW_FILE).write_bytes(layer_picture(out / layer_name(layer), title))
    return {**reading.facts, **facts}
