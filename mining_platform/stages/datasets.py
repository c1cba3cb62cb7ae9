"""Stages of a dataset's family: from candidate windows to the published package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform import grids, patches, profiles, sampling
from mining_platform.artifacts import Artifact, Ref
from mining_platform.band_figures import band_preview
from mining_platform.candidates import candidates
from mining_platform.dataset_figures import store_sheet
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import caveat
from mining_platform.labels.mapbiomas import LABEL_NAME
from mining_platform.labels.recipes import recipe as recipe_of
from mining_platform.layers import layer_name
from mining_platform.manifests import NO_COLLECTION, PartitionSources, build_manifest, label_ranges
from mining_platform.mosaic_arrays import MOSAIC_NAME
from mining_platform.pipeline import Platform, key_parts, ref
from mining_platform.point_windows import point_candidates
from mining_platform.ranges import RANGES
from mining_platform.release_steps import scene_rule, scene_sites
from mining_platform.reviews import effects
from mining_platform.reviews.tables import read_reviews
from mining_platform.scene_patches import SceneDataset, write_scene_store
from mining_platform.sites import read_sites
from mining_platform.sources.protocol import LAND_COVER_FILE
from mining_platform.split_figures import split_figure
from mining_platform.splits.grounds import footprint_conflicts
from mining_platform.splits.methods import split_windows
from mining_platform.splits.summaries import split_summary
from mining_platform.stacks import layers_of
from mining_platform.stages.context import tell_context
from mining_platform.stages.files import (
    CANDIDATES_FILE,
    MANIFEST_FILE,
    PREVIEW_FILE,
    QUOTAS_FILE,
    REGIONAL_SHORTAGE_FILE,
    SAMPLE_FILE,
    SCENES_FILE,
    SHORTAGE_FILE,
    SPLITS_FILE,
)


def of_stage(inputs: Mapping[Ref, Artifact], stage: str) -> dict[str, Artifact]:
    """The inputs whose asset ends in a stage's name, by partition key, sorted by region, then year."""
    found = {ref.partition: artifact for ref, artifact in inputs.items() if ref.asset.split("/")[-1] == stage}
    return dict(sorted(found.items(), key=lambda item: key_parts(item[0])))


def of_regions(artifacts: Mapping[str, Artifact]) -> dict[str, list[Artifact]]:
    """Artifacts by `region|year` as those of each region, in order of the years."""
    found: dict[str, list[Artifact]] = {}
    for key, artifact in artifacts.items():
        found.setdefault(key_parts(key)[0], []).append(artifact)
    return found


