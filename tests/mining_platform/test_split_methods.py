"""Splits of any table by cluster, block, site, region, paired years and time: whole groups, shares, buffers, no order of rows."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

from mining_platform.footprints import Footprints, close_pairs
from mining_platform.nearest_footprints import nearest_m
from mining_platform.patch_tables import PatchTable, read_patch_table, take
from mining_platform.splits.clusters import dbscan
from mining_platform.splits.dealing import deal
from mining_platform.splits.methods import METHODS, part
from mining_platform.splits.neighbours import neighbours_of, told_neighbours
from mining_platform.splits.published import attach_published
from mining_platform.splits.rules import SplitError, SplitRule
from mining_platform.splits.summaries import off_tolerance, realised_shares
from tests.conftest import REALDATA

FRACTIONS = MappingProxyType({"train": 0.7, "val": 0.15, "test": 0.15})
RULE = SplitRule("cluster", FRACTIONS, block_m=10_240, buffer_m=0.0, seed=7)

# Base sites and numbers of images of a published dataset of mining sites, by its own split.
SITES = {
    "train": [201, 271, 365, 326, 14, 6, 857, 775, 392, 386, 319, 80, 65, 26, 13, 9, 161, 67, 44, 11],
    "val": [150, 163, 249, 218, 105, 75],
    "test": [49, 144, 57, 9, 11, 130, 52],
}


def squares(east_north: Any, side_m: float = 2_560, epsg: int = 32721) -> Footprints:
    """Squares centred on points in metres."""
    x, y = np.asarray(east_north, dtype=float).T
    half = side_m / 2
    boxes = shapely.box(x - half, y - half, x + half, y + half)
    return Footprints(np.asarray(boxes, dtype=object), np.full(len(boxes), epsg, dtype=np.int64))


def table_of(footprints: Footprints | None = None, **columns: Any) -> PatchTable:
    """A table with ids p000, p001 ... unless they are given."""
    count = len(next(iter(columns.values()))) if columns else len(footprints.epsg) if footprints else 0
    rows = pd.DataFrame({"patch_id": [f"p{number:04d}" for number in range(count)], **columns})
    absent = {name: f"there is no {name}" for name in ("footprints", "place", "year", "site", "region", "range")}
    return PatchTable(rows, footprints, absent)


def busy_table(seed: int, count: int = 600) -> PatchTable:
    """Patches in fields of mining, over three years, with all columns that a method can need; many overlap."""
    rng = np.random.default_rng(seed)
    fields = rng.uniform(0, 400_000, (40, 2)) + np.array([300_000, 9_200_000])
    centres = np.repeat((fields[rng.integers(0, 40, count // 3)] + rng.normal(0, 4_000, (count // 3, 2))).round(-1), 3, axis=0)
    kept = rng.permutation(count)[: count - count // 10]
    number = np.arange(count) // 3
    columns = {
        "patch_id": [f"p{k:04d}_{y}" for k, y in zip(number, np.tile([2016, 2019, 2022], count // 3), strict=True)],
        "place": [f"place{k}" for k in number],
        "year": np.tile(np.array([2016, 2019, 2022]), count // 3),
        "site": [f"site_{chr(97 + k % 23)}_{k % 3}" for k in number],
        "region": [f"r{k % 8}" for k in number],
        "range": rng.choice(["000", "000_010", "050_060"], count, p=[0.5, 0.3, 0.2]),
    }
    return take(table_of(squares(centres), **columns), np.sort(kept))


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("buffer_m", [0, 1_000])
def test_the_order_of_the_rows_changes_nothing_and_no_ground_is_on_two_sides(method: str, buffer_m: float) -> None:
    table, rule = busy_table(3), replace(RULE, method=method, buffer_m=buffer_m)
    sides = part(table, rule)
    assert list(sides.columns) == ["patch_id", "group", "split"]
    assert sides["patch_id"].tolist() == sorted(table.rows["patch_id"])
    assert set(sides["split"]) - {"buffer"} == set(FRACTIONS)
    pd.testing.assert_frame_equal(part(take(table, np.random.default_rng(0).permutation(len(table.rows))), rule), sides)
    split = table.rows["patch_id"].map(sides.set_index("patch_id")["split"])
    kept = take(PatchTable(table.rows.assign(split=split), table.footprints, table.missing), split != "buffer")
    assert kept.footprints is not None
    assert close_pairs(kept.footprints, buffer_m, kept.rows["split"].to_numpy()).empty
    assert (kept.rows.groupby("place")["split"].nunique() == 1).all()
    unbuffered = sides[sides["split"] != "buffer"]
    assert (unbuffered.groupby("group")["split"].nunique() == 1).all()


@pytest.mark.parametrize("method", sorted(set(METHODS) - {"time"}))
def test_another_seed_gives_another_split(method: str) -> None:
    splits = {tuple(part(busy_table(3), replace(RULE, method=method, seed=seed))["split"]) for seed in range(4)}
    assert len(splits) > 1


@pytest.mark.parametrize("fractions", [{"train": 0.8, "test": 0.2}, dict(FRACTIONS)])
def test_clusters_and_sites_come_near_the_fractions_in_every_range(fractions: dict[str, float]) -> None:
    for method in ("cluster", "site"):
        table, rule = busy_table(5), replace(RULE, method=method, fractions=fractions)
        table = table if method == "cluster" else PatchTable(table.rows, None, table.missing)
        sides = part(table, rule)
        ranges = table.rows.set_index("patch_id")["range"].loc[sides["patch_id"]]
        shares = realised_shares(sides, ranges, rule)
        assert (shares["share"] - shares["wanted"]).abs().max() < 0.04
        assert set(shares["range"]) == {"all", "000", "000_010", "050_060"}
        assert off_tolerance(shares, 0.04).empty


# clusters


def test_centres_within_the_reach_chain_to_one_cluster_and_farther_ones_do_not() -> None:
    line = [(500_000 + 2_990 * k, 9_300_000) for k in range(5)] + [(500_000 + 2_990 * 4 + 3_010, 9_300_000)]
    sides = part(table_of(squares(line, side_m=480)), RULE)
    assert sides["group"].tolist() == ["p0000"] * 5 + ["p0005"]


def test_clusters_apart_by_their_centres_are_one_where_their_corners_overlap() -> None:
    """Squares of 2,560 m overlap until their centres are 3,620 m apart on the diagonal."""
    for step_m, groups in ((2_550, 1), (2_570, 2)):
        assert np.hypot(step_m, step_m) > 3_600
        table = table_of(squares([(500_000, 9_300_000), (500_000 + step_m, 9_300_000 + step_m)]))
        assert part(table, RULE)["group"].nunique() == groups
        assert part(table, replace(RULE, buffer_m=100))["group"].nunique() == 1


@pytest.mark.parametrize("min_samples", [1, 2, 5])
def test_clusters_are_those_of_scikit_learn(min_samples: int) -> None:
    from sklearn.cluster import DBSCAN

    for seed in range(6):
        rng = np.random.default_rng(seed)
        points = rng.uniform(0, 40_000 * (1 + seed), (400, 3)) * np.array([1, 1, 0.02])
        points[200:] = points[rng.integers(0, 200, 200)] + rng.normal(0, 600, (200, 3))
        ours = dbscan(points, 3_000, min_samples)
        model = DBSCAN(eps=3_000, min_samples=min_samples).fit(points)
        np.testing.assert_array_equal(ours < 0, model.labels_ < 0)
        core = model.core_sample_indices_
        both = pd.DataFrame({"ours": ours[core], "theirs": model.labels_[core]}).drop_duplicates()
        assert both["ours"].is_unique
        assert both["theirs"].is_unique


def test_a_border_point_belongs_to_its_nearest_cluster() -> None:
    places = [0, 100, 200, 300, 1_140, 2_000, 2_100, 2_200, 2_300]  # 840 m from one cluster, 860 m from the other
    for order in (slice(None), slice(None, None, -1)):
        along = np.array(places, dtype=float)[order]
        labels = dict(zip(along, dbscan(np.column_stack([along, 0 * along, 0 * along]), 900, 4), strict=True))
        assert labels[1_140] == labels[0] == labels[300] != labels[2_000]
        assert min(labels.values()) == 0


def test_noise_is_a_group_of_its_own() -> None:
    centres = [(500_000 + 100 * k, 9_300_000) for k in range(4)] + [(600_000, 9_300_000), (604_000, 9_300_000)]
    sides = part(table_of(squares(centres, side_m=480)), replace(RULE, min_samples=3))
    assert sides["group"].tolist() == ["p0000"] * 4 + ["p0004", "p0005"]


def test_real_detections_are_parted_by_whole_clusters_near_the_fractions() -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "mining_202200_simplified.geojson"
    if not path.exists():
        pytest.skip(f"the real {path} is absent; set MINING_PLATFORM_REALDATA")
    table = read_patch_table([path])
    assert table.footprints is not None
    sides = part(table, RULE)
    assert len(sides) == 6_201
    split = table.rows["patch_id"].map(sides.set_index("patch_id")["split"]).to_numpy()
    for name, fraction in FRACTIONS.items():
        assert (split == name).mean() == pytest.approx(fraction, abs=0.01)
    assert nearest_m(table.footprints, split) > 0
    assert sides["group"].nunique() < len(sides) / 2


# dealing


def test_a_deal_of_few_groups_finds_the_exact_shares() -> None:
    groups = pd.Series(np.repeat(["a", "b", "c", "d", "e"], [50, 20, 15, 10, 5]))
    for seed in range(5):
        sides = groups.map(deal(groups, None, FRACTIONS, seed))
        assert sides.value_counts().to_dict() == {"train": 70, "val": 15, "test": 15}


def test_every_split_gets_a_group_where_there_are_enough() -> None:
    groups = pd.Series(np.repeat(["a", "b", "c"], [98, 1, 1]))
    assert set(deal(groups, None, FRACTIONS, 1).values()) == set(FRACTIONS)
    assert set(deal(pd.Series(["a", "a", "b"]), None, FRACTIONS, 1).values()) <= set(FRACTIONS)


def test_shares_far_from_the_fractions_are_told_by_range() -> None:
    sides = pd.DataFrame({"patch_id": list("abcdef"), "split": ["train", "train", "train", "test", "test", "buffer"]})
    rule = replace(RULE, fractions={"train": 0.6, "test": 0.4})
    off = off_tolerance(realised_shares(sides, pd.Series(["0", "0", "0", "0", "1", "1"]), rule), 0.2)
    assert off[["range", "split", "count"]].to_numpy().tolist() == [["1", "train", 0], ["1", "test", 1]]
    assert off["off"].tolist() == pytest.approx([-0.6, 0.6])


# sites and regions


def document_sites() -> PatchTable:
    """The images of the document's 33 base sites, each site in up to three numbered parts."""
    names = [f"{split}_site_{chr(97 + k)}" for split, counts in SITES.items() for k in range(len(counts))]
    counts = [count for each in SITES.values() for count in each]
    return table_of(site=[f"{name}_{k % 3 + 1}" for name, count in zip(names, counts, strict=True) for k in range(count)])


