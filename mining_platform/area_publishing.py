"""Publishing the mining area of a region and year that people estimated from a reviewed sample, for its report to tell."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from shapely import intersects_xy

from mining_platform.artifacts import Artifact, Json, Produced, Ref, open_artifact, produce
from mining_platform.evaluations.review_windows import SHARE
from mining_platform.pipeline import Platform, ref
from mining_platform.regions import Region
from mining_platform.store import digests

AREA_ASSET, AREA_VERSION = "detections/area", "1"
SAMPLE_FILE, AREA_FILE = "sample.csv", "area.json"
ROOM_DEG = 0.02
"""How far outside of a region's outline the middle of a window may lie: grids are whole pixels, and cover the outline's box."""


def area_ref(region_id: str, year: int) -> Ref:
    """Where the estimated area of a region and year is published."""
    return ref(AREA_ASSET, region_id, year)


def detections_map(platform: Platform, region_id: str, year: int) -> Path:
    """The published map that a sample of a region's ground is drawn from: scores of a model, else the mask of its land cover.

    MissingArtifact where there are no detections.
    """
    from mining_platform import detection_maps, detections

    found = open_artifact(platform.artifacts, ref("detections", region_id, year))
    scores = found.path / detections.MAP_NAME
    return scores if scores.exists() else found.path / detection_maps.MASK_NAME


def publish_area(
    platform: Platform, region_id: str, year: int, sample: pd.DataFrame, estimate: Mapping[str, Any], *, reviewer: str
) -> Produced:
    """Publish an estimate with the reviewed sample that it rests on: SAMPLE_FILE and AREA_FILE, the facts.

    `sample` and `estimate` as `area_estimates.estimated_area` takes and gives them; the sample has lon and lat of its windows,
    degrees. May be repeated: of the same sample and reviewer nothing is made. ValueError where the region is not monitored in
    that year, the sample is not of its ground, or the reviewer has no name.
    """
    region = _monitored(platform, region_id, year)
    _check_place(region, sample)
    if not reviewer.strip() or not reviewer.isprintable():
        raise ValueError("The estimate lacks a reviewer. Name who looked at the windows by --reviewer.")
    content = sample.sort_values("window_id").to_csv(index=False, lineterminator="\n")

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        facts = {**estimate, "reviewer": reviewer.strip(), "year": year, "simulated": region.simulated}
        (out / SAMPLE_FILE).write_text(content, encoding="utf-8")
        (out / AREA_FILE).write_text(json.dumps(facts, sort_keys=True, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        return {name: value for name, value in facts.items() if name not in ("strata", "accuracy", "notes")}

    rests_on: dict[str, Json] = {"reviewer": reviewer.strip(), "sample": digests.digest_of(content.encode())}
    where = area_ref(region_id, year)
    return produce(platform.artifacts, where, inputs=(), code_version=AREA_VERSION, config=rests_on, compute=compute)


def _monitored(platform: Platform, region_id: str, year: int) -> Region:
    region = platform.regions.get(region_id)
    if region is None or region.monitoring is None or year not in region.years:
        known = ", ".join(sorted(each.id for each in platform.regions.values() if each.monitoring and year in each.years))
        raise ValueError(f"Region {region_id!r} is not monitored in {year}. Monitored then: {known or 'none'}.")
    return region


def _check_place(region: Region, sample: pd.DataFrame) -> None:
    """ValueError where the sample does not tell where its windows are, or they are of other ground."""
    if not {"lon", "lat", SHARE} <= set(sample):
        raise ValueError(
            "The sample does not tell where its windows are (lon, lat). Draw it by `area sample` from the map of the region."
        )
    ground = region.geometry.envelope.buffer(ROOM_DEG)
    outside = ~intersects_xy(ground, np.asarray(sample["lon"], float), np.asarray(sample["lat"], float))
    if outside.any():
        first = sample["window_id"][outside].iloc[0]
        raise ValueError(
            f"{int(outside.sum())} windows lie outside of {region.id}, first {first}. Name the region whose map they are of."
        )
