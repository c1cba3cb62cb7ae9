"""Stages of the group `labels`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, Ref
from mining_platform.label_figures import label_picture, land_cover_picture
from mining_platform.labels import mapbiomas
from mining_platform.pipeline import Platform
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.stages.files import PREVIEW_FILE
from mining_platform.stages.imagery import blocks_to_compute


def clip_land_cover(platform: Platform, key: str, _inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`land_cover.tif`: the year's map on its native grid, and a picture of it."""
    region, year = platform.region_year(key)
    facts = platform.land_covers.read_land_cover(region, year, out)
    title = f"Land cover {year}, {region.name}"
    (out / PREVIEW_FILE).write_bytes(land_cover_picture(out / LAND_COVER_FILE, title=title, simulated=bool(facts["simulated"])))
    return facts


def label_grid(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`label.zarr`: class codes on the mosaic's grid and chunks, and a picture of them."""
    region, year = platform.region_year(key)
    land_cover = inputs[Ref("land_cover", key)].path / LAND_COVER_FILE
    facts = mapbiomas.label_on_grid(land_cover, region.geobox, out, blocks=blocks_to_compute(region, inputs))
    title = f"Label {year}, {region.name}"
    (out / PREVIEW_FILE).write_bytes(label_picture(out / mapbiomas.LABEL_NAME, title=title, simulated=bool(facts["simulated"])))
    return facts
