"""Verdicts on published versions: whether a fact that a person wants to see kept holds. Dagster's asset checks ask them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform import offsets, patches
from mining_platform.artifacts import Artifact, Ref, open_artifact, partitions
from mining_platform.bands import band_of_role
from mining_platform.datasets import DATASETS
from mining_platform.leakage.audits import audit
from mining_platform.leakage.pictures import read_pictures
from mining_platform.leakage.sides import split_windows_table
from mining_platform.manifests import NO_RANGE
from mining_platform.mosaic_quality import HOT_FENCE_DN
from mining_platform.patch_tables import read_patch_table, take
from mining_platform.pipeline import Platform
from mining_platform.ranges import range_of
from mining_platform.reviews.decisions import REJECT
from mining_platform.sampling import stratum_name
from mining_platform.stages.files import CANDIDATES_FILE, MANIFEST_FILE, SPLITS_FILE

MAX_GAP_SHARE = 0.01  # of a mosaic's computed pixels without any clear observation in the year

MAX_REMNANT_SCORE = 0.005  # of a mosaic's pixels that stand out as clouds do
MAX_FLOOR_SHARE = 0.05  # of the pixels in green, which water and forest both reflect, at the least value
MAX_EXCESS_LOSS = 0.1  # of observations of mining that are masked, above the share of others


@dataclass(frozen=True)
class Verdict:
    """Whether a fact holds, in a sentence, with its numbers."""

    holds: bool
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


def mosaic_is_nearly_gap_free(_platform: Platform, mosaic: Artifact) -> Verdict:
    """At most 1 % of the mosaic's computed pixels have no clear observation."""
    gap = float(mosaic.facts["gap_share"])
    return Verdict(gap <= MAX_GAP_SHARE, f"{gap:.2%} of the computed pixels have no clear observation", {"gap_share": gap})


def _of_nothing(mosaic: Artifact) -> Verdict:
    """Of a mosaic without a value: well where no window asked for a chunk, not where chunks came out empty."""
    if mosaic.facts["computed_pixels"] == 0:
        return Verdict(True, "no chunk was asked for: nothing to judge")
    return Verdict(False, "no pixel has a clear observation")


def few_clouds_are_left(_platform: Platform, mosaic: Artifact) -> Verdict:
    """At most 0.5 % of the mosaic's pixels stand out in blue from the year's clear ground as clouds do."""
    score, ground = mosaic.facts["remnant_score"], mosaic.facts["ground_hot_dn"]
    if score is None:
        return _of_nothing(mosaic)
    numbers = {"remnant_score": score, "ground_hot_dn": ground}
    if ground >= HOT_FENCE_DN:
        return Verdict(False, f"the year's clear ground is itself as bright as cloud: HOT {ground / 10_000:.3f}", numbers)
    return Verdict(score <= MAX_REMNANT_SCORE, f"{score:.3%} of the pixels stand out as clouds do", numbers)


def the_offset_is_applied_once(_platform: Platform, mosaic: Artifact) -> Verdict:
    """Dark pixels are dark, as they are not while an offset of 1,000 is in, and few are at the floor, as they are after two."""
    dark, floor = mosaic.facts["dark_dn"], mosaic.facts["floor_share"]
    if dark is None:
        return _of_nothing(mosaic)
    green = floor[band_of_role("green", tuple(floor))]
    still_in, twice = offsets.detected_offset(dark) != 0, green > MAX_FLOOR_SHARE
    words = "the offset is still in" if still_in else "an offset was taken off twice" if twice else "dark pixels are dark"
    least = min(dark, key=dark.__getitem__)
    reason = f"{words}: 0.1 % of {least} lie below {dark[least] / 10_000:.3f}, {green:.2%} of green at the floor"
    return Verdict(not still_in and not twice, reason, {"dark_dn": dark, "floor_share": floor})


def the_mask_spares_bright_soil(_platform: Platform, quality: Artifact) -> Verdict:
    """The cloud mask takes hardly more of the labelled mining pixels than of others, and leaves none without a clear day."""
    loss, other, never = (quality.facts.get(name) for name in ("bright_soil_loss", "other_loss", "never_clear_share"))
    if loss is None or other is None or never is None:
        return Verdict(True, "no labelled mining pixel has been observed here: nothing to judge")
    holds = loss - other <= MAX_EXCESS_LOSS and never <= MAX_GAP_SHARE
    reason = f"{loss:.1%} of mining observations are masked, {other:.1%} of others; {never:.2%} of mining pixels are never clear"
    return Verdict(holds, reason, {"bright_soil_loss": loss, "other_loss": other, "never_clear_share": never})


def shares_lie_between_0_and_1(_platform: Platform, candidates: Artifact) -> Verdict:
    """Every window's shares lie in [0, 1] and its range is that of its share; both are missing only where there is no map."""
    table = gpd.read_parquet(candidates.path / CANDIDATES_FILE)
    known = (table["range"] != NO_RANGE).to_numpy()
    outside = {name: int((~table.loc[known, name].between(0, 1)).sum()) for name in ("share", "share_nn", "valid_share")}
    unmapped = int(table.loc[~known, "share"].notna().sum())
    strange = any(outside.values()) or bool((range_of(table["share"][known]) != table["range"][known]).any())
    words = f"{len(table)} windows, outside: {outside}, shares without a range: {unmapped}"
    words += "; ranges are not those of the shares" if strange and not any(outside.values()) else ""
    return Verdict(not strange and not unmapped, words, {"windows": len(table), **outside})


