"""The patch table: one row a patch, what each column means, and the join that makes it, by id and never by position."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pandera.pandas as pa
import shapely
from numpy.typing import NDArray

from mining_platform.footprints import bounds_of
from mining_platform.grids import PIXEL_M
from mining_platform.negatives import NEGATIVES
from mining_platform.ranges import RANGES, range_of
from mining_platform.reviews.decisions import DECISIONS, REJECT, RELABEL
from mining_platform.reviews.effects import reviewed_rows
from mining_platform.reviews.tables import review_table
from mining_platform.scenes import patch_scene
from mining_platform.splits.rules import BUFFER

SPLITS = ("train", "val", "test", BUFFER)
SCENE_ID = "scene_id"
SCENE_COLUMNS = (SCENE_ID, "acquired", "x0", "y0", "pixel_m", "label_share")
"""What the index of a store of scenes has besides, as `scene_patches.SCENE_INDEX_TYPES`."""
INDEX_COLUMNS = ("patch_id", "window_id", "year", "row", "dropped", "drop_reason", "masked_share", "clear_min", "clear_median")
SAMPLE_COLUMNS = (
    *("window_id", "region", "year", "epsg", "minx", "miny", "maxx", "maxy", "lon", "lat", "share", "share_nn", "range"),
    *("is_mining", "negative", "point_id", "mining_distance_m", "dominant_class", "dominant_share", "around_class"),
    *("around_share", "class_px", "valid_px", "class_area_m2", "valid_area_m2", "valid_share", "geometry"),
)
NO_RANGE = ""
"""Range of a patch whose region has no land-cover map."""
NO_COLLECTION = "none"
"""Label collection of a region without a land-cover map."""
SHARES = ["share", "share_nn", "valid_share", "dominant_share", "around_share"]
NAMED_FAILURES = 5  # bad rows an error names


@dataclass(frozen=True)
class PartitionSources:
    """What the patches of one region and year rest on."""

    country: str
    """ISO 3166-1 alpha-2 code."""
    label_collection: str
    """Collection of the land-cover map."""
    scenes: gpd.GeoDataFrame
    """Scenes that the mosaic was made of: scene_id, geometry (footprint, EPSG:4326)."""
    simulated: bool


def _column(dtype: Any, *checks: pa.Check, nullable: bool = False, unique: bool = False) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=nullable, unique=unique)


_SHARE, _COUNT = pa.Check.in_range(0, 1), pa.Check.ge(0)
_DEGREES = {name: _column(float, pa.Check.in_range(-180, 180)) for name in ("west", "south", "east", "north", "lon", "lat")}

PATCH_TABLE = pa.DataFrameSchema(
    {
        "patch_id": _column(str, unique=True),
        "window_id": _column(str, pa.Check.str_matches(r"^\d{4,6}_-?\d+_-?\d+_\d+$")),
        "region": _column(str, pa.Check.str_matches(r"^[a-z0-9-]{1,64}$")),
        "country": _column(str, pa.Check.str_matches(r"^[A-Z]{2}$")),
        "year": _column("int64", pa.Check.in_range(1900, 2200)),
        "epsg": _column("int64"),
        **{name: _column("int64") for name in ("minx", "miny", "maxx", "maxy")},
        **{name: _column(float) for name in ("x0", "y0")},
        "pixel_m": _column("int64", pa.Check.ge(1)),
        **_DEGREES,
        "share": _column(float, _SHARE, nullable=True),
        "share_nn": _column(float, _SHARE, nullable=True),
        "range": _column(str, pa.Check.isin([*RANGES, NO_RANGE])),
        "is_mining": _column(bool),
        "negative": _column(str, pa.Check.isin(["", *NEGATIVES])),
        "point_id": _column(str),
        "mining_distance_m": _column(float, _COUNT, nullable=True),
        "dominant_class": _column("int64", _COUNT),
        "dominant_share": _column(float, _SHARE, nullable=True),
        "around_class": _column("int64", _COUNT),
        "around_share": _column(float, _SHARE, nullable=True),
        **{name: _column("int64", _COUNT) for name in ("class_px", "valid_px")},
        **{name: _column(float, _COUNT) for name in ("class_area_m2", "valid_area_m2")},
        "valid_share": _column(float, _SHARE, nullable=True),
        **{name: _column(str, pa.Check.str_length(min_value=1)) for name in ("label_collection", "recipe", "profile")},
        "review": _column(str, pa.Check.isin(["", *DECISIONS])),
        "reviewer": _column(str),
        "review_reason": _column(str),
        "split": _column(str, pa.Check.isin(SPLITS)),
        "masked_share": _column(float, _SHARE),
        "clear_min": _column(float, _COUNT),
        "clear_median": _column(float, _COUNT),
        "acquired": _column(str, pa.Check.str_matches(r"^(\d{4}-\d{2}-\d{2}T[\d:.]+Z)?$")),
        "scene_count": _column("int64", _COUNT),
        "scene_ids": _column(str),
        "store_row": _column("int64", pa.Check.ge(-1)),
        "dropped": _column(bool),
        "drop_reason": _column(str),
        "simulated": _column(bool),
        "geometry": _column("geometry"),
    },
    strict=True,
    ordered=True,
)
"""Columns of the patch table, in order.