def test_base_sites_of_the_document_are_parted_whole_near_its_shares() -> None:
    fractions = {"train": 0.7566, "val": 0.1655, "test": 0.0779}
    table = document_sites()
    assert len(table.rows) == 4_388 + 960 + 452
    sides = part(table, replace(RULE, method="site", fractions=fractions))
    assert sides["group"].nunique() == 33
    assert (sides.groupby("group")["split"].nunique() == 1).all()
    for name, fraction in fractions.items():
        assert (sides["split"] == name).mean() == pytest.approx(fraction, abs=0.01)


def test_a_published_split_stands_beside_ours() -> None:
    table = document_sites()
    published = table.rows.assign(split=table.rows["site"].str.split("_").str[0])[["patch_id", "split"]]
    extra = pd.concat([published.iloc[1:], pd.DataFrame({"patch_id": ["elsewhere"], "split": ["train"]})])
    attached = attach_published(table, extra.sample(frac=1, random_state=0))
    assert attached.only_ours == ("p0000",)
    assert attached.only_published == ("elsewhere",)
    assert (attached.rows["published_split"][1:] == published["split"][1:]).all()
    bases = attached.rows[1:].assign(base=table.rows["site"].str[:-2]).groupby("published_split")["base"].nunique()
    assert bases.to_dict() == {"train": 20, "val": 6, "test": 7}


