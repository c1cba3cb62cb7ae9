"""Newer collections of the land-cover maps: found at the published addresses, told with what to edit, never taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from mining_platform.map_collections import new_collections, next_href
from mining_platform.region_files import load_regions
from mining_platform.regions import LandCover, Region
from mining_platform.source_changes import Probe
from mining_platform.source_editions import Edition
from mining_platform.sources.earth_engine_api.session import EarthEngineError
from mining_platform.sources.remote.probes import ProbeError

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
PUBLIC = (
    "https://storage.googleapis.com/mapbiomas-public/initiatives/brasil/collection_10/lulc/coverage/brazil_coverage_{year}.tif"
)
ELEVENTH = PUBLIC.replace("collection_10", "collection_11")
ASSET = "projects/mapbiomas-public/assets/brazil/lulc/collection10/mapbiomas_brazil_collection10_integration_v2"
AMAZON = {region_id: region for region_id, region in REGIONS.items() if region_id.startswith("legal-amazon-")}


def published(*urls: str) -> Probe:
    """A service that has just these files."""

    def probe(url: str) -> Edition | None:
        return {"bytes": 1} if url in urls else None

    return probe


def on_earth_engine() -> dict[str, Region]:
    cover = LandCover("earth_engine", "10", ASSET, (1985, 2024), "classification_{year}", simulated=False)
    return {"tapajos": replace(REGIONS["tapajos"], land_cover=cover)}


def test_no_collection_is_told_while_there_is_none() -> None:
    assert new_collections(AMAZON, published(PUBLIC.replace("{year}", "2024"))) == ([], [])


def test_the_next_collection_is_told_once_for_all_its_regions_with_its_last_year_and_what_to_edit() -> None:
    both = published(*(ELEVENTH.replace("{year}", str(year)) for year in (2024, 2025)))
    (found,), unasked = new_collections(AMAZON, both)
    assert (found.collection, found.href, found.years, unasked) == ("11", ELEVENTH, (1985, 2025), [])
    assert found.regions == tuple(sorted(AMAZON))
    assert (
        f'set in the land_cover of these regions "collection": "11", "href": "{ELEVENTH}", "years": [1985, 2025]' in found.words
    )
    assert "Nothing was changed" in found.words
    assert {region.land_cover.collection for region in AMAZON.values() if region.land_cover} == {"10"}


def test_a_collection_that_goes_no_further_is_told_too() -> None:
    (found,), _ = new_collections(AMAZON, published(ELEVENTH.replace("{year}", "2024")))
    assert found.years == (1985, 2024)


def test_on_earth_engine_the_asset_may_be_of_any_of_the_first_versions() -> None:
    first = ASSET.replace("collection10", "collection11").replace("_v2", "_v1")
    bands = tuple(f"classification_{year}" for year in range(1985, 2026))
    (found,), unasked = new_collections(on_earth_engine(), published(), lambda asset_id: bands if asset_id == first else None)
    assert (found.href, found.years, unasked) == (first, (1985, 2025), [])
    assert new_collections(on_earth_engine(), published(), lambda _id: None) == ([], [])


def test_what_cannot_be_asked_is_named_and_nothing_raises() -> None:
    def silent(_url: str) -> Edition | None:
        raise ProbeError("the service does not answer (ConnectTimeout)")

    def refused(_id: str) -> tuple[str, ...] | None:
        raise EarthEngineError("no usable credentials for Earth Engine are found", "Run `earthengine authenticate`.")

    found, unasked = new_collections({**AMAZON, **on_earth_engine()}, silent, refused)
    assert found == []
    assert unasked == [
        "collection 11 of earth_engine: no usable credentials for Earth Engine are found. Run `earthengine authenticate`.",
        "collection 11 of mapbiomas: the service does not answer (ConnectTimeout)",
    ]


def test_maps_at_hand_and_simulated_ones_have_no_next_collection_to_ask_for() -> None:
    def loud(url: str) -> Edition | None:
        raise AssertionError(f"{url} was asked for")

    at_hand = {name: REGIONS[name] for name in ("lourenco", "sim-serra", "sim-igarape")}
    assert new_collections(at_hand, loud) == ([], [])


@pytest.mark.parametrize(
    ("collection", "href", "expected"),
    [
        ("10", PUBLIC, ELEVENTH),
        ("10", ASSET, ASSET.replace("collection10", "collection11")),
        ("1", "https://host/collection_1/collection_10.tif", "https://host/collection_2/collection_10.tif"),
        ("9", "https://host/c9/{year}.tif", "https://host/c9/{year}.tif"),
    ],
)
def test_the_next_address_has_the_next_number_wherever_the_collection_is_named(collection: str, href: str, expected: str) -> None:
    cover = LandCover("mapbiomas", collection, href, (1985, 2024), None, simulated=False)
    assert next_href(cover) == expected
