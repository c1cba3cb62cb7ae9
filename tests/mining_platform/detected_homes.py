"""A home with the detections and mosaics of one tiny region, pixel by pixel, whose changes are made by the real stage."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio

from mining_platform import changes, detections
from mining_platform.artifacts import Artifact, ArtifactStore, Produced, Ref, open_artifact, produce
from mining_platform.detection_maps import MASK_NAME, mask_polygons
from mining_platform.monitoring_steps import monitoring_steps
from mining_platform.mosaic_arrays import MOSAIC_NAME
from mining_platform.pipeline import Platform, ref
from mining_platform.region_files import load_regions
from mining_platform.reviews.detection_desks import DetectionDesk, DetectionProposal, open_detection_desk, take_down_detections
from mining_platform.reviews.detection_publishing import publish_detection_reviews
from mining_platform.stages.monitoring import compare_years
from tests.conftest import ROOT
from tests.mining_platform.scored_mosaics import grid, write_mosaic
from tests.synthetic import EPSG

REGION = "sim-igarape"
SIZE = 192  # pixels of 10 m
Box = tuple[int, int, int, int]
"""First and last row, first and last column, ends excluded."""
OLD, PIT, SANDBANK = (0, 20, 0, 20), (100, 130, 100, 130), (40, 60, 140, 180)
"""4, 9 and 8 ha."""


def platform_at(home: Path) -> Platform:
    """An installation of one region that is followed from 2022 to 2024."""
    region = replace(load_regions(ROOT / "regions.geojson")[REGION], years=(2022, 2023, 2024), epsg=EPSG)
    return Platform(home, {REGION: region}, ArtifactStore(home / "artifacts"), None, None)  # type: ignore[arg-type]


def find(platform: Platform, year: int, *boxes: Box) -> Produced:
    """Publish detections of a year."""

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        values = np.zeros((SIZE, SIZE), np.uint8)
        for top, bottom, left, right in boxes:
            values[top:bottom, left:right] = 1
        place = {"crs": f"EPSG:{EPSG}", "transform": grid(SIZE, SIZE).affine}
        with rasterio.open(
            out / MASK_NAME, "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="uint8", **place
        ) as raster:
            raster.write(values, 1)
        mask_polygons(out / MASK_NAME, None, simulated=True).to_parquet(out / detections.PARQUET_NAME, index=False)
        return {"simulated": True}

    told = {"boxes": [list(each) for each in boxes]}
    return produce(platform.artifacts, ref("detections", REGION, year), inputs=(), code_version="1", config=told, compute=compute)


def photograph(platform: Platform, year: int, brightness: int) -> Produced:
    """Publish a mosaic of one shade."""

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        write_mosaic(out / MOSAIC_NAME, np.full((3, SIZE, SIZE), brightness, np.uint16), simulated=True)
        return {"simulated": True}

    return produce(
        platform.artifacts,
        ref("mosaic", REGION, year),
        inputs=(),
        code_version="1",
        config={"shade": brightness},
        compute=compute,
    )


def compare(platform: Platform, year: int) -> Artifact:
    """Make the changes of a year as things stand."""
    steps = {step.asset: step for step in monitoring_steps(platform.regions)}
    key, step = f"{REGION}|{year}", steps["changes"]
    made = produce(
        platform.artifacts,
        Ref("changes", key),
        inputs=step.inputs(platform, key),
        code_version=step.version,
        config=step.config(platform, key),
        compute=partial(compare_years, platform, key),
    )
    return open_artifact(platform.artifacts, made.ref)


def places(changed: Artifact, name: str = changes.NEW_NAME) -> gpd.GeoDataFrame:
    return gpd.read_parquet(changed.path / name)


def id_of(box: Box) -> str:
    left, top = grid(SIZE, SIZE).affine * (box[2], box[0])
    return f"{EPSG}_{left:.0f}_{top:.0f}"


def desk_of(platform: Platform, year: int, asset: str = "changes") -> DetectionDesk:
    return open_detection_desk(platform, platform.regions[REGION], year, asset)


def decide(platform: Platform, year: int, box: Box, decision: str, *, later: str = "", asset: str = "changes") -> None:
    """Take a decision of Ana's down, and publish it."""
    reason = "a sandbank" if decision == "reject" else ""
    proposal = DetectionProposal(id_of(box), decision, later, "Ana", reason)
    take_down_detections(desk_of(platform, year, asset), [proposal])
    publish_detection_reviews(platform, REGION, year)
