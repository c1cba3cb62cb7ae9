"""Decisions of people: a log that only grows, what is in force, and what it changes in quotas, samples, patches and manifests."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import pandas as pd
import pytest

from mining_platform import manifests, sampling
from mining_platform.artifacts import ArtifactStore, Ref, current_digest, records
from mining_platform.dataset_rows import Dataset
from mining_platform.datasets import DATASETS
from mining_platform.patches import read_labels
from mining_platform.pipeline import Platform
from mining_platform.point_files import PointsFile
from mining_platform.region_files import load_regions
from mining_platform.reviews.decisions import Decision, ReviewError, problems, relabel_choices
from mining_platform.reviews.effects import honoured
from mining_platform.reviews.logs import Entry, append_decisions, read_log
from mining_platform.reviews.publishing import publish_reviews
from mining_platform.reviews.tables import REVIEW_TYPES, in_force, read_reviews, review_table
from tests.conftest import ROOT
from tests.mining_platform import patch_stores
from tests.mining_platform.test_manifests import SOURCES, make_index, make_samples, make_splits
from tests.mining_platform.test_sampling import BLOCK_M, LOW, RANDOM, make_candidates

ROW = DATASETS["sim_ranges"]
WINDOW, OTHER = "32721_49152_921600_128", "32721_49280_921600_128"
ACCEPTED = Decision("sim_ranges", "sim-igarape", 2024, WINDOW, "accept", "", "Ana", "", "")
REJECTED = replace(ACCEPTED, decision="reject", reason="cloud over the pit")
RELABELLED = replace(ACCEPTED, decision="relabel", range="010_020", reason="pit is larger")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "reviews" / "sim_ranges.jsonl"


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_decision_is_a_line_with_number_time_and_a_hash_over_the_line_before(log: Path) -> None:
    append_decisions(log, [ACCEPTED])
    append_decisions(log, [REJECTED])
    first, second = lines_of(log)
    assert (first["number"], second["number"], first["previous"], second["previous"]) == (1, 2, "", first["hash"])
    assert (first["window_id"], first["decision"], second["reason"]) == (WINDOW, "accept", "cloud over the pit")
    assert str(first["time"]).endswith("+00:00")
    assert [entry.hash for entry in read_log(log).entries] == [first["hash"], second["hash"]]


def test_without_a_file_nobody_decided_anything(log: Path) -> None:
    assert read_log(log).entries == ()


def test_a_later_decision_stands_over_an_earlier_one_and_both_stay(log: Path) -> None:
    append_decisions(log, [REJECTED, replace(REJECTED, window_id=OTHER), RELABELLED, replace(REJECTED, year=2023)])
    entries = read_log(log).entries
    assert len(entries) == 4
    assert [(each.year, each.window_id, each.decision) for each in in_force(entries)] == [
        (2023, WINDOW, "reject"), (2024, WINDOW, "relabel"), (2024, OTHER, "reject")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [lines[0], lines[1].replace("cloud", "shade"), lines[2]], "line 2 was altered"),
        (lambda lines: [lines[0], lines[2]], "line 2 does not follow the line before: lines were removed or exchanged"),
        (lambda lines: [lines[1], lines[0], lines[2]], "line 1 does not follow"),
        (lambda lines: [lines[0], "{}", lines[2]], "line 2 was altered"),
        (lambda lines: [lines[0], lines[1][:40], lines[2]], "line 2 is no JSON: it was altered"),
    ],
)
def test_a_changed_removed_or_exchanged_line_is_named_and_nothing_is_added(
    log: Path, spoil: Callable[[list[str]], list[str]], message: str
) -> None:
    append_decisions(log, [ACCEPTED, REJECTED, RELABELLED])
    spoilt = "\n".join(spoil(log.read_text().splitlines())) + "\n"
    log.write_text(spoilt)
    with pytest.raises(ReviewError, match=f"sim_ranges.jsonl, {message}"):
        read_log(log)
    with pytest.raises(ReviewError, match=message):
        append_decisions(log, [ACCEPTED])
    assert log.read_text() == spoilt


def test_a_log_of_another_dataset_is_not_used(log: Path) -> None:
    append_decisions(log, [ACCEPTED, REJECTED])
    copied = log.rename(log.with_name("sim_points.jsonl"))
    with pytest.raises(ReviewError, match=r"sim_points\.jsonl, line 1 is a decision on sim_ranges, not on sim_points"):
        read_log(copied)


def test_a_clock_that_goes_backwards_changes_no_order(log: Path) -> None:
    append_decisions(log, [REJECTED], datetime(2025, 6, 1, tzinfo=UTC))
    append_decisions(log, [ACCEPTED], datetime(2025, 5, 1, tzinfo=UTC))
    assert [each.decision for each in in_force(read_log(log).entries)] == ["accept"]


def test_a_torn_last_line_is_told_and_the_next_writer_puts_it_aside(log: Path) -> None:
    append_decisions(log, [ACCEPTED, REJECTED])
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:57])
    assert len(read_log(log).entries) == 2
    assert read_log(log).torn == whole[:57]
    append_decisions(log, [RELABELLED])
    assert [each.decision for each in read_log(log).entries] == ["accept", "reject", "relabel"]
    assert read_log(log).torn == b""
    assert log.with_name("sim_ranges.jsonl.torn").read_bytes() == whole[:57] + b"\n"


def test_a_last_line_that_only_lost_its_end_is_a_decision(log: Path) -> None:
    append_decisions(log, [ACCEPTED, REJECTED])
    log.write_bytes(log.read_bytes()[:-1])
    assert len(read_log(log).entries) == 2
    append_decisions(log, [RELABELLED])
    assert [each.number for each in read_log(log).entries] == [1, 2, 3]


def test_two_writers_at_once_lose_no_line(log: Path) -> None:
    code = """
