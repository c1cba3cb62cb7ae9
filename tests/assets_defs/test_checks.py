"""Asset checks: facts about what was published, and what a failing one does to a run."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine

from assets_defs.checks import fact_check
from assets_defs.labels import land_cover
from assets_defs.runner import _outcome
from mining_platform import verdicts
from mining_platform.artifacts import Artifact, ArtifactStore, Ref
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.verdicts import Verdict

ROOT = Path(__file__).parents[2]


class Maps:
    """A land-cover source with one tiny map."""

    def fingerprint_land_cover(self, _region: Any, _year: int) -> dict[str, Any]:
        return {"version": 1}

    def read_land_cover(self, _region: Any, _year: int, out: Path) -> dict[str, Any]:
        profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "uint8", "crs": 4326}
        with rasterio.open(out / "land_cover.tif", "w", **profile, transform=Affine(1, 0, 10, 0, -1, 20)) as raster:
            raster.write(np.full((1, 4, 4), 30, np.uint8))
        return {"simulated": True}


def run(tmp_path: Path, verdict: Verdict, *, blocking: bool) -> dg.ExecuteInProcessResult:
    """Materialize one land cover with one check of a given verdict."""
    regions = load_regions(ROOT / "regions.geojson")
    platform = Platform(tmp_path, regions, ArtifactStore(tmp_path / "artifacts"), Maps(), Maps())  # type: ignore[arg-type]
    check = fact_check("land_cover", "map_is_good", lambda _platform, _artifact: verdict, blocking=blocking)
    defs = dg.Definitions([land_cover], asset_checks=[check], resources={"platform": platform}, executor=dg.in_process_executor)
    with dg.instance_for_test() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(partition_key="sim-serra|2024", instance=instance, raise_on_error=False)


def test_a_fact_that_holds_passes_with_its_reason(tmp_path: Path) -> None:
    result = run(tmp_path, Verdict(True, "all good", {"n": 1}), blocking=True)
    (evaluation,) = result.get_asset_check_evaluations()
    assert result.success
    assert evaluation.passed
    assert evaluation.description == "all good"


def test_a_blocking_fact_that_does_not_hold_fails_the_run_and_the_planner_hears_why(tmp_path: Path) -> None:
    result = run(tmp_path, Verdict(False, "half the map is missing"), blocking=True)
    assert not result.success
    outcome = _outcome(Ref("land_cover", "sim-serra|2024"), result, 0.1)
    assert outcome.state == "failed"
    assert outcome.message == "check not passed: map_is_good. half the map is missing"


def test_a_fact_that_only_warns_lets_the_run_pass_and_is_told(tmp_path: Path) -> None:
    result = run(tmp_path, Verdict(False, "a bit short"), blocking=False)
    assert result.success
    assert _outcome(Ref("land_cover", "sim-serra|2024"), result, 0.1).message == "check not passed: map_is_good"


def artifact(tmp_path: Path, asset: str, content: dict[str, Any]) -> Artifact:
    return Artifact(Ref(asset, "2024"), "0" * 64, tmp_path, content)


@pytest.mark.parametrize(("gap", "holds"), [(0.0, True), (0.01, True), (0.011, False)])
def test_a_mosaic_may_have_one_per_cent_of_gaps(tmp_path: Path, gap: float, holds: bool) -> None:
    assert verdicts.mosaic_is_nearly_gap_free(None, artifact(tmp_path, "mosaic", {"gap_share": gap})).holds is holds  # type: ignore[arg-type]


def test_ranges_are_balanced_only_when_none_is_short(tmp_path: Path) -> None:
    names = ("range", "negative", "wanted", "taken", "short")
    numbers = (("000", "random", 8, 8, 0), ("000", "rivers", 4, 3, 1), ("090_100", "", 8, 1, 7))
    rows = [dict(zip(names, each, strict=True)) for each in numbers]
    by_region = [{"range": "090_100", "negative": "", "region": "here", "found": 1, "taken": 1}]
    facts = {"shortage": rows, "shortage_by_region": by_region}
    verdict = verdicts.ranges_are_balanced(None, artifact(tmp_path, "sim_ranges/quotas", facts))  # type: ignore[arg-type]
    assert not verdict.holds
    assert verdict.reason == "short: 000 (rivers) has 3 of 4, 090_100 has 1 of 8"
    assert verdict.numbers["shortage_by_region"] == by_region
    full = {"shortage": rows[:1], "shortage_by_region": []}
    assert verdicts.ranges_are_balanced(None, artifact(tmp_path, "sim_ranges/quotas", full)).holds  # type: ignore[arg-type]


def test_one_window_in_two_splits_is_found(tmp_path: Path) -> None:
    table = pd.DataFrame({"window_id": ["32722_0_128_128", "32722_0_128_128"], "split": ["train", "test"], "block": ["a", "b"]})
    table.to_parquet(tmp_path / "splits.parquet")
    verdict = verdicts.no_ground_is_in_two_splits(None, artifact(tmp_path, "sim_ranges/splits", {}))  # type: ignore[arg-type]
    assert not verdict.holds
    assert verdict.numbers["conflicts"] == 1


def mosaic_facts(tmp_path: Path, **facts: Any) -> Artifact:
    told = {
        "remnant_score": 0.001,
        "ground_hot_dn": 90,
        "computed_pixels": 9,
        "dark_dn": {"B03": 250, "B12": 40},
        "floor_share": {"B03": 0.0, "B12": 0.2},
        **facts,
    }
    return Artifact(Ref("mosaic", "sim-serra|2024"), "0" * 64, tmp_path, told)


@pytest.mark.parametrize(
    ("fact", "facts", "holds", "reason"),
    [
        (verdicts.few_clouds_are_left, {}, True, "0.100% of the pixels"),
        (verdicts.few_clouds_are_left, {"remnant_score": 0.02}, False, "2.000% of the pixels"),
        (verdicts.few_clouds_are_left, {"remnant_score": None}, False, "no pixel has a clear observation"),
        (verdicts.few_clouds_are_left, {"ground_hot_dn": 2700}, False, "ground is itself as bright as cloud: HOT 0.270"),
        (verdicts.few_clouds_are_left, {"remnant_score": None, "computed_pixels": 0}, True, "no chunk was asked for"),
        (verdicts.the_offset_is_applied_once, {"dark_dn": None, "computed_pixels": 0}, True, "no chunk was asked for"),
        (verdicts.the_offset_is_applied_once, {}, True, "0.1 % of B12 lie below 0.004"),
        (verdicts.the_offset_is_applied_once, {"dark_dn": {"B03": 1250, "B12": 1040}}, False, "the offset is still in"),
        (verdicts.the_offset_is_applied_once, {"floor_share": {"B03": 0.6, "B12": 0.9}}, False, "taken off twice"),
        (verdicts.the_offset_is_applied_once, {"dark_dn": None}, False, "no pixel has a clear observation"),
        (verdicts.the_mask_spares_bright_soil, {}, True, "nothing to judge"),
        (
            verdicts.the_mask_spares_bright_soil,
            {"bright_soil_loss": 0.66, "other_loss": 0.64, "never_clear_share": 0.0},
            True,
            "66.0% of mining observations are masked, 64.0% of others",
        ),
        (
            verdicts.the_mask_spares_bright_soil,
            {"bright_soil_loss": 0.80, "other_loss": 0.64, "never_clear_share": 0.0},
            False,
            "80.0% of mining observations",
        ),
        (
            verdicts.the_mask_spares_bright_soil,
            {"bright_soil_loss": 0.66, "other_loss": 0.64, "never_clear_share": 0.05},
            False,
            "5.00% of mining pixels are never clear",
        ),
    ],
)
def test_the_evidence_about_a_mosaic_is_judged(
    tmp_path: Path, fact: Any, facts: dict[str, Any], holds: bool, reason: str
) -> None:
    verdict = fact(None, mosaic_facts(tmp_path, **facts))
    assert verdict.holds is holds
    assert reason in verdict.reason
