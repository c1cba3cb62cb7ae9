"""The audit finds what was planted, counts it once, and passes a clean split; the order of rows changes nothing."""

import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

from mining_platform.leakage.audits import KINDS, LeakageReport, audit
from mining_platform.leakage.findings import MAX_WORST
from mining_platform.leakage.known_names import with_known_names
from mining_platform.leakage.shared_names import scene_list
from mining_platform.leakage.sides import LeakageError, split_windows_table
from tests.mining_platform.leakage_tables import PX, clean, patches, shuffled, table_of

HERE, HALF_EAST, NEXT, FAR = (f"32722_{east}_900128_128" for east in (60_000, 60_064, 60_128, 61_000))
HERE_2_KM_NORTH = "32722_60000_900328_128"


def counts(report: LeakageReport) -> dict[str, tuple[int, int]]:
    return {kind: (len(each.places), each.pairs) for kind, each in report.findings.items()}


def test_windows_that_share_half_their_ground_on_two_sides_are_an_overlap_of_819200_m2() -> None:
    report = audit(patches((HERE, "a", 2020, "train"), (HALF_EAST, "b", 2020, "test"), (FAR, "c", 2020, "test")))
    assert counts(report) == {"overlap": (2, 1), "same_place_other_year": (0, 0)}
    assert report.leaking == ("a", "b")
    assert report.findings["overlap"].worst == (
        {
            **{"a": "p00", "b": "p01", "split_a": "train", "split_b": "test", "year_a": 2020, "year_b": 2020},
            **{"distance_m": 0.0, "overlap_m2": 640.0 * 1280},
        },
    )
    assert report.nearest_m == 0


def test_different_places_overlap_whatever_their_years() -> None:
    assert counts(audit(patches((HERE, "a", 2016, "train"), (HALF_EAST, "b", 2022, "test"))))["overlap"] == (2, 1)


def test_one_place_on_two_sides_is_told_by_its_years() -> None:
    other_year = audit(patches((HERE, "a", 2016, "train"), (HERE, "a", 2022, "test")))
    assert counts(other_year) == {"overlap": (0, 0), "same_place_other_year": (1, 1)}
    same_year = audit(patches((HERE, "a", 2016, "train"), (HERE, "a", 2016, "test")))
    assert counts(same_year) == {"overlap": (1, 1), "same_place_other_year": (0, 0)}
    both = audit(patches((HERE, "a", 2016, "train"), (HERE, "a", 2016, "test"), (HERE, "a", 2022, "test")))
    assert counts(both) == {"overlap": (1, 1), "same_place_other_year": (1, 1)}
    assert both.leaks == 1


def test_one_place_counts_in_other_years_even_where_its_patches_do_not_meet() -> None:
    report = audit(patches((HERE, "a", 2016, "train"), (FAR, "a", 2022, "test")))
    assert counts(report) == {"overlap": (0, 0), "same_place_other_year": (1, 1)}
    assert report.findings["same_place_other_year"].worst[0]["distance_m"] == 10_000 - 1_280


def test_touching_edges_are_no_leak_until_a_buffer_asks_for_distance() -> None:
    table = patches((HERE, "a", 2020, "train"), (NEXT, "b", 2020, "test"))
    assert audit(table).leaks == 0
    assert audit(table).nearest_m == 0
    assert counts(audit(table, buffer_m=0.5))["overlap"] == (2, 1)


def test_a_gap_of_720_m_is_a_leak_from_a_buffer_of_721_m_on() -> None:
    table = patches((HERE, "a", 2020, "train"), (HERE_2_KM_NORTH, "b", 2020, "test"))
    assert audit(table, buffer_m=720).leaks == 0
    assert audit(table, buffer_m=721).leaks == 2
    assert audit(table).nearest_m == 720


def test_windows_of_two_zones_on_the_same_ground_are_found() -> None:
    west, east = (Transformer.from_crs(4326, epsg, always_xy=True).transform(-54.0, -6.0) for epsg in (32721, 32722))
    windows = [f"{epsg}_{x / 10:.0f}_{y / 10:.0f}_128" for epsg, (x, y) in ((32721, west), (32722, east))]
    report = audit(patches((windows[0], "a", 2020, "train"), (windows[1], "b", 2020, "test")))
    assert counts(report)["overlap"] == (2, 1)
    assert 1e6 < report.findings["overlap"].worst[0]["overlap_m2"] < 1280**2