def ranges_are_balanced(_platform: Platform, quotas: Artifact) -> Verdict:
    """Every range, and every negative recipe in it, gives as many windows as the dataset wants."""
    shortage = quotas.facts["shortage"]
    short = [row for row in shortage if row["short"] > 0]
    words = ", ".join(f"{stratum_name(row['range'], row['negative'])} has {row['taken']} of {row['wanted']}" for row in short)
    numbers = {"shortage": shortage, "shortage_by_region": quotas.facts["shortage_by_region"]}
    return Verdict(not short, f"short: {words}" if short else "all ranges are filled", numbers)


def every_patch_has_its_size(_platform: Platform, patch_artifact: Artifact) -> Verdict:
    """Every stored image and label is px x px as the dataset's row says."""
    px = DATASETS[patch_artifact.ref.asset.split("/")[0]].px
    shapes = patches.store_shapes(patch_artifact.path)
    wrong = {name: shape for name, shape in shapes.items() if list(shape[-2:]) != [px, px]}
    numbers = {"px": px, "shapes": {name: list(shape) for name, shape in shapes.items()}}
    return Verdict(not wrong, f"expected {px} x {px}, found {shapes or 'no patches'}", numbers)


def no_ground_is_in_two_splits(_platform: Platform, split_artifact: Artifact) -> Verdict:
    """No footprint of one split overlaps, or comes nearer than the buffer to, one of another split."""
    rule = DATASETS[split_artifact.ref.asset.split("/")[0]].split
    table = split_windows_table(pd.read_parquet(split_artifact.path / SPLITS_FILE))
    if table.rows.empty:
        return Verdict(True, "there are no windows: nothing to judge")
    report = audit(table, buffer_m=rule.buffer_m)
    ground = report.findings["overlap"]
    reason = f"{ground.pairs} pairs of windows of different splits share ground, in {len(ground.places)} places"
    numbers = {"conflicts": ground.pairs, "worst": [dict(pair) for pair in ground.worst[:5]], "nearest_m": report.nearest_m}
    return Verdict(not ground.pairs, reason, {**numbers, "by_split": dict(report.by_split)})


def every_place_keeps_its_side(platform: Platform, split_artifact: Artifact) -> Verdict:
    """No ground of this release is on another side in another year's release, so that releases can be used together."""
    asset, year = split_artifact.ref.asset, split_artifact.ref.partition
    dataset = DATASETS[asset.split("/")[0]]
    others = [each for each in partitions(platform.artifacts, asset) if each != year and int(each) in dataset.releases]
    releases = {year: split_artifact} | {each: open_artifact(platform.artifacts, Ref(asset, each)) for each in sorted(others)}
    tables = [pd.read_parquet(each.path / SPLITS_FILE).assign(year=int(name)) for name, each in releases.items()]
    table = split_windows_table(pd.concat(tables))
    if not others or table.rows.empty:
        return Verdict(True, "no other year is published: nothing to compare")
    report = audit(table, buffer_m=dataset.split.buffer_m)
    moved, ground = report.findings["same_place_other_year"], report.findings["overlap"]
    reason = f"{len(moved.places)} windows change sides between {', '.join(sorted(releases))}; {report.leaks} places share ground"
    worst = [dict(pair) for each in (moved, ground) for pair in each.worst[:5]]
    return Verdict(not report.leaks, reason, {"moved": len(moved.places), "leaks": report.leaks, "worst": worst})


def no_picture_is_in_two_splits(platform: Platform, manifest: Artifact) -> Verdict:
    """No stored image of one split is near-identical to one of another place in another split."""
    dataset_id, _ = manifest.ref.asset.split("/")
    table = read_patch_table([manifest.path / MANIFEST_FILE])
    table = take(table, table.rows["patch_id"].isin(_stored(manifest)).to_numpy())
    if table.rows.empty:
        return Verdict(True, "no patch is stored: nothing to judge")
    keys = sorted({f"{region}|{year}" for region, year in zip(table.rows["region"], table.rows["year"], strict=True)})
    stores = [open_artifact(platform.artifacts, Ref(f"{dataset_id}/patches", key)).path for key in keys]
    report = audit(table, pictures=read_pictures(stores, [], table.rows["patch_id"]))
    found = report.findings["near_duplicate"]
    words = f"{found.pairs} pairs of different places on different sides look alike" + (f"; {found.note}" if found.note else "")
    numbers = {"places": len(found.places), "pairs": found.pairs, "worst": [dict(pair) for pair in found.worst[:5]]}
    return Verdict(not found.pairs, words, {**numbers, "not_checked": dict(report.not_checked)})


def _stored(manifest: Artifact) -> pd.Series:
    table = pd.read_parquet(manifest.path / MANIFEST_FILE, columns=["patch_id", "dropped"])
    return table.loc[~table["dropped"], "patch_id"]


def manifest_matches_the_stores(platform: Platform, manifest: Artifact) -> Verdict:
    """Every patch of the manifest but the rejected ones is in its store at its row, and every stored patch is in it."""
    dataset_id, _ = manifest.ref.asset.split("/")
    table = gpd.read_parquet(manifest.path / MANIFEST_FILE)
    problems = []
    for (region_id, year), rows in table.groupby(["region", "year"]):
        store = open_artifact(platform.artifacts, Ref(f"{dataset_id}/patches", f"{region_id}|{year}"))
        index = pd.read_parquet(store.path / "patches.parquet").set_index("patch_id")["row"]
        rejected = rows.loc[rows["review"] == REJECT, "patch_id"]
        index = index.mask(index.index.isin(rejected), -1)
        listed = rows.set_index("patch_id")["store_row"]
        if not listed.sort_index().equals(index.sort_index().astype(listed.dtype).rename("store_row")):
            problems.append(f"{region_id} {year}: {len(listed)} rows listed, {len(index)} in the store")
    return Verdict(not problems, "; ".join(problems) or f"{len(table)} rows match", {"rows": len(table)})
