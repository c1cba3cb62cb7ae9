"""Stages of a dataset's family: from candidate windows to the published package."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform import bands, figures, grids, patches, proportions, sampling, splits
from mining_platform.artifacts import Artifact, Ref
from mining_platform.datasets import RANGES, Dataset, caveat
from mining_platform.labels.mapbiomas import LABEL_NAME
from mining_platform.labels.recipes import RECIPES
from mining_platform.manifests import PartitionSources, build_manifest
from mining_platform.mosaics import MOSAIC_NAME
from mining_platform.packages.proportion_ranges import write_package
from mining_platform.pipeline import Platform, key_parts
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.split_figures import split_figure
from mining_platform.stages.files import (
    CANDIDATES_FILE,
    MANIFEST_FILE,
    PREVIEW_FILE,
    QUOTAS_FILE,
    SAMPLE_FILE,
    SHORTAGE_FILE,
    SPLITS_FILE,
)

LAND_COVER_CREDITS = {
    "simulated": "Land cover: SIMULATED by this software, no real place is shown.",
    "mapbiomas": "Land cover: Project MapBiomas, Collection {}, CC BY 4.0.",
    "earth_engine": "Land cover: Project MapBiomas, Collection {}, CC BY 4.0.",
    "polygons": "Labels: polygons of {}, under the terms of their authors.",
}
"""Credit of a region's labels by source; `{}` stands for the collection."""
SCENE_CREDITS = {
    "simulated": "Scenes: SIMULATED by this software, no satellite image is shown.",
    "sentinel-2": "Scenes: contains modified Copernicus Sentinel data, free and open access.",
    "landsat": "Scenes: Landsat data courtesy of the U.S. Geological Survey, public domain.",
}
SHEET_PER_RANGE = 3  # pictures of each range on the contact sheet


def of_stage(inputs: Mapping[Ref, Artifact], stage: str) -> dict[str, Artifact]:
    """The inputs whose asset ends in a stage's name, by the first part of the partition key (region or year), sorted."""
    found = {
        key_parts(ref.partition)[0] or ref.partition: artifact
        for ref, artifact in inputs.items()
        if ref.asset.split("/")[-1] == stage
    }
    return dict(sorted(found.items()))


