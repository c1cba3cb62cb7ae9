"""Regions that name other systems to compare with, and the steps of the graph that follow."""

from typing import Any

import pytest

from mining_platform.monitoring_steps import monitoring_steps
from mining_platform.regions import RegionError
from tests.mining_platform.test_regions import feature, parse

WATCH = {"id": "watch", "name": "Watch", "href": "maps/watch_{year}.geojson"}


def compared(*systems: Any, source: str = "land-cover", **changes: Any) -> dict[str, Any]:
    model = {"deployed_model": "sim-cnn-48|2023"} if source == "model" else {}
    return feature(monitoring={"source": source, "compared_with": list(systems), **model}, **changes)


def test_a_region_may_name_other_systems_to_compare_with() -> None:
    row = {**WATCH, "year_field": "y", "span": "to-date", "cell_m": 260, "licence": "CC-BY-4.0", "credit": "They"}
    plain, full = parse(compared(WATCH, {**row, "id": "other"}))["here"].monitoring.compared_with
    assert (plain.year_field, plain.span, plain.cell_m, plain.simulated) == ("", "year", 0, False)
    assert (full.year_field, full.span, full.cell_m, full.licence, full.credit) == ("y", "to-date", 260, "CC-BY-4.0", "They")
    assert plain.file_of(2020) == "maps/watch_2020.geojson"


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        ([{**WATCH, "id": "The Watch"}], "compared_with 0, field 'id': 'The Watch' is no id of a system"),
        ([WATCH, WATCH], "field 'compared_with': the id 'watch' is taken already"),
        ([{**WATCH, "id": "land-cover"}], "the id 'land-cover' is taken already"),
        ([{**WATCH, "span": "month"}], "unknown value 'month'. Use one of: year, to-date"),
        ([{**WATCH, "cell_m": -1}], "expected metres, found -1"),
        ([{**WATCH, "href": "maps/{month}.geojson"}], "has unknown placeholders"),
        ([{**WATCH, "colour": "red"}], "unknown fields 'colour'"),
        (["watch.geojson"], "field 'compared_with': expected a list of objects"),
    ],
)
def test_a_mistake_about_another_system_is_refused(systems: list[Any], message: str) -> None:
    with pytest.raises(RegionError, match=message):
        parse(compared(*systems))


def steps(*features: Any) -> dict[str, Any]:
    return {step.asset: step for step in monitoring_steps(parse(*features))}


def test_there_is_a_comparison_only_where_there_is_something_to_compare_with() -> None:
    assert "comparison" not in steps(compared())
    assert steps(compared(WATCH))["comparison"].keys == ("here|2020", "here|2021")
    assert ("land_cover", "compared") not in steps(compared(WATCH))["comparison"].after


def test_a_map_is_compared_where_a_model_and_not_the_map_finds_the_mining() -> None:
    step = steps(compared(source="model"))["comparison"]
    assert ("land_cover", "compared") in step.after
    assert "comparison" not in steps(compared(source="model", land_cover=None))