import sys
from pathlib import Path
from mining_platform.reviews.decisions import Decision
from mining_platform.reviews.logs import append_decisions
for number in range(40):
    append_decisions(Path(sys.argv[1]), [Decision("sim_ranges", "r", 2024, f"w{number}", "accept", "", sys.argv[2], "", "")])
"""
    names = ("Ana", "Rui", "Eva")
    writers = [subprocess.Popen([sys.executable, "-c", code, str(log), name], cwd=ROOT) for name in names]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    entries = read_log(log).entries
    assert [entry.number for entry in entries] == list(range(1, 121))
    for name in names:
        assert [entry.window_id for entry in entries if entry.reviewer == name] == [f"w{number}" for number in range(40)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reviewer": " "}, "lacks a reviewer"),
        ({"decision": "reject"}, "lacks a reason"),
        ({"decision": "maybe"}, "'maybe' is no decision; choose accept, reject, relabel"),
        ({"decision": "relabel", "reason": "x", "range": "5"}, "'5' is nothing to relabel to; choose one of 000, 000_010"),
        ({"range": "000"}, "only a relabel has a range"),
        ({"region": "lourenco"}, "sim_ranges has no region 'lourenco' in 2024"),
        ({"year": 1999}, "no region 'sim-igarape' in 1999"),
        ({"window_id": "32721_49152_921600_48"}, "no window of 128 px"),
        ({"window_id": "../../etc"}, "no window of 128 px"),
        ({"reason": "two\nlines"}, "its reason has line breaks"),
        ({"reviewer": "A" * 101}, "its reviewer has 101 characters; write at most 100"),
    ],
)
def test_of_an_unsound_decision_it_is_told_what_to_write(change: dict[str, object], message: str) -> None:
    assert not list(problems(ACCEPTED, ROW))
    assert message in "; ".join(problems(replace(ACCEPTED, **change), ROW))  # type: ignore[arg-type]


def points_row(*negatives: str) -> Dataset:
    return replace(
        ROW,
        points=PointsFile("points.geojson", "kind", ("mine",), ("farm",)),
        quotas=MappingProxyType({"mining": 10, **dict.fromkeys(negatives, 3)}),
        negatives=MappingProxyType({}),
    )


def test_a_window_of_a_dataset_of_points_is_relabelled_to_mining_or_other() -> None:
    assert relabel_choices(points_row("curated")) == ("mining", "other")
    assert relabel_choices(points_row()) == ("mining",)


def decided(*rows: tuple[str, str, str], region: str = "a", year: int = 2024) -> pd.DataFrame:
    """Decisions in force: (window id, decision, range)."""
    entries = [
        Entry("d", region, year, window, decision, name, "Ana", "seen so", "", number, "", "", "")
        for number, (window, decision, name) in enumerate(rows, start=1)
    ]
    return review_table(entries)


def candidates_with_reasons(numbers: dict[sampling.Stratum, int]) -> gpd.GeoDataFrame:
    table = make_candidates(numbers)
    return table.assign(reason="", is_mining=table["range"] != "000")


def drawn(table: gpd.GeoDataFrame, quota: dict[sampling.Stratum, int]) -> list[str]:
    return list(sampling.sample(table, quota, block_m=BLOCK_M)["window_id"])


def order_of(table: gpd.GeoDataFrame, stratum: sampling.Stratum) -> list[str]:
    """Windows of a stratum in the order in which they are drawn."""
    number = int(((table["range"] == stratum[0]) & (table["negative"] == stratum[1])).sum())
    taken: list[str] = []
    for count in range(1, number + 1):
        (new,) = set(drawn(table, {stratum: count})) - set(taken)
        taken.append(new)
    return taken


def test_the_next_window_of_the_order_takes_a_rejected_ones_place() -> None:
    table = candidates_with_reasons({LOW: 12})
    order = order_of(table, LOW)
    after = honoured(table, decided((order[2], "reject", "")), ROW)
    assert order_of(table, LOW)[:5] == order[:5]
    assert set(drawn(after, {LOW: 4})) == {order[0], order[1], order[3], order[4]}
    rejected = after.set_index("window_id").loc[order[2]]
    assert (bool(rejected["eligible"]), rejected["reason"]) == (False, "rejected in review: seen so")
    assert sampling.count_table(after, [LOW])["found"].tolist() == [11]


def test_a_relabelled_window_counts_and_is_drawn_in_the_reviewers_range() -> None:
    table = candidates_with_reasons({LOW: 6, ("080_090", ""): 2, RANDOM: 3})
    moved = order_of(table, LOW)[0]
    after = honoured(table, decided((moved, "relabel", "080_090")), ROW)
    row = after.set_index("window_id").loc[moved]
    assert (row["range"], bool(row["is_mining"]), row["negative"], bool(row["relabelled"])) == ("080_090", True, "", True)
    assert after["relabelled"].sum() == 1
    counts = sampling.count_table(after, [LOW, ("080_090", ""), RANDOM])
    assert counts["found"].tolist() == [5, 3, 3]
    assert moved in drawn(after, {("080_090", ""): 3})
    assert order_of(after, LOW) == order_of(table, LOW)[1:]


def test_a_window_relabelled_to_no_mining_counts_for_the_first_negative_recipe_and_back() -> None:
    row = replace(ROW, negatives=MappingProxyType({"rivers": 0.5, "random": 0.5}))
    table = candidates_with_reasons({LOW: 1, ("000", "random"): 1})
    mining, empty = table["window_id"]
    after = honoured(table, decided((mining, "relabel", "000"), (empty, "relabel", "090_100")), row)
    strata = list(zip(after["range"], after["negative"], after["is_mining"], strict=True))
    assert strata == [("000", "rivers", False), ("090_100", "", True)]


def test_a_relabelled_point_keeps_its_range_and_takes_the_reviewers_class() -> None:
    row = points_row("curated", "grid")
    table = candidates_with_reasons({("010_020", ""): 2, ("000", "grid"): 2})
    first, second, third, fourth = table["window_id"]
    reviews = decided(
        (first, "relabel", "other"), (second, "relabel", "mining"), (third, "relabel", "mining"), (fourth, "relabel", "other")
    )
    after = honoured(table, reviews, row)
    assert after["range"].tolist() == ["010_020", "010_020", "000", "000"]
    assert after["is_mining"].tolist() == [False, True, True, False]
    assert after["negative"].tolist() == ["curated", "", "", "grid"]


def test_an_accepted_window_and_one_that_is_no_candidate_change_nothing() -> None:
    table = candidates_with_reasons({LOW: 4, RANDOM: 2})
    after = honoured(table, decided((table["window_id"][1], "accept", ""), ("32722_1_1_48", "reject", "")), ROW)
    pd.testing.assert_frame_equal(pd.DataFrame(after.drop(columns="relabelled")), pd.DataFrame(table))
    assert not after["relabelled"].any()


def manifest_of(samples: pd.DataFrame, reviews: pd.DataFrame) -> pd.DataFrame:
    tables = (samples, make_index(samples), make_splits(samples))
    made = manifests.build_manifest(*tables, sources=SOURCES, recipe="mapbiomas-mining", profile="rgb", reviews=reviews)
    return pd.DataFrame(made).set_index("window_id")


def test_a_manifest_of_an_older_sample_drops_what_was_rejected_since_and_records_what_was_accepted() -> None:
    samples = make_samples().assign(relabelled=False)
    ids = samples["window_id"].tolist()
    table = manifest_of(samples, decided((ids[0], "reject", ""), (ids[2], "accept", ""), region="here"))
    assert table.loc[ids[0], ["dropped", "drop_reason", "store_row"]].tolist() == [True, "rejected in review: seen so", -1]
    assert table.loc[ids[0], ["review", "reviewer", "review_reason"]].tolist() == ["reject", "Ana", "seen so"]
    assert table.loc[ids[2], ["review", "dropped", "store_row"]].tolist() == ["accept", False, 1]
    assert table.loc[ids[3], ["review", "reviewer", "review_reason"]].tolist() == ["", "", ""]


def test_a_relabelled_patch_has_the_reviewers_range_and_the_maps_share() -> None:
    samples = make_samples().assign(relabelled=False)
    window = samples.loc[3, "window_id"]
    samples.loc[3, ["range", "relabelled"]] = ["050_060", True]
    row = manifest_of(samples, decided((window, "relabel", "050_060"), region="here")).loc[window]
    assert (row["range"], row["share"], row["is_mining"], row["review"]) == ("050_060", 0.11, True, "relabel")


@pytest.mark.parametrize("decision", [("relabel", "050_060"), ("accept", "")])
def test_a_sample_that_knows_nothing_of_a_relabel_or_too_much_is_not_listed(decision: tuple[str, str]) -> None:
    samples = make_samples().assign(relabelled=decision[0] == "accept")
    with pytest.raises(ValueError, match=r"32721_48144_923000_48.* after their sample was drawn. Make sample and patches again"):
        manifest_of(samples, decided((samples.loc[3, "window_id"], *decision), region="here"))


def test_a_range_other_than_the_shares_needs_a_relabel() -> None:
    table = manifests.build_manifest(
        *(make_samples(), make_index(make_samples()), make_splits(make_samples())), sources=SOURCES, recipe="r", profile="rgb"
    )
    table.loc[3, "range"] = "050_060"
    with pytest.raises(ValueError, match="range is not that of the share"):
        manifests.validate_manifest(table)
    table.loc[3, ["review", "reviewer", "review_reason"]] = ["relabel", "Ana", "seen"]
    manifests.validate_manifest(table)
    table.loc[3, "reviewer"] = ""
    with pytest.raises(ValueError, match="a decision lacks its reviewer"):
        manifests.validate_manifest(table)


def test_the_pixels_of_a_relabelled_window_have_no_label(tmp_path: Path) -> None:
    inputs = patch_stores.write_inputs(tmp_path / "inputs")
    table = patch_stores.windows((0, 0), (2, 0)).assign(relabelled=[True, False])
    index, _ = patch_stores.store(inputs, tmp_path, table)
    rows = index.set_index("window_id")["row"]
    relabelled, other = read_labels(tmp_path, [rows[window] for window in table["window_id"]])
    assert (relabelled == 255).all()
    assert (other == 1).all()


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    regions = load_regions(ROOT / "regions.geojson")
    return Platform(tmp_path, regions, ArtifactStore(tmp_path / "artifacts"), None, None)  # type: ignore[arg-type]


REF = Ref("sim_ranges/reviews", "sim-igarape|2024")


def test_publishing_the_same_decisions_again_makes_nothing_and_a_new_one_a_version(platform: Platform, log: Path) -> None:
    assert publish_reviews(platform, "sim_ranges", "sim-igarape", 2024) is None
    append_decisions(log, [REJECTED, replace(REJECTED, year=2023)])
    first = publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    assert first is not None
    assert first.facts == {"windows": 1, "accept": 0, "reject": 1, "relabel": 0, "simulated": True}
    append_decisions(log, [replace(REJECTED, region="sim-serra")])
    again = publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    assert again is not None
    assert (again.skipped, again.digest) == (True, first.digest)
    (last,) = append_decisions(log, [replace(ACCEPTED, window_id=OTHER)])
    second = publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    assert second is not None
    assert second.digest == current_digest(platform.artifacts, REF) != first.digest
    assert records(platform.artifacts, REF)[-1].configuration == {"decisions": 2, "last": last.hash}


def test_the_published_table_has_the_decisions_in_force(platform: Platform, log: Path) -> None:
    append_decisions(log, [replace(REJECTED, window_id=OTHER), REJECTED, RELABELLED])
    made = publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    assert made is not None
    table = pd.read_parquet(made.path / "reviews.parquet")
    assert list(table.columns) == list(REVIEW_TYPES)
    assert table[["window_id", "decision", "range", "number"]].to_numpy().tolist() == [
        [WINDOW, "relabel", "010_020", 3], [OTHER, "reject", "", 1]
    ]  # fmt: skip
    assert len(read_reviews([])) == 0


def test_a_log_that_lost_its_end_is_not_published(platform: Platform, log: Path) -> None:
    append_decisions(log, [REJECTED, ACCEPTED])
    made = publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    log.write_text(log.read_text().splitlines(keepends=True)[0])
    with pytest.raises(ReviewError, match=r"lacks decisions that sim_ranges/reviews@sim-igarape\|2024 was published from"):
        publish_reviews(platform, "sim_ranges", "sim-igarape", 2024)
    assert made is not None
    assert current_digest(platform.artifacts, REF) == made.digest