def find_candidates(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`candidates.parquet`: windows with shares, ranges and eligibility."""
    region, year = platform.region_year(key)
    table, facts = proportions.candidates(
        inputs[Ref("land_cover", key)].path / LAND_COVER_FILE,
        grids.window_grid(region.geobox, dataset.px),
        RECIPES[dataset.recipe].mining_codes,
        region_id=region.id,
        year=year,
        min_valid_share=dataset.min_valid_share,
        zero_count=dataset.zero_candidates,
        seed=dataset.seed,
        outline=region.geometry,
    )
    table.to_parquet(out / CANDIDATES_FILE, index=False)
    return facts


def share_quotas(dataset: Dataset, _platform: Platform, _key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`quotas.parquet` and `shortage.csv`: windows per range and region, and what is lacking."""
    found = of_stage(inputs, "candidates")
    columns = ["region", "range", "eligible"]
    tables = [pd.read_parquet(artifact.path / CANDIDATES_FILE, columns=columns) for artifact in found.values()]
    counts = sampling.count_table(pd.concat(tables), list(found))
    table = sampling.quotas(counts, dataset.quotas, dataset.regions)
    table.to_parquet(out / QUOTAS_FILE, index=False)
    shortage = sampling.shortage(table)
    shortage.to_csv(out / SHORTAGE_FILE, index=False)
    return {
        "regions": list(found),
        "left_out": sampling.missing_regions(counts, dataset.regions),
        "wanted": int(shortage["wanted"].sum()),
        "taken": int(shortage["taken"].sum()),
        "shortage": shortage.to_dict("records"),
    }


def draw_sample(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`sample.parquet`: the chosen windows."""
    region, year = platform.region_year(key)
    candidates = gpd.read_parquet(inputs[Ref(f"{dataset.id}/candidates", key)].path / CANDIDATES_FILE)
    quota_table = pd.read_parquet(inputs[Ref(f"{dataset.id}/quotas", str(year))].path / QUOTAS_FILE)
    chosen = sampling.sample(candidates, sampling.region_quota(quota_table, region.id))
    chosen.to_parquet(out / SAMPLE_FILE, index=False)
    counts = chosen["range"].value_counts()
    return {"windows": len(chosen), "by_range": {name: int(counts.get(name, 0)) for name in RANGES}}


def cut_patches(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`patches.zarr` and its index, and a contact sheet."""
    region, year = platform.region_year(key)
    windows = gpd.read_parquet(inputs[Ref(f"{dataset.id}/sample", key)].path / SAMPLE_FILE)
    channels = bands.PROFILES[dataset.profile].channels
    index, facts = patches.write_store(
        windows,
        year,
        inputs[Ref("mosaic", key)].path / MOSAIC_NAME,
        inputs[Ref("label", key)].path / LABEL_NAME,
        out,
        channels=channels,
        recipe=dataset.recipe,
        px=dataset.px,
        max_masked_share=dataset.max_masked_share,
    )
    simulated = any(artifact.facts.get("simulated") for artifact in inputs.values())
    shares = index.merge(windows[["window_id", "range", "share"]], on="window_id")
    sheet = range_sheet(out, shares, f"{region.name}, {year}{caveat(dataset)}", simulated)
    (out / PREVIEW_FILE).write_bytes(sheet)
    return facts


def range_sheet(store: Path, index: pd.DataFrame, place: str, simulated: bool) -> bytes:
    """Contact sheet: a few stored patches of each range, in order of mining share."""
    stored = index[~index["dropped"]]
    chosen = stored.groupby("range").head(SHEET_PER_RANGE).sort_values(["share", "patch_id"])
    colours = bands.PROFILES["rgb"].channels
    images = patches.read_images(store, chosen["row"].to_numpy(), colours)
    pictures = [figures.rgb_uint8(image, colours) for image in images]
    titles = [f"{share:.0%} mining" for share in chosen["share"]]
    return figures.contact_sheet(pictures, titles, title=f"Patches by mining share: {place}", simulated=simulated)


def samples_of(inputs: Mapping[Ref, Artifact]) -> pd.DataFrame:
    """The samples of all regions in one table."""
    return pd.concat([gpd.read_parquet(artifact.path / SAMPLE_FILE) for artifact in of_stage(inputs, "sample").values()])


def part_windows(dataset: Dataset, _platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`splits.parquet` and a map of the splits."""
    windows = samples_of(inputs)
    table = splits.block_split(windows, dataset.split)
    conflicts = splits.footprint_conflicts(table, dataset.split.buffer_m)
    if not conflicts.empty:
        worst = conflicts.iloc[0].to_dict()
        raise ValueError(
            f"{dataset.id} {key}: {len(conflicts)} pairs of windows in different splits share ground, first {worst}."
        )
    table.to_parquet(out / SPLITS_FILE, index=False)
    placed = windows[["window_id", "region", "range"]].merge(table, on="window_id", validate="one_to_one")
    simulated = any(artifact.facts.get("simulated") for artifact in inputs.values())
    (out / PREVIEW_FILE).write_bytes(split_figure(placed, f"Splits of {dataset.id}, {key}{caveat(dataset)}", simulated))
    summary = splits.split_summary(placed)
    return {
        "windows": len(table),
        "blocks": int(table["block"].nunique()),
        "by_split": {str(name): int(count) for name, count in sorted(table["split"].value_counts().items())},
        "by_split_and_range": summary[["split", "range", "count"]].to_dict("records"),
        "conflicts": 0,
        "buffer_m": dataset.split.buffer_m,
    }


def list_patches(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`manifest.parquet`: the patch table of the release."""
    stores = of_stage(inputs, "patches")
    manifest = build_manifest(
        samples_of(inputs),
        pd.concat([patches.read_index(artifact.path) for artifact in stores.values()]),
        pd.read_parquet(of_stage(inputs, "splits")[key].path / SPLITS_FILE),
        sources=partition_sources(platform, int(key), inputs, stores),
        recipe=dataset.recipe,
        profile=dataset.profile,
    )
    manifest.to_parquet(out / MANIFEST_FILE, index=False)
    return {
        "patches": len(manifest),
        "dropped": int(manifest["dropped"].sum()),
        "mining": int(manifest["is_mining"].sum()),
        "by_split": {str(name): int(count) for name, count in sorted(manifest["split"].value_counts().items())},
        "by_range": {name: int((manifest["range"] == name).sum()) for name in RANGES},
        "regions": list(stores),
    }


def partition_sources(
    platform: Platform, year: int, inputs: Mapping[Ref, Artifact], region_ids: Iterable[str]
) -> dict[tuple[str, int], PartitionSources]:
    """What the patches of each region rest on, from the facts of their inputs."""
    covers, scenes, stores = (of_stage(inputs, stage) for stage in ("land_cover", "scenes", "patches"))
    return {
        (region_id, year): PartitionSources(
            country=platform.regions[region_id].country,
            label_collection=str(covers[region_id].facts["collection"]),
            scene_count=int(scenes[region_id].facts["scene_count"]),
            simulated=bool(stores[region_id].facts.get("simulated", False)),
        )
        for region_id in region_ids
    }


def write_release(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """The package as published."""
    stores, covers = of_stage(inputs, "patches"), of_stage(inputs, "land_cover")
    colours = bands.PROFILES["rgb"].channels
    return write_package(
        out,
        gpd.read_parquet(of_stage(inputs, "manifest")[key].path / MANIFEST_FILE),
        lambda region_id, rows: patches.read_images(stores[region_id].path, rows, colours),
        colours,
        lambda region_id: covers[region_id].path / LAND_COVER_FILE,
        shortage=sampling.shortage(pd.read_parquet(of_stage(inputs, "quotas")[key].path / QUOTAS_FILE)),
        title=f"{dataset.title}, {key}",
        licence_lines=licence_lines(platform, stores),
    )


def licence_lines(platform: Platform, region_ids: Iterable[str]) -> list[str]:
    """Sources of a release with licence and attribution, one line each, sorted."""
    lines = set()
    for region_id in region_ids:
        cover, scenes = platform.regions[region_id].land_cover, platform.regions[region_id].scenes
        if cover:
            lines.add(LAND_COVER_CREDITS["simulated" if cover.simulated else cover.source].format(cover.collection))
        if scenes:
            lines.add(SCENE_CREDITS["simulated" if scenes.simulated else bands.COLLECTIONS[scenes.collection].sensor])
    return sorted(lines)
