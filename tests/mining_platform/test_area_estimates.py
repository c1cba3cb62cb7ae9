"""Area with uncertainty: the published example, simulated landscapes, and samples that are none."""

import numpy as np
import pandas as pd
import pytest

from mining_platform.evaluations.area_estimates import estimated_area
from mining_platform.evaluations.review_samples import allocation, draw_review_sample

# Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015, tables 8 and 9: map classes in rows, reference classes in columns.
OLOFSSON_PIXELS = {"deforestation": 200_000, "forest gain": 150_000, "stable forest": 3_200_000, "stable non-forest": 6_450_000}
OLOFSSON_COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_HA = {
    "deforestation": (21_158, 6_158),
    "forest gain": (11_686, 3_756),
    "stable forest": (285_770, 15_510),
    "stable non-forest": (581_386, 16_282),
}


def olofsson_sample(reference: str) -> pd.DataFrame:
    """The published sample of 640 pixels of 30 m, with share 1 where the reference class is the one asked for."""
    names, rows = list(OLOFSSON_PIXELS), []
    for stratum, counts in zip(names, OLOFSSON_COUNTS, strict=True):
        for found, count in zip(names, counts, strict=True):
            rows += [(stratum, float(found == reference))] * int(count)
    table = pd.DataFrame(rows, columns=["stratum", "share"])
    windows = table["stratum"].map(OLOFSSON_PIXELS)
    chance = table.groupby("stratum")["share"].transform("size") / windows
    return table.assign(window_id=[f"w{row}" for row in table.index], stratum_windows=windows, inclusion_probability=chance)


@pytest.mark.parametrize("reference", list(OLOFSSON_PIXELS))
def test_the_published_example_gives_the_published_areas_and_intervals(reference: str) -> None:
    facts = estimated_area(olofsson_sample(reference), window_area_m2=900, strata=OLOFSSON_PIXELS)
    area_ha, half_ha = OLOFSSON_HA[reference]
    assert facts["area_ha"] == pytest.approx(area_ha, abs=0.5)
    assert facts["high_ha"] - facts["area_ha"] == pytest.approx(half_ha, rel=2e-4)  # there with 1.96 and no finite correction
    assert facts["area_ha"] - facts["low_ha"] == pytest.approx(half_ha, rel=2e-4)
    assert (facts["windows"], facts["reviewed"], facts["ground_ha"]) == (10_000_000, 640, 900_000)


def test_a_small_sample_is_estimated_as_by_hand() -> None:
    table = pd.DataFrame(
        {
            "window_id": list("abcde"),
            "stratum": ["much", "much", "little", "little", "little"],
            "stratum_windows": [4, 4, 16, 16, 16],
            "inclusion_probability": [2 / 4, 2 / 4, 3 / 16, 3 / 16, 3 / 16],
            "share": [0.5, 1.0, 0.0, 0.0, 0.3],
        }
    )
    facts = estimated_area(table, window_area_m2=10_000)
    assert facts["area_ha"] == pytest.approx(4 * 0.75 + 16 * 0.1)
    # s² is 0.125 and 0.03: 4² · 0.125 / 2 · (1 - 2/4) + 16² · 0.03 / 3 · (1 - 3/16)
    assert facts["standard_error_ha"] ** 2 == pytest.approx(0.5 + 2.08)
    assert facts["low_ha"] == pytest.approx(4.6 - 1.959964 * 2.58**0.5)
    assert [part["with_mining"] for part in facts["strata"]] == [1, 2]


def test_windows_that_are_all_reviewed_leave_no_doubt() -> None:
    table = pd.DataFrame(
        {
            "window_id": list("abc"),
            "stratum": "all",
            "stratum_windows": 3,
            "inclusion_probability": 1.0,
            "share": [0.0, 0.5, 0.7],
        }
    )
    facts = estimated_area(table, window_area_m2=10_000)
    assert (facts["area_ha"], facts["standard_error_ha"]) == (pytest.approx(1.2), 0.0)
    assert facts["without_variation"] == []


