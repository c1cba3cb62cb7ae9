"""Costs: what a plan takes from services is known before, and a limit stops it before anything is asked for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from shapely.geometry import Point

from mining_platform import costs
from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.chunks import all_blocks, blocks_of_windows
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.mosaics import group_geoboxes
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.runs import Outcome
from mining_platform.sources.protocol import Cost, SourceError
from mining_platform.staleness import Planned

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
FULL, SAMPLED = "sim-igarape|2024", "sim-serra|2024"


class Counting:
    """Sources that take a request a composite, a thousand bytes a scene of it, and 7 requests a map."""

    def fingerprint_scenes(self, _region: Any, _year: int) -> dict[str, Any]:
        return {"items": 5}

    def cost(self, _region: Any, scene_count: int, _channels: Sequence[str], geoboxes: Sequence[Any]) -> Cost:
        return Cost(len(geoboxes), 1000 * scene_count * len(geoboxes), 2.0)

    def cost_land_cover(self, region: Any, _year: int) -> Cost:
        if region.id == "tapajos":
            raise SourceError("the map is gone")
        return Cost(7, 70)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    counting: Any = Counting()
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), counting, counting)


def publish(platform: Platform, ref: Ref, write: Any, **facts: Any) -> None:
    def compute(_inputs: Any, out: Path) -> dict[str, Any]:
        write(out)
        return facts

    produce(platform.artifacts, ref, inputs=[], code_version="1", config={}, compute=compute)


def test_a_full_region_takes_a_composite_for_each_four_chunks(platform: Platform) -> None:
    rows, columns = (-(-size // 1024) for size in REGIONS["sim-igarape"].geobox.shape)
    found = costs.estimate(platform, STEPS["mosaic"], FULL)
    assert found.cost == Cost(rows * columns, 5000 * rows * columns, 2.0)
    assert not found.at_most


def test_scenes_that_are_published_are_counted_rather_than_asked_for(platform: Platform) -> None:
    publish(platform, Ref("scenes", FULL), lambda out: (out / "x").write_text("x"), scene_count=12)
    found = costs.estimate(platform, STEPS["mosaic"], FULL).cost
    assert found.bytes == 12_000 * found.requests


def test_before_its_windows_are_drawn_a_sampled_region_takes_at_most_all_its_chunks(platform: Platform) -> None:
    found = costs.estimate(platform, STEPS["mosaic"], SAMPLED)
    assert found.at_most
    assert found.cost.requests <= len(all_blocks(REGIONS["sim-serra"].geobox))


def test_drawn_windows_say_exactly_which_chunks_are_composed(platform: Platform) -> None:
    box = REGIONS["sim-serra"].geobox.boundingbox
    bounds = {"minx": [box.left], "miny": [box.top - 1280], "maxx": [box.left + 1280], "maxy": [box.top]}
    table = gpd.GeoDataFrame(bounds, geometry=[Point(0, 0)], crs=4326)
    for dataset in ("sim_ranges", "sim_ranges_48"):
        publish(platform, Ref(f"{dataset}/sample", SAMPLED), lambda out: table.to_parquet(out / "sample.parquet"))
    found = costs.estimate(platform, STEPS["mosaic"], SAMPLED)
    assert found.cost == Cost(1, 5000, 2.0)
    assert not found.at_most


def test_the_upper_bound_follows_from_what_datasets_want(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sum(sum(DATASETS[name].quotas.values()) for name in ("ranges", "ranges_48"))
    assert costs._most_windows(REGIONS["legal-amazon-21"], 2024) == wanted
    monkeypatch.setattr(costs, "_most_windows", lambda _region, _year: 300)
    found = costs.estimate(platform, STEPS["mosaic"], "legal-amazon-21|2024")
    assert found.at_most
    assert found.cost.requests == 4 * 300


class Recording(Counting):
    """Tells a byte for each pixel of each channel and scene."""

    def cost(self, _region: Any, scene_count: int, channels: Sequence[str], geoboxes: Sequence[Any]) -> Cost:
        return Cost(0, scene_count * len(channels) * sum(box.shape[0] * box.shape[1] for box in geoboxes))


def test_patches_of_scenes_read_every_window_in_every_scene(platform: Platform) -> None:
    recording: Any = Recording()
    told = replace(platform, scenes=recording)
    row, key = DATASETS["sim_landsat_sites"], "sim-serra-landsat|2024"
    step = STEPS["sim_landsat_sites/patches"]
    channels = 7 + 1  # the profile, and QA_PIXEL, which is in the cost of scenes as well
    before = costs.estimate(told, step, key)
    assert before.at_most
    assert before.cost.bytes == 5 * channels * 16 * row.px**2
    table = gpd.GeoDataFrame({"minx": [0, 1920], "maxy": [0, 0]}, geometry=[Point(0, 0)] * 2, crs=4326)
    publish(told, Ref("sim_landsat_sites/sample", key), lambda out: table.to_parquet(out / "sample.parquet"))
    drawn = costs.estimate(told, step, key)
    assert not drawn.at_most
    assert drawn.cost.bytes == 5 * channels * 2 * row.px**2


def test_patches_of_mosaics_take_nothing(platform: Platform) -> None:
    assert costs.estimate(platform, STEPS["sim_ranges/patches"], FULL).cost == Cost()


@pytest.mark.parametrize("seed", range(10))
def test_no_windows_take_more_than_the_upper_bound(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    region = REGIONS["tapajos"]
    (height, width), box = region.geobox.shape, region.geobox.boundingbox
    corners = int(rng.integers(1, 4))
    near = 512 * rng.integers(1, (width // 512, height // 512), (corners, 2)) - 64  # windows of 128 px over chunks' corners
    bounds = [(box.left + 10 * x, box.top - 10 * (y + 128), box.left + 10 * (x + 128), box.top - 10 * y) for x, y in near]
    boxes = group_geoboxes(region.geobox, blocks_of_windows(region.geobox, bounds))
    monkeypatch.setattr(costs, "_most_windows", lambda _region, _year: corners)
    bound = costs._most_geoboxes(region, 2024)
    assert len(boxes) <= len(bound)
    assert sum(map(pixels, boxes)) <= sum(map(pixels, bound))


def pixels(box: GeoBox) -> int:
    return box.shape[0] * box.shape[1]


def plan_of(*refs: Ref) -> list[Planned]:
    return [Planned(ref, ("not made yet",)) for ref in refs]


def test_a_plan_tells_what_takes_something_and_leaves_out_the_rest(platform: Platform) -> None:
    refs = (Ref("land_cover", FULL), Ref("land_cover", "tapajos|2024"), Ref("scenes", FULL), Ref("mosaic", FULL))
    told = costs.estimates(platform, STEPS, [*plan_of(*refs), Planned(Ref("land_cover", SAMPLED), ())])
    assert [str(item.ref) for item in told] == ["land_cover@sim-igarape|2024", "mosaic@sim-igarape|2024"]
    assert costs.total(told) == Cost(7, 70) + told[1].cost


def test_a_plan_over_the_limit_is_refused_and_one_at_the_limit_is_not(platform: Platform) -> None:
    told = costs.estimates(platform, STEPS, plan_of(Ref("land_cover", FULL), Ref("land_cover", SAMPLED)))
    costs.Budget(14, 140).check(told)
    with pytest.raises(costs.CostError, match=r"to 14 requests, more than the 13 it may take\. Raise --max-requests"):
        costs.Budget(13, None).check(told)
    with pytest.raises(costs.CostError, match=r"to 140 bytes, more than the 139 it may take\. Raise --max-bytes"):
        costs.Budget(None, 139).check(told)


def test_compute_units_are_limited_by_the_rate_of_a_project() -> None:
    told = [costs.Estimate(Ref("mosaic", FULL), Cost(eecu_s=7200.0), at_most=False)]
    costs.Budget(None, None, max_eecu_hours=2.0).check(told)
    costs.Budget(None, None, max_eecu_hours=1.0, eecu_rate=costs.EECU_S_PER_GIGAVALUE / 2).check(told)
    refused = r"to 2\.0 EECU-hours, more than the 1\.5 it may take\. Raise --max-eecu-hours, or choose less"
    with pytest.raises(costs.CostError, match=refused):
        costs.Budget(None, None, max_eecu_hours=1.5).check(told)


def test_an_upper_bound_alone_does_not_refuse_a_plan(platform: Platform) -> None:
    item = costs.estimate(platform, STEPS["mosaic"], SAMPLED)
    costs.Budget(0, 0).check([item])
    with pytest.raises(costs.CostError):
        costs.Budget(0, 0).check([replace(item, at_most=False)])


def test_a_run_fails_what_would_go_over_before_it_is_asked_for_and_makes_the_rest(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Ref] = []

    def execute(ref: Ref) -> Outcome:
        asked.append(ref)
        return Outcome(ref, "skipped" if ref.partition == "sim-serra|2023" else "made", "d", 0.0)

    monkeypatch.setattr(costs, "assess", lambda _platform, _steps, ref: Planned(ref, ("not made yet",)))
    limited = costs.limited(execute, platform, STEPS, costs.Budget(15, None))
    keys = ("sim-igarape|2023", "sim-serra|2023", FULL, SAMPLED)
    outcomes = [limited(Ref("land_cover", key)) for key in keys]
    assert [done.state for done in outcomes] == ["made", "skipped", "made", "failed"]
    assert "land_cover@sim-serra|2024 would bring this run to 21 requests, more than the 15" in outcomes[-1].message
    assert [ref.partition for ref in asked] == list(keys[:3])


def damaged(platform: Platform) -> Platform:
    """The platform, the scenes of a region with a byte altered after they were published."""
    publish(platform, Ref("scenes", FULL), lambda out: (out / "x").write_text("x"), scene_count=12)
    (altered,) = (platform.home / "artifacts").rglob("x")
    altered.chmod(0o644)
    altered.write_text("y")
    return platform


def test_what_is_damaged_is_left_out_of_a_plan_and_does_not_keep_the_rest_from_being_told(platform: Platform) -> None:
    told = costs.estimates(damaged(platform), STEPS, plan_of(Ref("mosaic", FULL), Ref("land_cover", FULL)))
    assert [str(item.ref) for item in told] == ["land_cover@sim-igarape|2024"]


def test_what_is_damaged_fails_by_itself_in_a_limited_run(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "assess", lambda _platform, _steps, ref: Planned(ref, ("not made yet",)))
    limited = costs.limited(lambda ref: Outcome(ref, "made", "d", 0.0), damaged(platform), STEPS, costs.Budget(15, None))
    outcomes = [limited(Ref(asset, FULL)) for asset in ("mosaic", "land_cover")]
    assert [done.state for done in outcomes] == ["failed", "made"]
    assert "scenes" in outcomes[0].message


def test_without_limits_nothing_is_estimated(platform: Platform) -> None:
    limited = costs.limited(lambda ref: Outcome(ref, "made", "d", 0.0), platform, {}, costs.Budget(None, None))
    assert limited(Ref("land_cover", "tapajos|2024")).state == "made"