def find_candidates(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`candidates.parquet`: windows with shares, ranges and eligibility, of the region's maps or on people's points.

    Where a release holds several years, each window stands in it once a year.
    """
    region, year = platform.region_year(key)
    covers = {int(key_parts(each)[1]): made.path / LAND_COVER_FILE for each, made in of_stage(inputs, "land_cover").items()}
    others = [each for each in dataset.years_of(year) if each != year]
    if dataset.points is not None:
        maps = {each: covers.get(each) for each in others}
        table, facts = point_candidates(dataset, region, year, covers.get(year), other_years=maps)
        facts = {**facts, "simulated": region.simulated}  # a file of points has no mark of its own
    else:
        table, facts = candidates(
            required(covers.get(year), dataset, key),
            grids.window_grid(region.geobox, dataset.px),
            dataset,
            region_id=region.id,
            year=year,
            outline=region.geometry,
            other_years={each: required(covers.get(each), dataset, f"{region.id}|{each}") for each in others},
            compute=platform.compute,
        )
    table.to_parquet(out / CANDIDATES_FILE, index=False)
    return facts


def required(land_cover: Path | None, dataset: Dataset, key: str) -> Path:
    """The map itself; ValueError where there is none."""
    if land_cover is None:
        raise ValueError(
            f"{dataset.id} {key}: the region has no land-cover map. Name one in the region file, or give the dataset points."
        )
    return land_cover


def share_quotas(dataset: Dataset, _platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`quotas.parquet`, `shortage.csv` and `shortage_by_region.csv`: windows per stratum and region, and what is lacking."""
    found, decided = of_regions(of_stage(inputs, "candidates")), of_regions(of_stage(inputs, "reviews"))
    tables = [counted(dataset, int(key), artifact, decided.get(region, [])) for region, (artifact,) in found.items()]
    counts = sampling.count_table(pd.concat(tables), list(dataset.strata), list(found))
    table = sampling.quotas(counts, dataset.strata, dataset.regions)
    table.to_parquet(out / QUOTAS_FILE, index=False)
    shortage, by_region = sampling.shortage(table), sampling.shortage_by_region(table)
    shortage.to_csv(out / SHORTAGE_FILE, index=False)
    by_region.to_csv(out / REGIONAL_SHORTAGE_FILE, index=False)
    return {
        "regions": list(found),
        "left_out": sampling.missing_regions(counts, dataset.regions),
        "wanted": int(shortage["wanted"].sum()),
        "taken": int(shortage["taken"].sum()),
        "shortage": shortage.to_dict("records"),
        "shortage_by_region": by_region.to_dict("records"),
    }


def counted(dataset: Dataset, release: int, found: Artifact, decided: Sequence[Artifact]) -> pd.DataFrame:
    """What the quotas count of a region's candidates, as people's decisions leave them; ids only where somebody decided."""
    columns, told = ["region", "range", "negative", "eligible"], ["window_id", "is_mining", "reason"] if decided else []
    table = pd.read_parquet(found.path / CANDIDATES_FILE, columns=[*columns, "year", *told])
    if not decided:
        return table.loc[table["year"] == release, columns]
    return effects.honoured_in_release(table, read_reviews(decided), dataset, release)[columns]


def draw_sample(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`sample.parquet`: the chosen windows, in the strata that people's decisions leave them in.

    A release that holds several years chooses in its own year, and the windows are the same in the others.
    """
    region, year = platform.region_year(key)
    release = dataset.release_of(year)
    found = gpd.read_parquet(inputs[ref(f"{dataset.id}/candidates", region.id, release)].path / CANDIDATES_FILE)
    reviews = read_reviews(of_stage(inputs, "reviews").values())
    quota_table = pd.read_parquet(inputs[Ref(f"{dataset.id}/quotas", str(release))].path / QUOTAS_FILE)
    table, quota = effects.honoured_in_release(found, reviews, dataset, release), sampling.region_quota(quota_table, region.id)
    chosen = sampling.sample(table, quota, block_m=dataset.split.block_m, allow_overlap=dataset.allow_overlap)
    if year != release:
        own = effects.honoured(found[found["year"] == year], reviews[reviews["year"] == year], dataset)
        chosen = own[own["window_id"].isin(chosen["window_id"])].sort_values("window_id", ignore_index=True)
    chosen.to_parquet(out / SAMPLE_FILE, index=False)
    negatives = chosen["negative"].value_counts()
    return {
        "windows": len(chosen),
        "mining": int(chosen["is_mining"].sum()),
        "relabelled": int(chosen["relabelled"].sum()),
        "by_range": by_range(chosen),
        "by_negative": {str(name): int(count) for name, count in sorted(negatives.items()) if name},
    }


def by_range(table: pd.DataFrame) -> dict[str, int]:
    """Rows per range, and of no known range as "" where there are such."""
    counts = table["range"].value_counts()
    names = (*RANGES, *([""] if "" in counts else []))
    return {name: int(counts.get(name, 0)) for name in names}


def cut_patches(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`patches.zarr` and its index, and a contact sheet."""
    region, year = platform.region_year(key)
    windows = gpd.read_parquet(inputs[Ref(f"{dataset.id}/sample", key)].path / SAMPLE_FILE)
    cut = cut_scenes if dataset.sample_unit == "scene" else cut_mosaic
    index, facts = cut(dataset, platform, key, inputs, windows, out)
    simulated = any(artifact.facts.get("simulated") for artifact in inputs.values())
    shares = index.merge(windows[["window_id", "range", "negative", "share", "is_mining"]], on="window_id")
    if dataset.sample_unit == "scene":
        shares = shares.assign(share=shares["label_share"], range=label_ranges(shares["label_share"]))
    title = f"Patches by mining share: {region.name}, {year}{caveat(dataset)}"
    (out / PREVIEW_FILE).write_bytes(store_sheet(out, shares, title, simulated))
    return facts


def cut_mosaic(
    dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], windows: gpd.GeoDataFrame, out: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The store of patches of the year's mosaic, its index and facts."""
    _, year = platform.region_year(key)
    channels = profiles.PROFILES[dataset.profile].channels
    label = inputs.get(Ref("label", key))
    return patches.write_store(
        windows,
        year,
        inputs[Ref("mosaic", key)].path / MOSAIC_NAME,
        label.path / LABEL_NAME if label else None,
        out,
        channels=channels,
        recipe=dataset.recipe,
        px=dataset.px,
        max_masked_share=dataset.max_masked_share,
        max_masked_share_other=dataset.max_masked_share_other,
        layers={layer: inputs[Ref(layer, key)].path / layer_name(layer) for layer in layers_of(channels)},
        compute=platform.compute,
    )


def cut_scenes(
    dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], windows: gpd.GeoDataFrame, out: Path
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The store of patches of the year's scenes, its index and facts."""
    region, year = platform.region_year(key)
    sites = scene_sites(dataset)
    row = SceneDataset(
        channels=profiles.PROFILES[dataset.profile].channels,
        recipe=recipe_of(dataset.recipe),
        clouds=scene_rule(region),
        px=dataset.px,
        pixel_m=dataset.pixel_m,
        max_masked_share=dataset.max_masked_share,
    )
    return write_scene_store(
        windows,
        gpd.read_parquet(inputs[Ref("scenes", key)].path / SCENES_FILE),
        read_sites(sites, year),
        out,
        year=year,
        region=region,
        row=row,
        source=platform.scenes.pixels(region),
        where=sites.path_of(year).name,
    )


def samples_of(inputs: Mapping[Ref, Artifact]) -> pd.DataFrame:
    """The samples of all regions in one table."""
    return pd.concat([gpd.read_parquet(artifact.path / SAMPLE_FILE) for artifact in of_stage(inputs, "sample").values()])


def part_windows(dataset: Dataset, _platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`splits.parquet` and a map of the splits."""
    windows = samples_of(inputs)
    table = split_windows(windows, dataset.split)
    conflicts = footprint_conflicts(table, dataset.split.buffer_m)
    if not conflicts.empty:
        worst = conflicts.iloc[0].to_dict()
        raise ValueError(
            f"{dataset.id} {key}: {len(conflicts)} pairs of windows in different splits share ground, first {worst}."
        )
    table.to_parquet(out / SPLITS_FILE, index=False)
    known = [name for name in ("window_id", "region", "range", "is_mining") if name in windows]
    one_year = len(dataset.years_of(int(key))) == 1
    placed = windows[known].merge(table, on="window_id", validate="one_to_one" if one_year else "many_to_one")
    simulated = any(artifact.facts.get("simulated") for artifact in inputs.values())
    (out / PREVIEW_FILE).write_bytes(split_figure(placed, f"Splits of {dataset.id}, {key}{caveat(dataset)}", simulated))
    summary = split_summary(placed)
    return {
        "windows": len(table),
        "method": dataset.split.method,
        "groups": int(table["group"].nunique()),
        "by_split": {str(name): int(count) for name, count in sorted(table["split"].value_counts().items())},
        "by_split_and_range": summary[["split", "range", "count"]].to_dict("records"),
        "conflicts": 0,
        "buffer_m": dataset.split.buffer_m,
    }


def list_patches(dataset: Dataset, platform: Platform, key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`manifest.parquet`: the patch table of the release; how bright its patches are, and what `tell_context` tells."""
    stores = of_stage(inputs, "patches")  # by region and year
    manifest = build_manifest(
        samples_of(inputs),
        pd.concat([patches.read_index(artifact.path) for artifact in stores.values()]),
        pd.read_parquet(of_stage(inputs, "splits")[key].path / SPLITS_FILE),
        sources=partition_sources(platform, inputs),
        recipe=dataset.recipe,
        profile=dataset.profile,
        reviews=read_reviews(of_stage(inputs, "reviews").values()),
    )
    manifest.to_parquet(out / MANIFEST_FILE, index=False)
    channels = profiles.PROFILES[dataset.profile].channels
    preview, means = band_preview(
        manifest,
        lambda region_id, year, rows: patches.read_images(stores[f"{region_id}|{year}"].path, rows),
        channels,
        f"Values of the patches by band and split: {dataset.id}, {key}",
        bool(manifest["simulated"].any()),
    )
    (out / PREVIEW_FILE).write_bytes(preview)
    return {
        "patches": len(manifest),
        "dropped": int(manifest["dropped"].sum()),
        "mining": int(manifest["is_mining"].sum()),
        "by_split": {str(name): int(count) for name, count in sorted(manifest["split"].value_counts().items())},
        "by_range": by_range(manifest),
        "mean_by_band": means,
        "regions": list(of_regions(stores)),
        **tell_context(manifest, stores, channels, f"Context of {dataset.id}, {key}", out),
    }


def partition_sources(platform: Platform, inputs: Mapping[Ref, Artifact]) -> dict[tuple[str, int], PartitionSources]:
    """What the patches of each region and year rest on, from the facts of their inputs."""
    covers, scenes, stores = (of_stage(inputs, stage) for stage in ("land_cover", "scenes", "patches"))
    return {
        (platform.region_year(key)[0].id, platform.region_year(key)[1]): PartitionSources(
            country=platform.region_year(key)[0].country,
            label_collection=str(covers[key].facts["collection"]) if key in covers else NO_COLLECTION,
            scenes=gpd.read_parquet(scenes[key].path / SCENES_FILE, columns=["scene_id", "geometry"]),
            simulated=bool(store.facts.get("simulated", False)),
        )
        for key, store in stores.items()
    }