@pytest.mark.parametrize("split", ["", "buffer", "Buffer"])
def test_rows_that_are_set_aside_or_have_no_split_do_not_count(split: str) -> None:
    report = audit(patches((HERE, "a", 2020, "train"), (HERE, "b", 2020, split), (FAR, "c", 2020, "test")))
    assert report.leaks == 0
    assert (report.patches, dict(report.by_split)) == (2, {"test": 1, "train": 1})


def planted(kind: str, seed: int):  # noqa: ANN201 - table and the places that leak
    """A clean table and one leak in it."""
    rows, windows = clean(seed)
    rng = np.random.default_rng(seed)
    train = rows[(rows["split"] == "train") & (rows["year"] == 2016)]
    victim = train.iloc[int(rng.integers(len(train)))]
    if kind == "same_place_other_year":
        rows.loc[rows["patch_id"] == f"{victim['place']}_2022", "split"] = "test"
        return table_of(rows, windows), [victim["place"]]
    epsg, east, north, px = victim["place"].split("_")
    shifted = f"{epsg}_{int(east) + 30}_{int(north) + 30}_{px}"
    extra = pd.DataFrame([{"patch_id": "planted", "place": "planted", "split": "test", "year": 2016}])
    rows = pd.concat([rows, extra], ignore_index=True)
    return table_of(rows, [*windows, shifted]), [victim["place"], "planted"]


@pytest.mark.parametrize("seed", range(6))
def test_a_clean_split_passes(seed: int) -> None:
    report = audit(table_of(*clean(seed)))
    assert report.leaks == 0
    assert counts(report) == {"overlap": (0, 0), "same_place_other_year": (0, 0)}
    assert report.nearest_m is not None
    assert report.nearest_m > 1_280


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["overlap", "same_place_other_year"])
def test_a_planted_leak_is_found_whatever_the_order_of_rows(kind: str, seed: int) -> None:
    table, places = planted(kind, seed)
    report = audit(table)
    assert set(places) <= set(report.findings[kind].places)
    assert report.findings[kind].pairs >= 1
    if kind == "same_place_other_year":
        assert report.leaking == tuple(places)
    for order in range(3):
        assert audit(shuffled(table, order)).facts() == report.facts()


