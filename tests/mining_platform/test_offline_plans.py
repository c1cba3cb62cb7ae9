"""Planning without a network: the Legal Amazon from the public raster's address, and what only a service could tell."""

from pathlib import Path
from typing import Any

import pytest

from mining_platform import costs, homes, plans, staleness
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.consoles import shortened
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.regions import Region
from mining_platform.sources import router
from mining_platform.sources.offline import OfflineMaps, OfflineScenes
from mining_platform.sources.protocol import NotAskedError
from mining_platform.window_counts import most_windows

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
AMAZON = tuple(f"legal-amazon-{zone}" for zone in range(18, 24))
RANGES_OF_2024 = plans.Selection(assets=("ranges",), years=(2024,))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setenv(homes.HOME_VARIABLE, str(tmp_path))
    return staleness.offline(Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), router, router))


def test_the_six_regions_of_the_legal_amazon_are_planned_from_end_to_end_without_a_network(platform: Platform) -> None:
    planned = plans.plan(platform, STEPS, RANGES_OF_2024)
    assert {item.state for item in planned} == {"missing"}
    refs = [item.ref for item in planned]
    for stage in ("candidates", "sample", "patches"):
        assert {ref.partition for ref in refs if ref.asset == f"ranges/{stage}"} == {f"{each}|2024" for each in AMAZON}
    assert refs.index(Ref("ranges/package", "2024")) == len(refs) - 1
    unasked = {item.ref for item in planned if staleness.UNASKED in item.reasons}
    assert unasked == {Ref("scenes", f"{each}|2024") for each in AMAZON}


def test_the_windows_and_bytes_of_the_legal_amazon_are_told_before_anything_is_read(platform: Platform) -> None:
    planned = plans.plan(platform, STEPS, RANGES_OF_2024)
    windows = {item.ref: most_windows(platform, STEPS[item.ref.asset], item.ref.partition) for item in planned}
    candidates = [windows[Ref("ranges/candidates", f"{each}|2024")] or 0 for each in AMAZON]
    bounding_box_km2 = 30 * 23.35 * 111.32**2 * 0.99
    assert sum(candidates) * 1.28**2 == pytest.approx(bounding_box_km2, rel=0.05)
    assert windows[Ref("ranges/package", "2024")] == 1300 + 10 * 130
    assert windows[Ref("land_cover", "legal-amazon-20|2024")] is None
    told = {item.ref: item.cost for item in costs.estimates(platform, STEPS, planned)}
    maps = [told[Ref("land_cover", f"{each}|2024")] for each in AMAZON]
    pixels = 30 * 23.35 / 0.00026949458523585647**2
    assert sum(cost.bytes for cost in maps) == pytest.approx(pixels, rel=0.05)


class Loud:
    """A source that fails the test when it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked of a service")


@pytest.mark.parametrize("region_id", ["legal-amazon-20", "bolivar"])
def test_no_service_is_asked(region_id: str, tmp_path: Path) -> None:
    region: Region = REGIONS[region_id]
    scenes = OfflineScenes(Loud())  # type: ignore[arg-type]
    for ask in (lambda: scenes.fingerprint_scenes(region, 2024), lambda: scenes.list_scenes(region, 2024)):
        with pytest.raises(NotAskedError, match="the service was not asked"):
            ask()
    if region.land_cover:
        with pytest.raises(NotAskedError, match=f"Region {region_id}, source mapbiomas"):
            OfflineMaps(Loud()).read_land_cover(region, 2024, tmp_path)  # type: ignore[arg-type]


def test_what_is_at_hand_is_told_all_the_same(platform: Platform) -> None:
    planned = plans.plan(platform, STEPS, plans.Selection(assets=("scenes",), regions=("sim-igarape",), years=(2024,)))
    assert planned[0].state == "cannot", "the simulated archive is not there, which a look at the folder tells"
    assert "simulate" in (planned[0].problem or "")


def test_of_many_reasons_people_are_told_a_few_and_how_many_more_there_are() -> None:
    assert shortened(["a", "b"]) == ["a", "b"]
    assert shortened(["a", "b", "c", "d"]) == ["a", "b", "and 2 more like it"]
