"""Dagster's view: the same graph as the domain's, described, checked, scheduled."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from assets_defs import automation, partitions
from assets_defs.definitions import defs
from assets_defs.partitions import REGIONS, STEPS, asset_key
from mining_platform.dataset_steps import DATASET_STAGES
from mining_platform.datasets import DATASETS
from mining_platform.graph import inactive_reason
from mining_platform.pipeline import Step
from mining_platform.sessions import WORKERS_VARIABLE

GRAPH = defs.resolve_asset_graph()
STEP_ROWS = list(STEPS.values())


def parents(step: Step, key: str) -> set[tuple[str, str]]:
    """Upstream partitions as Dagster's mappings give them, declared ones only."""
    found = GRAPH.get_parents_partitions(asset_key(step.asset), key).parent_partitions
    pairs = {(parent.asset_key.to_user_string(), str(parent.partition_key)) for parent in found}
    return {(asset, partition) for asset, partition in pairs if partition in STEPS[asset].keys}


@pytest.mark.parametrize("step", STEP_ROWS, ids=lambda step: step.asset)
def test_dagsters_mappings_reach_every_input_that_the_graph_declares(step: Step) -> None:
    from assets_defs.definitions import PLATFORM

    for key in step.keys:
        declared = {(ref.asset, ref.partition) for ref in step.inputs(PLATFORM, key)}
        reached = parents(step, key)
        assert declared <= reached
        if step.dimensions == "region|year":
            full_coverage = REGIONS[key.split("|")[0]].coverage == "full"
            extra = {asset for asset, _ in reached - declared if not STEPS[asset].external}
            assert not extra or (full_coverage and all(asset.endswith("/sample") for asset in extra))


@pytest.mark.parametrize("step", STEP_ROWS, ids=lambda step: step.asset)
def test_every_declared_partition_is_a_partition_in_dagster(step: Step) -> None:
    keys = set(partitions.partitions_definition(step).get_partition_keys())
    assert set(step.keys) <= keys
    if step.asset.partition("/")[0] in DATASETS:
        assert set(step.keys) == keys, "a dataset's partitions have no holes"


def test_every_dataset_has_its_whole_family() -> None:
    keys = {key.to_user_string() for key in GRAPH.get_all_asset_keys()}
    told = {name: inactive_reason(dataset, REGIONS) for name, dataset in DATASETS.items()}
    assert {name: why for name, why in told.items() if why} == {}
    assert {f"{name}/{stage}" for name in DATASETS for stage in DATASET_STAGES} <= keys
    assert {"land_cover", "scenes", "mosaic", "radar", "elevation", "osm_context", "label", "model", "evaluation"} <= keys


@pytest.mark.parametrize("step", STEP_ROWS, ids=lambda step: step.asset)
def test_every_asset_has_group_owner_kinds_description_and_code_version(step: Step) -> None:
    node = GRAPH.get(asset_key(step.asset))
    assert node.group_name != "default"
    assert node.owners
    assert node.kinds
    assert node.description
    assert node.code_version == step.version


def test_checks_are_named_as_facts_and_block_where_downstream_would_be_wrong() -> None:
    blocking = {(key.asset_key.to_user_string(), key.name): GRAPH.get(key).blocking for key in GRAPH.asset_check_keys}
    assert blocking["mosaic", "mosaic_is_nearly_gap_free"] is False
    assert blocking["sim_ranges/candidates", "shares_lie_between_0_and_1"] is True
    assert blocking["sim_ranges/quotas", "ranges_are_balanced"] is False
    assert blocking["sim_ranges/patches", "every_patch_has_its_size"] is True
    assert blocking["sim_ranges/splits", "no_ground_is_in_two_splits"] is True
    assert blocking["sim_ranges/splits", "every_place_keeps_its_side"] is False
    assert blocking["sim_ranges/manifest", "manifest_matches_the_stores"] is True
    assert blocking["sim_ranges/manifest", "no_picture_is_in_two_splits"] is False


def test_the_schedule_is_off_and_requests_all_regions_of_the_year_that_ended() -> None:
    assert automation.every_year.default_status == dg.DefaultScheduleStatus.STOPPED
    assert (automation.every_year.cron_schedule, automation.every_year.execution_timezone) == ("0 6 15 9 *", "UTC")
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2025, 9, 15, 6, tzinfo=UTC))
        (request,) = automation.every_year.evaluate_tick(context).run_requests
    config = request.run_config["ops"]["refresh"]["config"]
    assert config["year"] == 2024
    assert set(config["regions"]) == {region.id for region in REGIONS.values() if 2024 in region.years}
    assert request.run_key == "refresh-2024"
    assert config["workers"] == 1


def test_the_schedule_asks_for_as_many_workers_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKERS_VARIABLE, "3")
    request = automation.refresh_request(datetime(2025, 9, 15, 6, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    assert request.run_config["ops"]["refresh"]["config"]["workers"] == 3


def test_the_schedule_skips_a_year_beyond_the_sources_with_the_reason() -> None:
    answer = automation.refresh_request(datetime(2031, 1, 10, tzinfo=UTC))
    assert isinstance(answer, dg.SkipReason)
    assert "2030" in answer.skip_message
    assert "tapajos to 2024" in answer.skip_message


FAMILY_OF_YEARS = [step for step in STEP_ROWS if step.asset.startswith("sim_smallmines/") and not step.external]


@pytest.mark.parametrize("step", FAMILY_OF_YEARS, ids=lambda step: step.asset)
def test_of_a_release_of_several_years_dagster_reaches_what_the_graph_declares_and_no_more(step: Step) -> None:
    from assets_defs.definitions import PLATFORM

    for key in step.keys:
        declared = {(ref.asset, ref.partition) for ref in step.inputs(PLATFORM, key)}
        decided = {each for each in parents(step, key) if STEPS[each[0]].external}
        assert parents(step, key) - decided == declared


@pytest.mark.parametrize(
    ("parent", "child", "expected"),
    [
        ("land_cover", "sim_smallmines/candidates", {"sim-serra|2024"}),
        ("land_cover", "sim_smallmines/manifest", {"2024"}),
        ("sim_smallmines/sample", "sim_smallmines/splits", {"2024"}),
        ("sim_smallmines/sample", "sim_smallmines/patches", {"sim-serra|2023"}),
        ("sim_smallmines/patches", "model", {"sim-smallmines-unet|2024"}),
        ("sim_smallmines/reviews", "sim_smallmines/sample", {"sim-serra|2023", "sim-serra|2024"}),
        ("sim_ranges/sample", "sim_ranges/splits", {"2023"}),
        ("detections/reviews", "changes", {"sim-serra|2023", "sim-serra|2024"}),
        ("sim_ranges/patches", "model", {"sim-cnn|2023", "sim-unet|2023"}),
    ],
)
def test_a_backfill_of_an_earlier_year_goes_on_to_the_release_that_holds_it(parent: str, child: str, expected: set[str]) -> None:
    found = GRAPH.get_children_partitions(asset_key(parent), "sim-serra|2023")
    keys = {str(each.partition_key) for each in found if each.asset_key == asset_key(child)}
    assert keys & set(STEPS[child].keys) == expected


def test_candidates_of_several_years_are_one_partition_a_region() -> None:
    assert STEPS["sim_smallmines/candidates"].keys == ("sim-igarape|2024", "sim-serra|2024")
    assert STEPS["sim_smallmines/package"].keys == ("2024",)
    assert [key for key in STEPS["model"].keys if key.startswith("sim-smallmines-unet")] == ["sim-smallmines-unet|2024"]
