"""Forecasts: what a plan is expected to take, alone and by several workers; and the hours after which a run stops."""

from pathlib import Path

import pytest

from mining_platform import costs, forecasts, plans, staleness
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.experiments import YEARLY
from mining_platform.forecasts import RUN_S, Duration, Forecast
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.rates import Line, Rate, Rates
from mining_platform.refreshes import chosen_regions, refresh_selection, regions_of_year
from mining_platform.region_files import load_regions
from mining_platform.regions import RegionError
from mining_platform.sources import router
from mining_platform.staleness import Planned

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
BOTH = ("sim-igarape", "sim-serra")


def rate_of(kind: str, seconds: float, size: float) -> Rate:
    return Rate(kind, "", Line(seconds, 0.0), Line(size, 0.0), 1, 0.0)


RATES = Rates({}, {kind: rate_of(kind, 10.0, 1000.0) for kind in ("land_cover", "candidates", "sample")})


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return staleness.offline(Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), router, router))


def missing(*refs: Ref) -> list[Planned]:
    return [Planned(ref, ("not made yet",)) for ref in refs]


def plan_of_samples() -> list[Planned]:
    """Land cover and candidates of two regions, the quotas, and the two samples."""
    keys = [f"{region}|2024" for region in BOTH]
    first = [Ref(asset, key) for asset in ("land_cover", "sim_ranges/candidates") for key in keys]
    return missing(*first, Ref("sim_ranges/quotas", "2024"), *(Ref("sim_ranges/sample", key) for key in keys))


def test_each_partition_takes_its_rate_and_a_run_and_reads_what_its_inputs_write(platform: Platform) -> None:
    told = {str(each.ref): each for each in forecasts.forecasts(platform, STEPS, plan_of_samples(), RATES)}
    assert told["land_cover@sim-serra|2024"].seconds == 10.0 + RUN_S
    assert told["sim_ranges/candidates@sim-serra|2024"].read_bytes == 1000
    assert told["sim_ranges/candidates@sim-serra|2024"].written_bytes == 1000
    assert told["sim_ranges/quotas@2024"].seconds is None, "nothing like it was ever measured"
    assert told["sim_ranges/quotas@2024"].read_bytes == 2000


def test_what_is_fresh_or_cannot_be_made_takes_nothing(platform: Platform) -> None:
    ref = Ref("land_cover", "sim-serra|2024")
    assert forecasts.forecasts(platform, STEPS, [Planned(ref, ()), Planned(ref, ("not made yet",), "no map")], RATES) == []


def test_no_number_of_workers_is_faster_than_the_longest_chain(platform: Platform) -> None:
    told = forecasts.forecasts(platform, STEPS, plan_of_samples(), RATES)
    found = forecasts.duration(platform, STEPS, told)
    each_s = 10.0 + RUN_S
    assert found.total_s == pytest.approx(6 * each_s)
    assert found.path_s == pytest.approx(3 * each_s), "land cover, candidates, then through the quotas to a sample"
    assert found.bounds_s(1) == (pytest.approx(6 * each_s), pytest.approx(6 * each_s))
    assert found.bounds_s(2) == (pytest.approx(3 * each_s), pytest.approx(4.5 * each_s))
    assert Duration(100.0, 40.0).bounds_s(1000)[0] == 40.0


def test_a_partition_much_larger_than_all_that_was_measured_says_so() -> None:
    measured = Rate("label", "pixels", Line(0, 1), Line(0, 1), 3, 100.0)
    ref = Ref("label", "sim-serra|2024")
    assert Forecast(ref, 1001.0, "pixels", 1.0, 1.0, 0.0, measured).far
    assert not Forecast(ref, 1000.0, "pixels", 1.0, 1.0, 0.0, measured).far


def test_a_run_stops_before_the_partition_that_would_take_longer_than_its_hours() -> None:
    refs = [Ref("land_cover", f"sim-serra|{year}") for year in (2021, 2022, 2023)]
    budget = costs.Budget(None, None, max_hours=1.0)
    moments = iter([0.0, 0.0, 1800.0, 3000.0])
    has_time = costs.clocked(budget, dict.fromkeys(refs, 1000.0), clock=lambda: next(moments))
    assert [has_time(ref) for ref in refs] == [True, True, False]
    assert "land_cover@sim-serra|2023 is expected to bring this run to 1.11 hours, more than the 1 it may take" in budget.stopped
    assert "Raise --max-hours" in budget.stopped


def test_a_run_that_keeps_its_hours_makes_all_and_one_without_hours_too() -> None:
    refs = [Ref("land_cover", f"sim-serra|{year}") for year in (2021, 2022)]
    for hours in (None, 1.0):
        budget = costs.Budget(None, None, hours)
        assert all(map(costs.clocked(budget, {}, clock=lambda: 0.0), refs))
        assert budget.stopped == ""


def test_a_plan_over_its_hours_is_refused_before_anything_is_made() -> None:
    costs.Budget(None, None, 2.0).check([], expected_s=7200.0)
    with pytest.raises(costs.CostError, match=r"is expected to bring this run to 2\.50 hours, more than the 2 it"):
        costs.Budget(None, None, 2.0).check([], expected_s=9000.0)


def test_patterns_stand_for_the_regions_that_match_them(platform: Platform) -> None:
    def regions(*words: str) -> set[str]:
        selection = plans.Selection(("land_cover",), words, (2024,))
        return {ref.partition.split("|")[0] for ref in plans.select(platform, STEPS, selection)}

    assert regions("legal-amazon-*") == {f"legal-amazon-{zone}" for zone in range(18, 24)}
    assert regions("sim-[is]*", "tapajos") == {"sim-igarape", "sim-serra", "sim-igarape-toa", "sim-serra-toa", "tapajos"}
    with pytest.raises(plans.PlanError, match=r"regions nowhere-\*"):
        regions("nowhere-*")


def test_a_refresh_is_of_the_regions_that_declare_the_year_and_of_no_studies(platform: Platform) -> None:
    chosen = chosen_regions(REGIONS, 2024)
    assert chosen == regions_of_year(REGIONS, 2024)
    assert "lourenco" not in chosen, "its map ends in 2022"
    refs = plans.select(platform, STEPS, refresh_selection(BOTH, 2024))
    assert Ref("annual_report", "2024") in refs
    trained = {ref.partition.split("|")[0] for ref in refs if ref.asset == "model"}
    assert "sim-cnn" in trained
    deployed = {model.split("|")[0] for region in REGIONS.values() if region.monitoring for model in region.monitoring.models}
    assert trained <= {*YEARLY, *deployed}


def test_a_year_or_region_that_cannot_be_refreshed_is_refused_with_the_reason() -> None:
    with pytest.raises(RegionError, match="No region declares 2031; their land cover ends earlier"):
        chosen_regions(REGIONS, 2031)
    with pytest.raises(RegionError, match=r"Of 2024 nothing is declared for lourenco\. Regions that declare it: .*sim-serra"):
        chosen_regions(REGIONS, 2024, ["lourenco", "sim-serra"])
    assert chosen_regions(REGIONS, 2024, ["sim-serra"]) == ("sim-serra",)