def by_hand(rows: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Places and pairs of each kind, by looking at every two rows."""
    found: dict[str, list[tuple[str, str]]] = {"overlap": [], "same_place_other_year": []}
    listed = rows.to_dict("records")
    for number, a in enumerate(listed):
        for b in listed[:number]:
            if a["split"] == b["split"]:
                continue
            if a["place"] == b["place"] and a["year"] != b["year"]:
                found["same_place_other_year"].append((a["place"], b["place"]))
            elif abs(a["east"] - b["east"]) < PX and abs(a["north"] - b["north"]) < PX:
                found["overlap"].append((a["place"], b["place"]))
    return {kind: (len({place for pair in pairs for place in pair}), len(pairs)) for kind, pairs in found.items()}


@pytest.mark.parametrize("seed", range(5))
def test_places_and_pairs_of_a_random_split_are_those_of_a_count_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 120
    east, north = (start + 32 * rng.integers(0, 14, count) for start in (60_000, 900_000))
    year = rng.integers(0, 3, count)
    rows = pd.DataFrame({"east": east, "north": north, "year": year, "split": rng.choice(["train", "val", "test"], count)})
    rows["place"] = [f"32722_{x}_{y}_{PX}" for x, y in zip(east, north, strict=True)]
    rows["patch_id"] = [f"p{number:03d}" for number in rng.permutation(count)]
    expected = by_hand(rows)
    assert min(pairs for _, pairs in expected.values()) > 3
    report = audit(table_of(rows[["patch_id", "place", "year", "split"]], rows["place"].tolist()))
    assert counts(report) == expected


def test_the_worst_pairs_come_first_one_for_each_two_places_and_at_most_twenty() -> None:
    listed = [(f"32722_{60_000 + 200 * k}_900128_128", f"a{k}", 2020, "train") for k in range(30)]
    listed += [(f"32722_{60_000 + 200 * k + 3 * k + 1}_900128_128", f"b{k}", year, "test") for k in range(30) for year in (1, 2)]
    finding = audit(patches(*listed)).findings["overlap"]
    assert finding.pairs == 60 + 2 * 5  # of the last six, five reach the next field as well
    overlaps = [pair["overlap_m2"] for pair in finding.worst]
    assert len(overlaps) == MAX_WORST
    assert overlaps == sorted(overlaps, reverse=True)
    assert overlaps[0] == 1270 * 1280
    assert finding.worst[0]["a"] == "p00"


def small_mines(swapped: int, places: int = 2_135) -> pd.DataFrame:
    """Patches of two years as SmallMinesDS names them; the first places are on the other side in the second year."""
    tables = []
    for year in (2016, 2022):
        number = np.arange(1, places + 1)
        test = (number % 5 == 0) ^ ((year == 2022) & (number <= swapped))
        names = [f"IMG_GH_{each:04d}_{year}" for each in number]
        tables.append(pd.DataFrame({"patch_id": names, "split": np.where(test, "test", "train")}))
    return pd.concat(tables, ignore_index=True)


def test_a_split_that_puts_903_of_2135_places_on_two_sides_fails_with_that_number() -> None:
    table, note = with_known_names(table_of(small_mines(903)))
    report = audit(table)
    assert "SmallMinesDS" in note
    assert report.leaks == 903
    facts = report.facts()
    assert facts["same_place_other_year"] == facts["pairs"]["same_place_other_year"] == 903
    assert facts["overlap"] is None
    assert facts["not_checked"]["overlap"] == "the test has no column footprints"
    assert facts["nearest_m"] is None
    assert audit(with_known_names(table_of(small_mines(0)))[0]).leaks == 0


def test_forms_of_a_name_with_and_without_gh_are_one_place() -> None:
    rows = pd.DataFrame({"patch_id": ["IMG_GH_0001_2016", "IMG_0001_2022"], "split": ["train", "test"]})
    assert audit(with_known_names(table_of(rows))[0]).leaking == ("0001",)


def test_a_place_twice_in_a_year_without_coordinates_is_counted_and_said() -> None:
    rows = pd.DataFrame({"patch_id": ["IMG_GH_0001_2016", "IMG_0001_2016"], "split": ["train", "test"]})
    finding = audit(with_known_names(table_of(rows))[0]).findings["same_place_other_year"]
    assert (finding.places, finding.pairs) == (("0001",), 1)
    assert finding.note == "1 of the 1 pairs are of one place in one and the same year"


def test_names_of_our_patches_tell_places_years_and_ground() -> None:
    rows = pd.DataFrame({"patch_id": [f"{HERE}_2016", f"{HALF_EAST}_2022"], "split": ["train", "test"]})
    table, note = with_known_names(table_of(rows))
    assert "<window_id>_<year>" in note
    assert counts(audit(table)) == {"overlap": (2, 1), "same_place_other_year": (0, 0)}


def test_names_of_windows_in_no_crs_in_metres_tell_no_ground() -> None:
    rows = pd.DataFrame({"patch_id": ["99999_1_1_8_2016", "99999_1_1_8_2022"], "split": ["train", "test"]})
    table, _ = with_known_names(table_of(rows))
    assert table.footprints is None
    assert counts(audit(table))["same_place_other_year"] == (1, 1)


def test_places_without_years_leak_where_no_coordinates_tell_more() -> None:
    rows = pd.DataFrame({"patch_id": ["p", "q", "r"], "place": ["a", "a", ""], "split": ["train", "test", "test"]})
    finding = audit(table_of(rows)).findings["same_place_other_year"]
    assert finding.places == ("a",)
    assert "years are not known" in finding.note


def test_without_years_ground_in_common_is_overlap_and_other_years_are_not_checked() -> None:
    rows = pd.DataFrame({"patch_id": ["p", "q"], "place": ["a", "a"], "split": ["train", "test"]})
    report = audit(table_of(rows, [HERE, HERE]))
    assert counts(report) == {"overlap": (1, 1)}
    assert report.not_checked["same_place_other_year"] == "the test has no column year"


def test_base_sites_on_two_sides_are_found_without_their_numbers() -> None:
    rows = pd.DataFrame({"patch_id": list("pqrst"), "site": ["ghana_1", "ghana_2", "peru", "peru_la_3", ""]})
    report = audit(table_of(rows.assign(split=["train", "test", "train", "test", "test"])))
    finding = report.findings["same_site"]
    assert (finding.places, finding.pairs) == (("p", "q"), 1)
    assert finding.worst[0]["shared"] == "ghana"


def test_one_scene_a_row_counts_and_scenes_of_mosaics_are_only_told() -> None:
    rows = pd.DataFrame({"patch_id": list("pqr"), "split": ["train", "test", "test"]})
    one = audit(table_of(rows.assign(scene_ids=["s1", "s1", "s2"])))
    assert (one.leaking, one.findings["same_scene"].pairs) == (("p", "q"), 1)
    lists = table_of(rows.assign(scene_ids=[["s1", "s2"], ["s2", "s3"], ["s1", "s2"]]))
    told = audit(lists).findings["same_scene"]
    assert (len(told.places), told.pairs, told.counted) == (3, 3, False)
    assert "told, not counted" in told.note
    assert audit(lists).leaks == 0
    assert audit(lists, count_scenes=True).leaks == 3
    assert audit(table_of(rows.assign(scene_ids=["s1", "s1", "s2"])), count_scenes=False).leaks == 0


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        ("b a", ["a", "b"]),
        ("['b', 'a']", ["a", "b"]),
        ("a;b|a", ["a", "b"]),
        (["x", "x"], ["x"]),
        ("", []),
        (None, []),
        (7, ["7"]),
    ],
)
def test_scene_ids_are_read_from_lists_and_texts(value: object, ids: list[str]) -> None:
    assert scene_list(value) == ids


def test_kinds_that_the_table_cannot_tell_are_null_and_said() -> None:
    facts = audit(patches((HERE, "a", 2020, "train"), (FAR, "b", 2020, "test"))).facts()
    assert [facts[kind] for kind in KINDS] == [0, 0, None, None, None]
    assert facts["not_checked"] == {
        "same_scene": "the test has no column scene_ids",
        "near_duplicate": "no patch store and no folder of images was given",
        "same_site": "the test has no column site",
    }


def test_a_window_twice_in_a_table_of_splits_is_one_place_on_two_sides() -> None:
    windows = pd.DataFrame({"window_id": [HERE, HERE, FAR], "split": ["train", "test", "test"], "group": list("xyz")})
    report = audit(split_windows_table(windows))
    assert report.leaking == (HERE,)
    assert report.findings["overlap"].worst[0]["b"] == f"{HERE}#1"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({"patch_id": ["p"]}, "There is no split to audit: the test has no column split"),
        ({"patch_id": ["p", "q"], "split": ["", "buffer"], "place": ["a", "b"]}, "None of the 2 rows is on a side"),
        ({"patch_id": ["p", "q"], "split": ["Train", "train"]}, r"sides \['Train', 'train'\] differ in case alone"),
        ({"patch_id": ["p", "q"], "split": ["train", "test"]}, "nothing to look for leaks by: the test has no column footprints"),
    ],
)
def test_a_table_that_cannot_be_audited_is_refused(rows: dict[str, list[str]], told: str) -> None:
    with pytest.raises(LeakageError, match=told):
        audit(table_of(pd.DataFrame(rows)))


@pytest.mark.parametrize("buffer_m", [-1.0, float("nan"), float("inf")])
def test_a_buffer_that_is_no_distance_is_refused(buffer_m: float) -> None:
    with pytest.raises(LeakageError, match="is no distance"):
        audit(patches((HERE, "a", 2020, "train")), buffer_m=buffer_m)