def test_a_stratum_whose_windows_are_all_alike_is_named() -> None:
    sample = olofsson_sample("deforestation")
    facts = estimated_area(sample, window_area_m2=900)
    assert facts["without_variation"] == ["forest gain"]


def landscape(seed: int, windows: int = 1200) -> pd.DataFrame:
    """Windows with their true mining share, and strata by a map that errs."""
    random = np.random.default_rng(seed)
    true = np.where(random.uniform(size=windows) < 0.12, random.beta(1, 2, windows), 0.0)
    mapped = true + random.normal(0, 0.08, windows)
    stratum = np.select([mapped > 0.3, mapped > 0.08], ["much", "some"], "none")
    return pd.DataFrame({"window_id": [f"w{row:05d}" for row in range(windows)], "stratum": stratum, "true": true})


def reviewed(ground: pd.DataFrame, sizes: dict[str, int], seed: int) -> pd.DataFrame:
    sample = draw_review_sample(ground, sizes, seed=seed)
    return sample.merge(ground[["window_id", "true"]], on="window_id").rename(columns={"true": "share"})


def test_the_interval_covers_the_true_area_in_about_95_of_100_samples() -> None:
    ground = landscape(1)
    strata = {str(name): int(count) for name, count in ground["stratum"].value_counts().items()}
    sizes, true_ha = allocation(strata, 240, least=50), ground["true"].sum() * 23.04
    found = [estimated_area(reviewed(ground, sizes, seed), window_area_m2=230_400, strata=strata) for seed in range(200)]
    covered = np.mean([facts["low_ha"] <= true_ha <= facts["high_ha"] for facts in found])
    areas = np.array([facts["area_ha"] for facts in found])
    assert 0.92 <= covered <= 0.98  # 0.95 give or take two standard errors of 0.0154
    assert areas.mean() == pytest.approx(true_ha, rel=0.01)  # unbiased
    assert areas.std() == pytest.approx(np.mean([facts["standard_error_ha"] for facts in found]), rel=0.1)


def test_a_balanced_sample_taken_for_a_random_one_would_be_far_off_and_so_none_is_accepted() -> None:
    ground = landscape(2)
    balanced = pd.concat([rows.sample(60, random_state=1) for _, rows in ground.groupby("stratum")])
    assert balanced["true"].mean() > 3 * ground["true"].mean()
    with pytest.raises(ValueError, match=r"no stratum_windows, inclusion_probability\. .* A balanced dataset is none"):
        estimated_area(balanced.rename(columns={"true": "share"}), window_area_m2=230_400)


def test_the_sample_follows_from_the_seed_and_not_from_the_order_of_windows() -> None:
    ground, sizes = landscape(3), {"much": 20, "some": 30, "none": 50}
    sample = draw_review_sample(ground, sizes, seed=7)
    pd.testing.assert_frame_equal(draw_review_sample(ground.sample(frac=1, random_state=1), sizes, seed=7), sample)
    assert set(draw_review_sample(ground, sizes, seed=8)["window_id"]) != set(sample["window_id"])


def test_a_larger_sample_holds_the_smaller_one() -> None:
    ground = landscape(3)
    small = draw_review_sample(ground, {"much": 20, "some": 30, "none": 50}, seed=7)
    large = draw_review_sample(ground, {"much": 25, "some": 60, "none": 90}, seed=7)
    assert set(small["window_id"]) < set(large["window_id"])


def test_every_window_of_a_stratum_is_drawn_about_as_often() -> None:
    ground = pd.DataFrame({"window_id": [f"w{row}" for row in range(20)], "stratum": "all"})
    drawn = [draw_review_sample(ground, {"all": 5}, seed=seed)["window_id"] for seed in range(600)]
    counts = pd.concat(drawn).value_counts()
    assert len(counts) == 20
    assert counts.between(107, 193).all()  # 150 each, give or take four standard errors


def test_the_probability_is_the_drawn_share_of_the_stratum() -> None:
    sample = draw_review_sample(landscape(3), {"much": 20, "some": 30, "none": 50}, seed=7)
    rows = sample.groupby("stratum").agg(
        n=("window_id", "size"), windows=("stratum_windows", "first"), p=("inclusion_probability", "first")
    )
    assert rows["p"].tolist() == pytest.approx((rows["n"] / rows["windows"]).tolist())


