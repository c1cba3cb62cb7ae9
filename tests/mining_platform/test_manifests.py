"""The patch table: joined by id, checked against its schema and itself."""

import geopandas as gpd
import pandas as pd
import pytest
import shapely

from mining_platform import manifests
from mining_platform.footprints import bounds_of

NEAR, FAR = shapely.box(-57.2, -7.2, -57.05, -7.05), shapely.box(-50, -7.2, -49, -7)


def scenes(count: int) -> gpd.GeoDataFrame:
    """Scenes of which the first two touch the patches."""
    return gpd.GeoDataFrame(
        {"scene_id": [f"S2A_{count - k:02d}" for k in range(count)]}, geometry=[NEAR, NEAR, *[FAR] * (count - 2)], crs=4326
    )


SOURCES = {
    ("here", 2024): manifests.PartitionSources("BR", "10", scenes(17), simulated=False),
    ("there", 2024): manifests.PartitionSources("BR", "10", scenes(12), simulated=True),
}


def make_samples() -> gpd.GeoDataFrame:
    ids = [f"32721_{48000 + 48 * k}_923000_48" for k in range(6)]
    shares = [0.0, 0.05, 0.1, 0.11, 0.55, 1.0]
    rows = pd.DataFrame(
        {"window_id": ids, "region": ["here"] * 4 + ["there"] * 2, "year": 2024, "share": shares, "share_nn": shares}
    )
    rows = pd.concat([rows, bounds_of(ids).drop(columns="px")], axis=1)
    rows["range"] = ["000", "000_010", "000_010", "010_020", "050_060", "090_100"]
    rows = rows.assign(is_mining=rows["range"] != "000", negative=["random", *[""] * 5], point_id="", mining_distance_m=0.0)
    rows = rows.assign(dominant_class=3, dominant_share=0.9, around_class=33, around_share=0.4)
    rows = rows.assign(lon=-57.0, lat=-7.0, class_px=3, valid_px=256, class_area_m2=2.5, valid_area_m2=9.0, valid_share=1.0)
    return gpd.GeoDataFrame(rows, geometry=[shapely.box(-57.1, -7.1, -57.0, -7.0)] * 6, crs=4326)


def make_index(samples: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patch_id": samples["window_id"] + "_2024",
            "window_id": samples["window_id"],
            "year": 2024,
            "row": [0, -1, 1, 2, 0, 1],
            "dropped": [False, True, False, False, False, False],
            "drop_reason": ["", "masked share 0.4 above 0.1", "", "", "", ""],
            "masked_share": [0.0, 0.4, 0.0, 0.0, 0.01, 0.0],
            "clear_min": [3, 0, 4, 5, 6, 7],
            "clear_median": [8.0, 2.5, 8.0, 8.0, 8.0, 8.0],
        }
    )


def make_splits(samples: pd.DataFrame) -> pd.DataFrame:
    names = ["train", "test", "train", "val", "test", "buffer"]
    return pd.DataFrame({"window_id": samples["window_id"], "block": "32721_1_1", "split": names})


def build(samples: pd.DataFrame, index: pd.DataFrame, splits: pd.DataFrame) -> gpd.GeoDataFrame:
    return manifests.build_manifest(samples, index, splits, sources=SOURCES, recipe="mapbiomas-mining", profile="rgb")


def make_manifest() -> gpd.GeoDataFrame:
    samples = make_samples()
    return build(samples, make_index(samples), make_splits(samples))


def test_the_manifest_has_a_row_a_patch_with_all_it_rests_on() -> None:
    table = make_manifest()
    assert list(table.columns) == list(manifests.PATCH_TABLE.columns)
    row = table.set_index("patch_id").loc["32721_48144_923000_48_2024"]
    assert (row["region"], row["split"], row["store_row"], row["is_mining"], row["scene_count"]) == ("here", "val", 2, True, 17)
    assert row["scene_ids"] == "S2A_16 S2A_17", "those that touch the patch, sorted"
    assert (row["negative"], row["dominant_class"], row["around_class"], row["mining_distance_m"]) == ("", 3, 33, 0)
    assert (row["west"], row["south"], row["east"], row["north"]) == (-57.1, -7.1, -57.0, -7.0)
    assert table["simulated"].tolist() == [False] * 4 + [True] * 2
    assert table["is_mining"].tolist() == [False, True, True, True, True, True]
    assert table.crs.to_epsg() == 4326


def test_shuffled_rows_in_every_table_give_the_same_manifest() -> None:
    samples, expected = make_samples(), make_manifest()
    for seed in range(5):
        tables = (samples, make_index(samples), make_splits(samples))
        shuffled = [table.sample(frac=1, random_state=seed + k) for k, table in enumerate(tables)]
        pd.testing.assert_frame_equal(pd.DataFrame(build(*shuffled)), pd.DataFrame(expected))