Areas in m2; minx to maxy, the window, in metres of `epsg`; x0 and y0 the upper left corner of the patch's own pixels, `pixel_m`
metres wide: those of the window, or, of one scene, at most half a pixel from it; west to north, lon, lat in degrees (EPSG:4326).
Shares are missing, and the range is empty, only where the region has no land-cover map; of a patch of one scene share, share_nn
and range are the label's own, missing where it is all cloud, and the other shares are missing. negative to around_share as in
`candidate_tables.CANDIDATE_COLUMNS`. review, reviewer, review_reason: what a person decided (`reviews.decisions.Decision`), empty
where nobody did; a relabelled patch has the person's range or class, the map's shares, and no pixel labels.
clear_min and clear_median in clear observations a pixel; scene_count: scenes of the region's mosaic; scene_ids: those of them
whose published footprint touches the patch, sorted, joined by a blank; store_row -1 where the patch is dropped. Of a patch of one
scene, `acquired` is its moment (UTC), scene_count 1, scene_ids its id; `is_mining` tells of the site, whatever the scene shows.
"""


def build_manifest(
    samples: pd.DataFrame,
    patch_index: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    sources: Mapping[tuple[str, int], PartitionSources],
    recipe: str,
    profile: str,
    reviews: pd.DataFrame | None = None,
) -> gpd.GeoDataFrame:
    """The validated patch table, sorted by patch_id, EPSG:4326.

    `samples` has SAMPLE_COLUMNS, `patch_index` INDEX_COLUMNS, of patches of scenes also SCENE_COLUMNS (of all regions together),
    `splits` window_id and split; `sources` is keyed by region and year; `reviews` has people's decisions
    (`reviews.tables.REVIEW_TYPES`), which samples whose column `relabelled` is set rest on. ValueError names ids that one table
    has and another lacks, and as `reviewed_rows`.
    """
    rows = pd.DataFrame(samples)[list(SAMPLE_COLUMNS)].copy()
    rows["relabelled"] = samples["relabelled"].to_numpy(bool) if "relabelled" in samples else False
    of_scenes = SCENE_ID in patch_index
    _covered(set(rows["window_id"]), set(splits["window_id"]), "splits")
    _covered({(str(r), int(y)) for r, y in zip(rows["region"], rows["year"], strict=True)}, set(sources), "sources")
    rows = _with_scenes(rows, patch_index) if of_scenes else _with_mosaics(rows, patch_index)
    rows = rows.merge(pd.DataFrame(splits)[["window_id", "split"]], on="window_id", validate="many_to_one")
    rows = reviewed_rows(rows, review_table([]) if reviews is None else reviews)
    of_row = [sources[str(region), int(year)] for region, year in zip(rows["region"], rows["year"], strict=True)]
    for name in ("country", "label_collection", "simulated"):
        rows[name] = [getattr(each, name) for each in of_row]
    rows["scene_count"] = 1 if of_scenes else [len(each.scenes) for each in of_row]
    rows["scene_ids"] = rows[SCENE_ID] if of_scenes else _scene_ids(rows, sources)
    bounds = shapely.bounds(np.asarray(rows["geometry"], dtype=object)).reshape(-1, 4)
    for name, values in zip(("west", "south", "east", "north"), bounds.T, strict=True):
        rows[name] = values
    rows = rows.assign(recipe=recipe, profile=profile)
    return validate_manifest(_typed(rows).sort_values("patch_id", ignore_index=True))


def _with_mosaics(rows: pd.DataFrame, patch_index: pd.DataFrame) -> pd.DataFrame:
    """Samples with their one patch each, of the year's mosaic: on the window's own pixels."""
    rows["patch_id"] = rows["window_id"].astype(str) + "_" + rows["year"].astype(str)
    _same_ids(rows["patch_id"], patch_index["patch_id"], "samples", "the patch index")
    index = pd.DataFrame(patch_index)[list(INDEX_COLUMNS)].drop(columns=["window_id", "year"])
    rows = rows.merge(index.rename(columns={"row": "store_row"}), on="patch_id", validate="one_to_one")
    return rows.assign(x0=rows["minx"].astype(float), y0=rows["maxy"].astype(float), pixel_m=PIXEL_M, acquired="")


def _with_scenes(rows: pd.DataFrame, patch_index: pd.DataFrame) -> pd.DataFrame:
    """Samples with their patches, one a scene, on the scene's pixels; a sample that no scene shows has none.

    Share and range are those of the label, which clouds and vegetation took pixels from; both are missing where all is cloud.
    """
    index = pd.DataFrame(patch_index)[[*INDEX_COLUMNS, *SCENE_COLUMNS]].rename(columns={"row": "store_row"})
    shares = index["label_share"]
    index = index.rename(columns={"label_share": "share"}).assign(share_nn=shares, range=label_ranges(shares))
    _same_ids(index["patch_id"], index["patch_id"].drop_duplicates(), "the patch index", "itself")
    _covered(
        set(zip(index["window_id"], index["year"], strict=True)),
        set(zip(rows["window_id"], rows["year"], strict=True)),
        "samples",
    )
    return rows.drop(columns=["share", "share_nn", "range"]).merge(index, on=["window_id", "year"], validate="one_to_many")


def label_ranges(shares: pd.Series) -> NDArray[np.object_]:
    """Range of each share of mining that a label has, NO_RANGE where it has none."""
    known, ranges = shares.notna().to_numpy(), np.full(len(shares), NO_RANGE, dtype=object)
    ranges[known] = range_of(shares.to_numpy(float)[known])
    return ranges


def _scene_ids(rows: pd.DataFrame, sources: Mapping[tuple[str, int], PartitionSources]) -> pd.Series:
    """Ids of the scenes that touch each patch, sorted and joined by a blank."""
    texts = pd.Series("", index=rows.index, dtype=object)
    for (region, year), each in sources.items():
        part, scenes = rows[(rows["region"] == region) & (rows["year"] == year)], each.scenes.sort_values("scene_id")
        tree, names = shapely.STRtree(scenes.geometry.to_numpy()), scenes["scene_id"].to_numpy()
        patch, scene = tree.query(part["geometry"].to_numpy(), predicate="intersects")
        touching = pd.Series(names[scene], dtype=object).groupby(patch).agg(lambda ids: " ".join(sorted(ids)))
        texts.loc[part.index[touching.index.to_numpy(int)]] = touching.to_numpy()
    return texts


def _typed(rows: pd.DataFrame) -> gpd.GeoDataFrame:
    """Columns of the schema in its order and types; what cannot be cast stays, for validation to name."""
    for name, column in PATCH_TABLE.columns.items():
        if name != "geometry":
            rows[name] = rows[name].astype(str(column.dtype)) if rows[name].notna().all() else rows[name]
    return gpd.GeoDataFrame(rows[list(PATCH_TABLE.columns)], geometry="geometry", crs=4326)


def _same_ids(first: pd.Series, second: pd.Series, first_name: str, second_name: str) -> None:
    for ids, name in ((first, first_name), (second, second_name)):
        if twice := sorted(ids[ids.duplicated()].unique())[:NAMED_FAILURES]:
            raise ValueError(f"Patches {twice} occur more than once in {name}; each patch has one row.")
    if only := sorted(set(first) ^ set(second))[:NAMED_FAILURES]:
        raise ValueError(f"Patches {only} are in only one of {first_name} and {second_name}. Make the patches again.")


def _covered(needed: set[Any], given: set[Any], name: str) -> None:
    if lacking := sorted(needed - given)[:NAMED_FAILURES]:
        raise ValueError(f"{name} lack {lacking}. Make them from the same samples.")


def validate_manifest(manifest: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The manifest itself where it keeps the schema and agrees with itself; ValueError names the rule and the bad patches."""
    try:
        PATCH_TABLE.validate(manifest, lazy=True)
    except pa.errors.SchemaErrors as error:
        raise ValueError(f"The patch table breaks its schema: {_first_failures(error, manifest)}.") from None
    for rule, broken in _contradictions(manifest).items():
        if broken.any():
            named = manifest.loc[broken, "patch_id"].tolist()
            raise ValueError(f"The patch table contradicts itself: {rule}, in {len(named)} rows, first {named[:NAMED_FAILURES]}.")
    return manifest


