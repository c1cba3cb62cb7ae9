"""Stages of the group `imagery`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from mining_platform import mosaic_arrays, mosaic_quality, mosaics
from mining_platform.artifacts import Artifact, Ref
from mining_platform.chunks import Block, blocks_of_windows
from mining_platform.compositing.recipes import mosaic_recipe
from mining_platform.datasets import mining_codes
from mining_platform.labels.mapbiomas import LABEL_NAME
from mining_platform.mosaic_figures import mosaic_picture, quality_picture
from mining_platform.pipeline import Platform
from mining_platform.regions import Region, required_scenes
from mining_platform.stages.files import PREVIEW_FILE, QUALITY_FILE, SAMPLE_FILE, SCENES_FILE
from mining_platform.store import durable

EVIDENCE = (
    *("remnant_score", "remnant_fences", "ground_hot_dn", "dark_dn", "floor_share"),
    *("gap_share", "clear_count_median", "recipe"),
)
"""Facts of a mosaic that tell how good it is."""


def list_scenes(platform: Platform, key: str, _inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`scenes.parquet`: the year's scenes."""
    region, year = platform.region_year(key)
    table = platform.scenes.list_scenes(region, year)
    table.to_parquet(out / SCENES_FILE, index=False)
    return {
        "scene_count": len(table),
        "first": str(table["datetime"].min().date()),
        "last": str(table["datetime"].max().date()),
        "mean_cloud_pct": round(float(table["cloud_pct"].mean()), 3),
        "baselines": sorted({float(value) for value in table["baseline"]}),
        "simulated": bool(table["simulated"].any()),
    }


def blocks_to_compute(region: Region, inputs: Mapping[Ref, Artifact]) -> list[Block] | None:
    """Chunks that the samples among the inputs touch; None, for all, where the region's coverage is full."""
    if region.coverage == "full":
        return None
    samples = [artifact.path / SAMPLE_FILE for ref, artifact in inputs.items() if ref.asset.endswith("/sample")]
    bounds = [gpd.read_parquet(path)[["minx", "miny", "maxx", "maxy"]].to_numpy() for path in samples]
    return blocks_of_windows(region.geobox, np.concatenate(bounds)) if bounds else []


def compose_mosaic(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`mosaic.zarr` by the region's recipe, evidence about it, and a picture of it; of unfinished work only that is kept."""
    region, year = platform.region_year(key)
    scenes = required_scenes(region)
    for left in out.iterdir():
        if left.name != mosaic_arrays.MOSAIC_NAME:
            durable.remove(left)
    facts = mosaics.compose(
        region,
        gpd.read_parquet(inputs[Ref("scenes", key)].path / SCENES_FILE),
        scenes.channels,
        out,
        recipe=mosaic_recipe(scenes.recipe),
        blocks=blocks_to_compute(region, inputs),
        source=platform.scenes,
        compute=platform.compute,
    )
    (out / PREVIEW_FILE).write_bytes(mosaic_picture(out / mosaic_arrays.MOSAIC_NAME, f"Mosaic {year}, {region.name}"))
    return {**facts, **mosaic_quality.evidence(out / mosaic_arrays.MOSAIC_NAME)}


def judge_mosaic(platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`quality.json`: what clouds are left in the mosaic and what bright soil its mask took, and a picture of where."""
    region, year = platform.region_year(key)
    mosaic, label = inputs[Ref("mosaic", key)], inputs.get(Ref("label", key))
    facts = {name: mosaic.facts[name] for name in EVIDENCE}
    if label is not None:
        codes = mining_codes(region.id)
        facts |= mosaic_quality.bright_soil_loss(mosaic.path / mosaic_arrays.MOSAIC_NAME, label.path / LABEL_NAME, codes)
    (out / QUALITY_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    picture = quality_picture(mosaic.path / mosaic_arrays.MOSAIC_NAME, facts, f"Evidence {year}, {region.name}")
    (out / PREVIEW_FILE).write_bytes(picture)
    return facts