@pytest.mark.parametrize(
    ("strata", "total", "least", "sizes"),
    [
        ({"mining": 100, "forest": 9900}, 600, 75, {"mining": 79, "forest": 521}),
        ({"mining": 30, "forest": 970}, 100, 50, {"mining": 30, "forest": 70}),
        ({"a": 10, "b": 10, "c": 10}, 10, 3, {"a": 4, "b": 3, "c": 3}),
        ({"a": 4, "b": 6}, 10, 2, {"a": 4, "b": 6}),
    ],
)
def test_windows_are_shared_over_strata_with_enough_in_each(
    strata: dict[str, int], total: int, least: int, sizes: dict[str, int]
) -> None:
    shared = allocation(strata, total, least=least)
    assert shared == sizes
    assert sum(shared.values()) == total


@pytest.mark.parametrize(("total", "least"), [(10, 75), (20_000, 75), (600, 1)])
def test_a_total_that_cannot_be_shared_is_refused(total: int, least: int) -> None:
    with pytest.raises(ValueError, match=f"{total} windows cannot be shared over strata"):
        allocation({"mining": 100, "forest": 9900}, total, least=least)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"much": 20, "some": 30}, "Stratum 'none' has [0-9]+ windows, of which 0 are to be drawn"),
        ({"much": 20, "some": 30, "none": 1}, r"of which 1 are to be drawn\. Draw 2 to"),
        ({"much": 20, "some": 30, "none": 99_999}, "of which 99999 are to be drawn"),
        ({"much": 20, "some": 30, "none": 50, "sea": 2}, "Stratum 'sea' has 0 windows, of which 2"),
    ],
)
def test_sizes_that_do_not_fit_the_strata_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_review_sample(landscape(3), sizes, seed=7)


def test_windows_that_occur_twice_are_refused() -> None:
    ground = landscape(3)
    with pytest.raises(ValueError, match="1 windows occur twice, first w00000"):
        draw_review_sample(pd.concat([ground, ground.iloc[:1]]), {"much": 20, "some": 30, "none": 50}, seed=7)


GOOD = olofsson_sample("deforestation")


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (GOOD.drop(columns="inclusion_probability"), r"no inclusion_probability\. An area with an interval needs a probability"),
        (GOOD.assign(inclusion_probability=0.0), r"640 windows have no inclusion probability in \(0, 1\], first w0"),
        (GOOD.assign(inclusion_probability=GOOD["inclusion_probability"].where(GOOD.index != 5)), "1 windows .* first w5"),
        (GOOD.assign(inclusion_probability=GOOD["inclusion_probability"] * (1 + (GOOD.index == 5))), "differ in stratum_windows"),
        (GOOD.drop(columns="share"), "no column share"),
        (
            GOOD.assign(share=GOOD["share"].where(GOOD.index != 7)),
            r"1 windows have no share from 0 to 1, first w7\. Review every",
        ),
        (GOOD.assign(share=50.0), "640 windows have no share from 0 to 1"),
        (GOOD[GOOD.index != 3], "Stratum 'deforestation': 75 of 200000 windows were drawn, 74 are here"),
        (pd.concat([GOOD, GOOD.iloc[:1]]), "1 windows occur twice, first w0"),
        (GOOD[GOOD["stratum"] != "forest gain"], "No window of the strata forest gain was reviewed"),
        (GOOD.iloc[:0], "No window was reviewed"),
    ],
)
def test_what_is_no_reviewed_probability_sample_is_refused(sample: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        estimated_area(sample, window_area_m2=900, strata=OLOFSSON_PIXELS)


def test_one_window_of_a_stratum_tells_no_variance() -> None:
    one = pd.DataFrame({"window_id": ["a"], "stratum": "s", "stratum_windows": 10, "inclusion_probability": 0.1, "share": 0.5})
    with pytest.raises(ValueError, match="one reviewed window of 10: its variance is not known"):
        estimated_area(one, window_area_m2=900)