def _first_failures(error: Any, manifest: pd.DataFrame) -> str:
    """Column, check, value and patch of the first failures, readable."""
    cases = error.failure_cases.head(NAMED_FAILURES).to_dict("records")
    texts = []
    for case in cases:
        where = case["index"] if case["index"] in manifest.index and "patch_id" in manifest else None
        patch = f" in {manifest.loc[where, 'patch_id']}" if where is not None else ""
        texts.append(f"{case['column'] or 'table'}: {case['check']}, found {case['failure_case']!r}{patch}")
    return "; ".join(texts)


def _contradictions(table: gpd.GeoDataFrame) -> dict[str, np.ndarray]:
    """Masks of the rows that break each rule between columns."""
    bounds = bounds_of(table["window_id"].tolist())
    names = ["epsg", "minx", "miny", "maxx", "maxy"]
    known, on_point = table["range"] != NO_RANGE, table["point_id"] != ""
    of_map = known & (table["acquired"] == "")
    relabelled = table["review"] == RELABEL
    stored = table[~table["dropped"]]
    repeated = stored.duplicated(["region", "year", "store_row"], keep=False).reindex(table.index, fill_value=False)
    return {
        "patch_id is not <window_id>_<year>, or of one scene <window_id>_<scene>": _misnamed(table),
        "bounds are not those of the window id": (table[names].to_numpy() != bounds[names].to_numpy()).any(axis=1),
        "range is not that of the share": _ranges_differ(table) & ~relabelled.to_numpy(),
        "shares are missing though the range is known": (table[SHARES].isna().any(axis=1) & of_map).to_numpy(),
        "is_mining is not range above 0": (
            known & ~on_point & ~relabelled & (table["is_mining"] != (table["range"] != "000"))
        ).to_numpy(),
        "a patch without mining lacks its negative recipe, or one with mining has one": (
            table["is_mining"] == (table["negative"] != "")
        ).to_numpy(),
        "store_row is not -1 exactly where dropped": ((table["store_row"] == -1) != table["dropped"]).to_numpy(),
        "a dropped patch lacks its reason": (table["dropped"] & (table["drop_reason"] == "")).to_numpy(),
        "a rejected patch is not dropped": ((table["review"] == REJECT) & ~table["dropped"]).to_numpy(),
        "a decision lacks its reviewer": ((table["review"] != "") & (table["reviewer"] == "")).to_numpy(),
        "two patches share a store row": repeated.to_numpy(dtype=bool),
    }


def _misnamed(table: pd.DataFrame) -> np.ndarray:
    """Rows whose id is not that of their window and year, or of their window and scene."""
    told = table["scene_ids"].map(patch_scene).where(table["acquired"] != "", table["year"].astype(str))
    return np.asarray(table["patch_id"] != table["window_id"] + "_" + told)


def _ranges_differ(table: pd.DataFrame) -> np.ndarray:
    """Rows whose range is not that of their share, or is none where there is a share."""
    return np.asarray(label_ranges(table["share"]) != table["range"].to_numpy(dtype=object))