def test_a_published_split_is_joined_by_place_and_year() -> None:
    table = table_of(place=["1", "1", "2"], year=[2016, 2022, 2016])
    published = pd.DataFrame({"place": ["2", "1", "1"], "year": ["2016", "2022", "2016"], "split": ["val", "test", "train"]})
    assert attach_published(table, published, on=("place", "year")).rows["published_split"].tolist() == ["train", "test", "val"]
    with pytest.raises(SplitError, match=r"published in two splits, such as \['1'\]"):
        attach_published(table, published, on=["place"])
    with pytest.raises(SplitError, match=r"The published split has no columns \['patch_id'\]"):
        attach_published(table, published)
    with pytest.raises(SplitError, match=r"The table has no columns \['tile'\]"):
        attach_published(table, published.assign(tile="1"), on=["tile"])


def test_regions_held_out_are_the_test_and_the_rest_is_dealt_whole() -> None:
    table = table_of(region=np.repeat([f"r{k}" for k in range(10)], 20))
    sides = part(table, replace(RULE, method="region", holdout=("r3", "r7")))
    assert set(sides.loc[sides["split"] == "test", "group"]) == {"r3", "r7"}
    assert sides["split"].value_counts().to_dict() == {"train": 140, "test": 40, "val": 20}
    free = part(table, replace(RULE, method="region"))
    assert sorted(free["split"].value_counts()) == [20, 40, 140]


