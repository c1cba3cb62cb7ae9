"""Why no asset has an automation condition: what Dagster's own would do beside the planner (docs/decisions, 15)."""

import dagster as dg
import pytest

from assets_defs.definitions import defs

YEARS = dg.StaticPartitionsDefinition(["2024"])
BOTH = dg.MultiPartitionsDefinition({"region": dg.StaticPartitionsDefinition(["alto", "baixo"]), "year": YEARS})
EAGER = dg.AutomationCondition.eager()
UPDATED = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.in_progress()
    & ~dg.AutomationCondition.any_deps_in_progress()
)


def report_of(condition: dg.AutomationCondition) -> dg.Definitions:
    """Changes of two regions, and the report of their year with a condition."""

    @dg.asset(partitions_def=BOTH)
    def changes() -> None: ...

    whole_year = dg.AssetDep("changes", partition_mapping=dg.MultiToSingleDimensionPartitionMapping("year"))

    @dg.asset(partitions_def=YEARS, deps=[whole_year], automation_condition=condition)
    def annual_report() -> None: ...

    return dg.Definitions([changes, annual_report])


def requests(condition: dg.AutomationCondition, looks: list[list[tuple[str, str]]]) -> list[int]:
    """How many reports are requested at each look, before which some partitions were made."""
    made_of, instance, found, cursor = report_of(condition), dg.DagsterInstance.ephemeral(), [], None
    for made in ([], *looks):
        for asset, partition in made:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=partition))
        result = dg.evaluate_automation_conditions(made_of, instance, cursor=cursor)
        found.append(result.total_requested)
        cursor = result.cursor
    return found[1:]


ALTO, BAIXO = ("changes", "alto|2024"), ("changes", "baixo|2024")


def test_no_asset_has_a_condition() -> None:
    graph = defs.resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition] == []


@pytest.mark.filterwarnings("ignore")
def test_eager_requests_no_report_while_a_region_fails() -> None:
    assert requests(EAGER, [[ALTO], []]) == [0, 0]
    assert requests(EAGER, [[ALTO, BAIXO]]) == [1]


@pytest.mark.filterwarnings("ignore")
def test_a_condition_on_any_input_requests_a_report_of_half_the_regions_while_the_planner_is_at_work() -> None:
    assert requests(UPDATED, [[ALTO], [BAIXO, ("annual_report", "2024")]]) == [1, 0]
