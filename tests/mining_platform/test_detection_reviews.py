"""People's decisions on detections: kept in a log, published, and honoured by the changes of their year and of later ones."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shapely.geometry import box

from mining_platform import changes
from mining_platform.artifacts import current_digest, records
from mining_platform.pipeline import Platform
from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.detection_decisions import (
    DetectionDecision,
    append_detection_decisions,
    read_detection_log,
    standing,
)
from mining_platform.reviews.detection_desks import DetectionProposal, detection_decisions_on, take_down_detections
from mining_platform.reviews.detection_publishing import detection_reviews_ref, publish_detection_reviews
from mining_platform.reviews.detection_tables import (
    DETECTION_REVIEW_TYPES,
    confirmed_outlines,
    detection_review_table,
    read_detection_reviews,
    rejected_outlines,
)
from tests.mining_platform.detected_homes import (
    OLD,
    PIT,
    REGION,
    SANDBANK,
    compare,
    decide,
    desk_of,
    find,
    id_of,
    places,
    platform_at,
)

SQUARE = box(-55.0, -6.0, -54.0, -5.0)
REJECTED = DetectionDecision(REGION, 2023, "changes", "a", "reject", False, "Ana", "sand", "", shapely.to_wkt(SQUARE))
CONFIRMED = replace(REJECTED, decision="confirm", reason="")


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 ha since 2022; in 2023 a pit of 9 ha and a sandbank of 8 ha, both found again in 2024."""
    made = platform_at(tmp_path_factory.mktemp("detected"))
    for year, boxes in {2022: (OLD,), 2023: (OLD, PIT, SANDBANK), 2024: (OLD, PIT, SANDBANK)}.items():
        find(made, year, *boxes)
    compare(made, 2023)
    return made.home


@pytest.fixture
def platform(made_home: Path, tmp_path: Path) -> Platform:
    shutil.copytree(made_home, tmp_path / "home")
    return platform_at(tmp_path / "home")


def test_a_rejected_place_leaves_areas_union_and_new_mining_and_is_told_as_removed(platform: Platform) -> None:
    before = compare(platform, 2023)
    assert before.facts["new_ha"] == pytest.approx(17, rel=2e-3)

    decide(platform, 2023, SANDBANK, "reject")
    after = compare(platform, 2023)

    assert after.facts["new_ha"] == pytest.approx(9, rel=2e-3)
    assert after.facts["cumulative_ha"] == pytest.approx(13, rel=2e-3)
    assert after.facts["found_ha"]["2023"] == pytest.approx(13, rel=2e-3)
    assert places(after)["change_id"].tolist() == [id_of(PIT)]
    assert id_of(SANDBANK) not in set(places(after, changes.CUMULATIVE_NAME)["change_id"])
    removed = places(after, changes.REMOVED_NAME)
    assert removed[["change_id", "reviewed"]].to_numpy().tolist() == [[id_of(SANDBANK), "rejected"]]
    assert (after.facts["removed_polygons"], after.facts["removed_ha"]) == (1, pytest.approx(8, rel=2e-3))
    assert before.facts["removed_polygons"] == 0


def test_a_confirmed_place_is_marked_among_what_is_new_and_in_the_union_of_later_years(platform: Platform) -> None:
    decide(platform, 2023, PIT, "confirm")

    changed = compare(platform, 2023)
    said = places(changed).set_index("change_id")["reviewed"]
    assert said.to_dict() == {id_of(PIT): "confirmed", id_of(SANDBANK): "not reviewed"}
    assert (changed.facts["confirmed_polygons"], changed.facts["confirmed_ha"]) == (1, pytest.approx(9, rel=2e-3))
    later = places(compare(platform, 2024), changes.CUMULATIVE_NAME).set_index("change_id")["reviewed"]
    assert later.to_dict() == {id_of(PIT): "confirmed", id_of(SANDBANK): "not reviewed", id_of(OLD): "not reviewed"}


def test_a_place_of_which_a_small_part_is_confirmed_is_not(platform: Platform) -> None:
    decide(platform, 2023, PIT, "confirm")
    find(platform, 2023, OLD, (100, 180, 100, 180))

    (said,) = places(compare(platform, 2023))["reviewed"]

    assert said == "not reviewed"