# paired years and time


def test_paired_places_keep_their_side_when_places_and_years_are_added() -> None:
    def panel(places: int, years: list[int]) -> PatchTable:
        names = [(f"{k:04d}", year) for k in range(places) for year in years]
        rows = {"patch_id": [f"IMG_GH_{p}_{y}" for p, y in names], "place": [p for p, _ in names], "year": [y for _, y in names]}
        return table_of(**rows)

    rule = replace(RULE, method="paired")
    first, grown = (part(panel(*size), rule) for size in ((2_135, [2016, 2022]), (2_500, [2016, 2019, 2022])))
    assert (first.groupby("group")["split"].agg(["nunique", "size"]) == [1, 2]).all().all()
    assert first["split"].value_counts(normalize=True)["train"] == pytest.approx(0.7, abs=0.03)
    both = first.merge(grown, on="patch_id", suffixes=("", "_grown"))
    assert len(both) == 4_270
    assert (both["split"] == both["split_grown"]).all()


def test_named_sites_keep_their_side_when_sites_and_windows_are_added() -> None:
    def panel(sites: int, windows: int) -> PatchTable:
        names = [f"mine-{site}_{number}" for site in range(sites) for number in range(1, windows + 1)]
        return table_of(patch_id=names, site=names)

    rule = replace(RULE, method="named-site")
    first, grown = part(panel(400, 2), rule), part(panel(500, 3), rule)
    assert (first.groupby("group")["split"].agg(["nunique", "size"]) == [1, 2]).all().all()
    assert first["split"].value_counts(normalize=True)["train"] == pytest.approx(0.7, abs=0.06)
    both = first.merge(grown, on="patch_id", suffixes=("", "_grown"))
    assert len(both) == 800
    assert (both["split"] == both["split_grown"]).all()


def test_paired_places_that_overlap_are_one_group() -> None:
    centres = [(500_000, 9_300_000), (502_000, 9_300_000), (504_560, 9_300_000), (600_000, 9_300_000)]
    sides = part(table_of(squares(centres), place=["d", "c", "b", "a"]), replace(RULE, method="paired"))
    assert sides["group"].tolist() == ["c", "c", "b", "a"]


def test_later_years_are_tested_and_whole_years_come_near_the_fractions() -> None:
    years = np.repeat(np.arange(2010, 2020), [10, 10, 10, 10, 10, 10, 10, 10, 15, 15])
    table = table_of(year=years, place=[f"place{k}" for k in range(len(years))])
    sides = part(table, replace(RULE, method="time")).assign(year=years)
    spans = {name: (rows["year"].min(), rows["year"].max()) for name, rows in sides.groupby("split")}
    assert spans == {"train": (2010, 2017), "val": (2018, 2018), "test": (2019, 2019)}
    held = part(table, replace(RULE, method="time", holdout=("2018", "2019"))).assign(year=years)
    assert set(held.loc[held["split"] == "test", "year"]) == {2018, 2019}


def test_a_place_seen_in_several_years_stays_on_one_side_of_time() -> None:
    years, places = np.tile([2016, 2022], 500), np.repeat([f"{k}" for k in range(500)], 2)
    rule = replace(RULE, method="time", fractions={"train": 0.7, "test": 0.3})
    sides = part(table_of(year=years, place=places), rule).assign(year=years, place=places)
    kept = sides[sides["split"] != "buffer"]
    assert kept["place"].is_unique
    assert len(kept) == 500
    assert (kept["split"] == kept["year"].map({2016: "train", 2022: "test"})).all()
    assert (kept["split"] == "train").mean() == pytest.approx(0.7, abs=0.05)


def test_an_earlier_row_near_later_ground_is_set_aside() -> None:
    centres = [(500_000, 9_300_000), (503_000, 9_300_000), (700_000, 9_300_000)]
    table = table_of(squares(centres), year=[2016, 2022, 2016], place=["a", "b", "c"])
    rule = replace(RULE, method="time", fractions={"train": 0.3, "test": 0.7})
    assert part(table, rule)["split"].tolist() == ["train", "test", "train"]
    assert part(table, replace(rule, buffer_m=441))["split"].tolist() == ["buffer", "test", "train"]


