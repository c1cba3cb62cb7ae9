"""Stages of the group `imagery`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from mining_platform import bands, mosaics
from mining_platform.artifacts import Artifact, Ref
from mining_platform.chunks import Block, blocks_of_windows
from mining_platform.mosaic_figures import mosaic_picture
from mining_platform.pipeline import Platform
from mining_platform.regions import Region
from mining_platform.stages.files import PREVIEW_FILE, SAMPLE_FILE, SCENES_FILE


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
    """`mosaic.zarr`: the median of clear observations, and a picture of it."""
    region, year = platform.region_year(key)
    scenes = gpd.read_parquet(inputs[Ref("scenes", key)].path / SCENES_FILE)
    facts = mosaics.compose(
        region,
        scenes,
        bands.PROFILES["s2-12"].channels,
        out,
        blocks=blocks_to_compute(region, inputs),
        source=platform.scenes,
    )
    (out / PREVIEW_FILE).write_bytes(mosaic_picture(out / mosaics.MOSAIC_NAME, f"Mosaic {year}, {region.name}"))
    return facts
