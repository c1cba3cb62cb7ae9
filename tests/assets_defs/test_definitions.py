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
    if "/" in step.asset:
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
    assert automation.every_january.default_status == dg.DefaultScheduleStatus.STOPPED
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance, scheduled_execution_time=datetime(2025, 1, 10, 6, tzinfo=UTC))
        (request,) = automation.every_january.evaluate_tick(context).run_requests
    config = request.run_config["ops"]["refresh"]["config"]
    assert config["year"] == 2024
    assert set(config["regions"]) == {region.id for region in REGIONS.values() if 2024 in region.years}
    assert request.run_key == "refresh-2024"


def test_the_schedule_skips_a_year_beyond_the_sources_with_the_reason() -> None:
    answer = automation.refresh_request(datetime(2031, 1, 10, tzinfo=UTC))
    assert isinstance(answer, dg.SkipReason)
    assert "2030" in answer.skip_message
    assert "tapajos to 2024" in answer.skip_message