def test_patches_that_one_table_lacks_are_named() -> None:
    samples = make_samples()
    index, splits = make_index(samples), make_splits(samples)
    with pytest.raises(ValueError, match=r"32721_48240_923000_48_2024.*only one of samples and the patch index"):
        build(samples, index.iloc[:5], splits)
    with pytest.raises(ValueError, match=r"splits lack .*32721_48000"):
        build(samples, index, splits.iloc[1:])
    with pytest.raises(ValueError, match=r"sources lack .*there"):
        manifests.build_manifest(
            samples, index, splits, sources={("here", 2024): SOURCES["here", 2024]}, recipe="r", profile="rgb"
        )
    with pytest.raises(ValueError, match="more than once in samples"):
        build(pd.concat([samples, samples.iloc[:1]]), index, splits)


def test_a_value_outside_the_schema_is_named_with_its_patch() -> None:
    table = make_manifest()
    table.loc[3, "split"] = "dev"
    with pytest.raises(ValueError, match=r"split: isin.*'dev' in 32721_48144_923000_48_2024"):
        manifests.validate_manifest(table)
    with pytest.raises(ValueError, match="clear_min"):
        manifests.validate_manifest(make_manifest().drop(columns="clear_min"))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("share", 0.3, "range is not that of the share"),
        ("is_mining", False, "is_mining is not range above 0"),
        ("negative", "random", "a patch without mining lacks its negative recipe, or one with mining has one"),
        ("negative", "guess", "negative: isin"),
        ("share_nn", float("nan"), "shares are missing though the range is known"),
        ("share", float("nan"), "range is not that of the share"),
        ("range", "", "range is not that of the share"),
        ("store_row", -1, "store_row is not -1 exactly where dropped"),
        ("store_row", 1, "two patches share a store row"),
        ("minx", 7, "bounds are not those of the window id"),
        ("patch_id", "x", "patch_id is not <window_id>_<year>"),
    ],
)
def test_rows_that_contradict_themselves_are_refused(column: str, value: object, message: str) -> None:
    table = make_manifest()
    table.loc[3, column] = value
    with pytest.raises(ValueError, match=message):
        manifests.validate_manifest(table)


def test_a_manifest_survives_parquet(tmp_path: pytest.TempPathFactory) -> None:
    path = tmp_path / "manifest.parquet"  # type: ignore[operator]
    make_manifest().to_parquet(path)
    pd.testing.assert_frame_equal(
        pd.DataFrame(manifests.validate_manifest(gpd.read_parquet(path))), pd.DataFrame(make_manifest())
    )


def test_a_manifest_without_patches_is_a_table_without_rows() -> None:
    samples = make_samples().iloc[:0]
    assert len(build(samples, make_index(make_samples()).iloc[:0], make_splits(make_samples()))) == 0


def make_unmapped() -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
    """Samples on points in a region without a map, and their manifest."""
    samples = make_samples().assign(range="", share=float("nan"), share_nn=float("nan"), valid_share=float("nan"))
    samples = samples.assign(dominant_share=float("nan"), around_share=float("nan"), dominant_class=0, around_class=0)
    samples["negative"] = ["curated", "grid", "", "", "", ""]
    samples["is_mining"] = samples["negative"] == ""
    samples["point_id"] = ["f1", "", "m1", "m2", "m3", "m4"]
    return samples, build(samples, make_index(samples), make_splits(samples))


def test_patches_without_a_map_have_no_shares_and_the_class_of_their_point() -> None:
    samples, table = make_unmapped()
    assert table[["share", "share_nn", "valid_share"]].isna().all(axis=None)
    assert table["range"].eq("").all()
    assert table.sort_values("window_id")["is_mining"].tolist() == samples.sort_values("window_id")["is_mining"].tolist()


def test_a_point_may_contradict_the_map_and_a_window_of_the_grid_may_not() -> None:
    samples = make_samples()
    samples.loc[4, ["is_mining", "negative", "point_id"]] = [False, "curated", "f1"]
    assert len(build(samples, make_index(samples), make_splits(samples))) == 6
    samples.loc[4, ["negative", "point_id"]] = ["grid", ""]
    with pytest.raises(ValueError, match="is_mining is not range above 0"):
        build(samples, make_index(samples), make_splits(samples))


def test_a_patch_that_no_scene_touches_has_none() -> None:
    samples = make_samples().assign(geometry=shapely.box(0, 0, 1, 1))
    table = build(samples, make_index(samples), make_splits(samples))
    assert table["scene_ids"].eq("").all()
    assert table["scene_count"].tolist() == [17] * 4 + [12] * 2