# buffers, rules


def test_a_buffer_counts_from_footprints_and_not_from_centres() -> None:
    """Two regions whose squares of 2,560 m are 440 m apart, with centres 3,000 m apart."""
    table = table_of(squares([(500_000, 9_300_000), (503_000, 9_300_000)]), region=["a", "b"])
    rule = replace(RULE, method="region", fractions={"train": 0.6, "test": 0.4})
    assert "buffer" not in set(part(table, replace(rule, buffer_m=440))["split"])
    assert set(part(table, replace(rule, buffer_m=441))["split"]) == {"buffer", "test"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "random"}, "no split method 'random'; use one of cluster, block"),
        ({"fractions": {"train": 0.7, "test": 0.2}}, "must be above 0 and sum to 1"),
        ({"fractions": {"train": 1.2, "test": -0.2}}, "must be above 0 and sum to 1"),
        ({"fractions": {"train": 0.7, "buffer": 0.3}}, "No split can be called 'buffer'"),
        ({"buffer_m": -1}, "buffer_m is -1; it must be at least 0"),
        ({"buffer_m": float("nan")}, "buffer_m is nan"),
        ({"buffer_m": float("inf")}, "buffer_m is inf; it must be at least 0, and finite"),
        ({"eps_m": float("inf")}, "eps_m is inf"),
        ({"tolerance": float("nan")}, "tolerance is nan"),
        ({"min_samples": 0}, "min_samples is 0"),
        ({"method": "block", "block_m": 0}, "block_m is 0"),
        ({"holdout": ("r1",)}, "need method region or time"),
        ({"method": "region", "holdout": ("x",)}, r"no regions \['x'\] to hold out; the table has \['r0', .*"),
        ({"method": "region", "holdout": tuple(f"r{k}" for k in range(8))}, "nothing is left for the other splits"),
        ({"method": "time", "holdout": ("2016",)}, "must be the last of"),
        ({"method": "time", "fractions": {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}}, "3 years .* cannot be parted into"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(SplitError, match=told):
        part(busy_table(1), replace(RULE, **changes))


@pytest.mark.parametrize(
    ("method", "column"),
    [("cluster", "footprints"), ("site", "site"), ("named-site", "site"), ("paired", "place"), ("time", "year")],
)
def test_a_table_that_lacks_what_a_method_needs_is_refused(method: str, column: str) -> None:
    with pytest.raises(SplitError, match=f"Method {method} needs the {column} of each patch, but there is no {column}"):
        part(table_of(patch_id=["a", "b"]), replace(RULE, method=method))


def test_a_patch_without_a_site_is_refused_by_its_id() -> None:
    with pytest.raises(SplitError, match=r"needs a site; \['p0001'\] have none"):
        part(table_of(site=["a", ""]), replace(RULE, method="site"))


def manifest_at(*corners_m: tuple[int, int], px: int = 256) -> pd.DataFrame:
    """Windows of `px` pixels by their upper left corners, metres of EPSG:32620."""
    ids = [f"32620_{x // 10}_{y // 10}_{px}" for x, y in corners_m]
    return pd.DataFrame({"window_id": ids, "range": "", "is_mining": True})


def test_neighbours_of_a_split_by_clusters_are_its_clusters_whichever_rows_come_first() -> None:
    table = manifest_at((0, 10_000), (50_000, 10_000), (2_900, 10_000), (5_800, 10_000))
    names = neighbours_of(table, RULE)
    assert (names == names[0]).tolist() == [True, False, True, True]
    assert neighbours_of(table[::-1], RULE).loc[table.index].tolist() == names.tolist()
    assert told_neighbours(RULE).startswith("clusters of the split: centres at most 3,000 m apart")


def test_windows_whose_ground_overlaps_are_neighbours_though_their_centres_are_far_apart() -> None:
    corner = manifest_at((0, 10_000), (2_400, 12_400))  # 3,394 m between the centres, 160 m of ground shared
    assert neighbours_of(corner, RULE).nunique() == 1


def test_neighbours_of_any_other_split_share_a_block_of_ground() -> None:
    rule = replace(RULE, method="block")
    names = neighbours_of(manifest_at((0, 10_000), (5_000, 10_000), (15_000, 10_000), px=128), rule)
    assert names.tolist() == ["32620_0_0", "32620_0_0", "32620_1_0"]
    assert told_neighbours(rule) == "blocks of 10,240 m"
