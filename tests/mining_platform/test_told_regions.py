"""Which monitored regions a year's numbers are of, and which are named beside them."""

from dataclasses import replace
from pathlib import Path

from mining_platform import changes
from mining_platform.refreshes import ended
from mining_platform.region_files import load_regions
from mining_platform.regions import Region
from mining_platform.told_regions import ToldRegions, told_regions

SHIPPED = load_regions(Path(__file__).parents[2] / "regions.geojson")
REAL, SIMULATED = SHIPPED["lourenco"], SHIPPED["sim-igarape"]


def real(region_id: str, *years: int) -> Region:
    return replace(REAL, id=region_id, years=years)


def told(year: int, *regions: Region) -> tuple[list[str], list[str], dict[str, int]]:
    found: ToldRegions = told_regions(regions, year)
    return [each.id for each in found.regions], [each.id for each in found.simulated], found.last_years(year)


def test_regions_that_were_followed_before_and_are_not_in_a_year_are_named_with_their_last_one() -> None:
    regions = (real("b", 2022, 2023, 2024), real("a", 2021, 2022, 2024), real("c", 2022, 2026), real("d", 2025))
    assert told(2024, *regions) == (["a", "b"], [], {"c": 2022})
    assert told(2023, *regions) == (["b"], [], {"a": 2022, "c": 2022})
    assert told(2022, *regions) == (["a", "b", "c"], [], {})


def test_simulated_regions_are_not_told_beside_real_ones() -> None:
    simulated = replace(SIMULATED, years=(2022, 2023))
    assert told(2023, simulated, real("a", 2022, 2023)) == (["a"], [simulated.id], {})
    assert told(2023, simulated) == ([simulated.id], [], {})
    assert told(2023, simulated, real("a", 2022)) == ([simulated.id], [], {})
    assert told(2024, simulated, real("a", 2024)) == (["a"], [], {})


def test_what_is_found_in_a_first_map_is_new_only_where_nothing_was_followed_before() -> None:
    first, later = {"years": [2024]}, {"years": [2022, 2024]}
    assert changes.followed({"a": later, "b": first}) == ("a",)
    assert changes.followed({"a": first, "b": first}) == ("a", "b")


def test_a_refresh_names_regions_that_it_leaves_out() -> None:
    regions = {each.id: each for each in (real("a", 2023, 2024), real("b", 2023), replace(real("c", 2023), monitoring=None))}
    assert ended(regions, 2024) == (
        "Not refreshed, since 2024 is not among their years: b (until 2023). Add it in the region file if their sources have it."
    )
    assert ended(regions, 2023) == ""