def test_a_false_alarm_of_one_year_is_new_where_the_next_year_finds_it_again(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject")

    assert places(compare(platform, 2024))["change_id"].tolist() == [id_of(SANDBANK)]


def test_a_false_alarm_of_later_years_too_stays_out_until_somebody_confirms_it(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject", later="yes")
    later = compare(platform, 2024)
    assert len(places(later)) == 0
    assert later.facts["removed_ha"] == pytest.approx(8, rel=2e-3)
    assert later.facts["cumulative_ha"] == pytest.approx(13, rel=2e-3)

    decide(platform, 2024, SANDBANK, "confirm", asset="detections")
    confirmed = compare(platform, 2024)

    assert places(confirmed)[["change_id", "reviewed"]].to_numpy().tolist() == [[id_of(SANDBANK), "confirmed"]]
    assert places(compare(platform, 2023))["change_id"].tolist() == [id_of(PIT)]


def test_a_map_that_is_made_anew_with_other_outlines_keeps_only_what_nobody_rejected(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject")
    top, bottom, left, right = SANDBANK
    find(platform, 2023, OLD, (top - 10, bottom - 10, left, right))

    changed = compare(platform, 2023)

    assert places(changed)["area_ha"].tolist() == pytest.approx([10 * 40 / 100], rel=2e-3)
    assert places(changed, changes.REMOVED_NAME)["area_ha"].tolist() == pytest.approx([10 * 40 / 100], rel=2e-3)


def test_decisions_are_an_input_of_the_changes_of_their_year_and_later_ones(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject")

    for year, expected in ((2022, set()), (2023, {"sim-igarape|2023"}), (2024, {"sim-igarape|2023"})):
        made = compare(platform, year)
        inputs = records(platform.artifacts, made.ref)[-1].inputs
        assert {each.partition for each in inputs if each.asset == "detections/reviews"} == expected


def log_of(home: Path, region: str = REGION) -> Path:
    """Where the page on reviews says that the log lies."""
    return home / "reviews" / "detections" / f"{region}.jsonl"


def said(*decisions: DetectionDecision, home: Path) -> gpd.GeoDataFrame:
    entries = append_detection_decisions(log_of(home), decisions)
    return detection_review_table(entries)


def test_of_decisions_on_the_same_ground_the_later_year_stands_and_of_one_year_the_last(tmp_path: Path) -> None:
    west, east = box(-55.0, -6.0, -54.5, -5.0), box(-54.5, -6.0, -54.0, -5.0)
    reviews = said(
        replace(REJECTED, also_later=True),
        replace(CONFIRMED, year=2025, detection_id="b", geometry=shapely.to_wkt(west)),
        replace(REJECTED, year=2022, detection_id="c", geometry=shapely.to_wkt(west)),
        replace(CONFIRMED, year=2022, detection_id="d", geometry=shapely.to_wkt(west)),
        home=tmp_path,
    )

    rejected = rejected_outlines(reviews, range(2022, 2027))

    assert {year: shapely.union_all(ground).area for year, ground in rejected.items()} == pytest.approx(
        {2022: 0, 2023: 1, 2024: 1, 2025: 0.5, 2026: 0.5}
    )
    assert shapely.union_all(rejected[2026]).equals(east)
    confirmed = confirmed_outlines(reviews, range(2022, 2027))
    assert {year: len(ground) for year, ground in confirmed.items()} == {2022: 1, 2023: 0, 2024: 0, 2025: 1, 2026: 0}


def test_the_newest_decision_on_an_outline_stands_and_one_that_is_withdrawn_does_not(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    append_detection_decisions(log, [REJECTED, CONFIRMED, replace(REJECTED, detection_id="b")])
    append_detection_decisions(log, [replace(REJECTED, detection_id="b", decision="withdraw")])

    entries = read_detection_log(log).entries

    assert len(entries) == 4
    assert [(each.detection_id, each.decision) for each in standing(entries)] == [("a", "confirm")]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [lines[0].replace('"sand"', '"land"'), lines[1]], "line 1 was altered"),
        (lambda lines: [lines[1]], "line 1 does not follow the line before"),
        (lambda lines: [lines[0], lines[1].replace("confirm", "reject")], "line 2 was altered"),
        (lambda lines: [lines[0].replace("POLYGON ((-54", "POLYGON ((-53"), lines[1]], "line 1 was altered"),
    ],
)
def test_an_altered_log_is_named_and_nothing_is_decided_or_published(
    platform: Platform, spoil: Callable[[list[str]], list[str]], message: str
) -> None:
    desk, log = desk_of(platform, 2023), log_of(platform.home)
    append_detection_decisions(log, [REJECTED, CONFIRMED])
    log.write_text("\n".join(spoil(log.read_text().splitlines())) + "\n")

    with pytest.raises(ReviewError, match=f"{REGION}.jsonl, {message}"):
        publish_detection_reviews(platform, REGION, 2023)
    with pytest.raises(ReviewError, match=message):
        take_down_detections(desk, [DetectionProposal(id_of(PIT), "confirm", "", "Ana", "")])


def test_a_log_of_another_region_is_not_used(tmp_path: Path) -> None:
    log = log_of(tmp_path)
    append_detection_decisions(log, [REJECTED])

    with pytest.raises(ReviewError, match=r"sim-serra\.jsonl, line 1 is a decision on sim-igarape, not on sim-serra"):
        read_detection_log(log.rename(log_of(tmp_path, "sim-serra")))


def test_the_published_table_has_the_decisions_in_force_with_their_outlines(platform: Platform) -> None:
    assert publish_detection_reviews(platform, REGION, 2023) is None
    decide(platform, 2023, SANDBANK, "reject", later="yes")
    decide(platform, 2023, PIT, "confirm")
    made = publish_detection_reviews(platform, REGION, 2023)
    assert made is not None
    assert made.skipped
    assert made.facts == {"outlines": 2, "confirm": 1, "reject": 1, "simulated": True}

    table = gpd.read_parquet(made.path / "reviews.parquet")

    assert list(table.columns) == [*DETECTION_REVIEW_TYPES, "geometry"]
    assert table[["detection_id", "decision", "also_later", "reviewer"]].to_numpy().tolist() == [
        [id_of(SANDBANK), "reject", True, "Ana"],
        [id_of(PIT), "confirm", False, "Ana"],
    ]
    assert table.to_crs(32721).area.tolist() == pytest.approx([80_000, 90_000], rel=1e-5)
    assert table["seen"].tolist() == [current_digest(platform.artifacts, desk_of(platform, 2023).shown.ref)] * 2
    assert len(read_detection_reviews([])) == 0


def test_a_log_that_lost_its_end_is_not_published(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject")
    decide(platform, 2023, PIT, "confirm")
    log = log_of(platform.home)
    log.write_text(log.read_text().splitlines(keepends=True)[0])

    with pytest.raises(ReviewError, match=r"lacks decisions that detections/reviews@sim-igarape\|2023 was published from"):
        publish_detection_reviews(platform, REGION, 2023)
    assert current_digest(platform.artifacts, detection_reviews_ref(REGION, 2023)) is not None


def test_a_rejected_place_stays_on_the_desk_and_can_be_taken_back(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject")
    compare(platform, 2023)
    desk = desk_of(platform, 2023)
    assert desk.places["detection_id"].tolist() == [id_of(PIT), id_of(SANDBANK)]
    assert desk.places["area_ha"].tolist() == pytest.approx([9, 8], rel=3e-3)

    decide(platform, 2023, SANDBANK, "withdraw")

    assert detection_decisions_on(desk)[id_of(SANDBANK)].decision == "withdraw"
    assert places(compare(platform, 2023))["change_id"].tolist() == [id_of(SANDBANK), id_of(PIT)]


def test_every_decision_that_is_not_sound_is_named_and_none_is_taken_down(platform: Platform) -> None:
    good = id_of(PIT)
    proposals = [
        DetectionProposal(good, "confirm", "", "Ana", ""),
        DetectionProposal(good, "reject", "", "Ana", "twice"),
        DetectionProposal("32721_1_1", "reject", "", "Ana", "nowhere"),
        DetectionProposal(id_of(SANDBANK), "reject", "", "", ""),
        DetectionProposal("32721_2_2", "confirm", "yes", "Ana", "=1+1"),
        DetectionProposal("32721_3_3", "maybe", "si", "Ana", "\n"),
        DetectionProposal(id_of(OLD), "withdraw", "", "Ana", ""),
    ]

    with pytest.raises(ReviewError) as raised:
        take_down_detections(desk_of(platform, 2023), proposals)

    for part in (
        "Nothing was taken down.",
        f"decision 2 ('{good}'): it is decided on twice here",
        "decision 3 ('32721_1_1'): it is not among the changes of sim-igarape in 2023",
        "it lacks a reviewer",
        "it lacks a reason",
        "only a reject holds in later years too",
        "begins like a formula",
        "'maybe' is no decision; choose confirm, reject, withdraw",
        "also_later is 'si'; write 'yes' or nothing",
        "nobody decided on it",
    ):
        assert part in str(raised.value)
    assert not log_of(platform.home).exists()


def test_without_maps_there_is_nothing_to_review(platform: Platform) -> None:
    with pytest.raises(ReviewError, match="materialize --assets changes --regions sim-igarape --years 2024"):
        desk_of(platform, 2024)


def test_a_line_of_the_log_holds_the_whole_decision(platform: Platform) -> None:
    decide(platform, 2023, SANDBANK, "reject", later="yes")

    (line,) = log_of(platform.home).read_text().splitlines()

    told = json.loads(line)
    assert {name: told[name] for name in ("region", "year", "asset", "detection_id", "decision", "also_later", "reason")} == {
        "region": REGION,
        "year": 2023,
        "asset": "changes",
        "detection_id": id_of(SANDBANK),
        "decision": "reject",
        "also_later": True,
        "reason": "a sandbank",
    }
    assert shapely.from_wkt(told["geometry"]).geom_type == "Polygon"
    assert pd.Timestamp(told["time"]).tzinfo is not None
