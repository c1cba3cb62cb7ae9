"""Measured rates: what productions took, by records and manifests, and lines through them that single slow runs do not bend."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mining_platform import staleness
from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.rates import Line, Made, Rates, line, measured, published_bytes, rate, rates
from mining_platform.reference_rates import REFERENCE_RATES
from mining_platform.region_files import load_regions
from mining_platform.sizes import chunks_of_window, kind_of, scenes_over_a_place, size_of, stored_size_of
from mining_platform.sources import router
from tests.object_stores import memory_bucket

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
FULL, SAMPLED = "sim-igarape|2024", "sim-serra|2024"


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return staleness.offline(Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), router, router))


def publish(platform: Platform, ref: Ref, content: str = "x", **facts: Any) -> None:
    def compute(_inputs: Any, out: Path) -> dict[str, Any]:
        (out / "x").write_text(content)
        return facts

    produce(platform.artifacts, ref, inputs=[], code_version="1", config={}, compute=compute)


def test_a_line_through_points_of_a_line_is_that_line() -> None:
    found = line([(size, 2.0 + 0.5 * size) for size in (10.0, 20.0, 40.0, 80.0)])
    assert (found.fixed, found.slope) == (pytest.approx(2.0), pytest.approx(0.5))
    assert found.at(100) == pytest.approx(52.0)


def test_one_slow_run_does_not_bend_the_line() -> None:
    points = [(size, 2.0 + 0.5 * size) for size in (10.0, 20.0, 40.0, 80.0, 160.0)]
    found = line([*points, (41.0, 4000.0)])
    assert found.at(1000) == pytest.approx(502, rel=0.15)


def test_of_equal_sizes_time_grows_with_the_size_and_without_sizes_it_is_fixed() -> None:
    assert line([(100.0, 5.0), (101.0, 50.0), (100.0, 6.0)]) == Line(0.0, pytest.approx(0.06))
    assert line([(0.0, 5.0), (0.0, 50.0), (0.0, 6.0)]) == Line(6.0, 0.0)


def test_time_that_did_not_grow_is_taken_to_grow_beyond_what_was_measured() -> None:
    flat = rate("patches", [Made("patches", "a/patches", "patch pixels", size, size, 3.0, 10) for size in (10.0, 20.0, 40.0)])
    assert flat.seconds_of(20) == flat.seconds_of(40) == 3.0
    assert flat.seconds_of(400) == 30.0


def test_what_was_made_here_counts_before_what_is_shipped_and_the_asset_before_its_kind(platform: Platform) -> None:
    publish(platform, Ref("sim_ranges/sample", FULL), "x" * 1000, windows=7)
    found = rates(platform, STEPS, REFERENCE_RATES)
    own = found.of(STEPS["sim_ranges/sample"], SAMPLED)
    other = found.of(STEPS["sim_ranges_48/sample"], SAMPLED)
    shipped = found.of(STEPS["mosaic"], SAMPLED)
    assert own
    assert other
    assert shipped
    assert (own.count, own.reference) == (other.count, other.reference) == (1, "")
    assert shipped.reference == REFERENCE_RATES["mosaic"].reference != ""
    assert Rates({}, {}).of(STEPS["mosaic"], FULL) is None


def test_bytes_are_those_of_the_manifest_and_seconds_those_of_the_record(platform: Platform) -> None:
    ref = Ref("land_cover", FULL)
    publish(platform, ref, "x" * 5000, pixels=310_806)
    (made,) = measured(platform, {"land_cover": STEPS["land_cover"]})
    assert (made.size, made.unit) == (310_806, "map pixels")
    assert 5000 < made.bytes == published_bytes(platform.artifacts, ref) < 6000
    assert 0 <= made.seconds < 60
    assert published_bytes(platform.artifacts, Ref("land_cover", SAMPLED)) is None


def test_bytes_of_what_another_home_put_into_a_bucket_are_asked_for(platform: Platform, tmp_path: Path) -> None:
    bucket, ref = memory_bucket(), Ref("land_cover", FULL)
    first, second = (replace(platform, artifacts=ArtifactStore(tmp_path / name, bucket)) for name in ("first", "second"))
    publish(first, ref, "x" * 5000, pixels=310_806)
    told = published_bytes(first.artifacts, ref)
    assert told is not None
    assert published_bytes(second.artifacts, ref) == told
    assert not list((tmp_path / "second").rglob("versions")), "only the manifest is read"


def test_a_record_that_was_altered_is_left_out(platform: Platform) -> None:
    publish(platform, Ref("land_cover", FULL), pixels=310_806)
    (record,) = (platform.home / "artifacts").rglob("000001.json")
    record.chmod(0o644)
    record.write_text(record.read_text().replace("land_cover", "land_comer"))
    assert measured(platform, {"land_cover": STEPS["land_cover"]}) == []


def test_a_full_region_is_as_large_as_its_grid_and_a_sampled_one_as_its_windows(platform: Platform) -> None:
    height, width = REGIONS["sim-igarape"].geobox.shape
    assert size_of(platform, STEPS["label"], FULL) == (height * width, "pixels")
    windows = 2600 / 6 * (chunks_of_window(128) + chunks_of_window(48))
    assert size_of(platform, STEPS["label"], "legal-amazon-21|2024") == (pytest.approx(windows * 512**2), "pixels")
    publish(platform, Ref("label", SAMPLED), computed_pixels=1234)
    assert size_of(platform, STEPS["label"], SAMPLED) == (1234, "pixels")


def test_a_window_touches_four_chunks_where_it_is_as_large_as_one() -> None:
    assert chunks_of_window(1) == 1
    assert chunks_of_window(513) == 4


def test_a_mosaic_takes_time_for_every_scene_and_bytes_for_every_channel(platform: Platform) -> None:
    publish(platform, Ref("scenes", FULL), scene_count=10)
    height, width = REGIONS["sim-igarape"].geobox.shape
    count = size_of(platform, STEPS["mosaic"], FULL)
    assert count == (height * width * 12 * 10, "values")
    assert stored_size_of(platform, STEPS["mosaic"], FULL) == height * width * 12


def test_a_place_of_a_large_region_is_seen_as_often_as_one_of_a_small_one(platform: Platform) -> None:
    assert scenes_over_a_place(platform, "legal-amazon-21|2024") == pytest.approx(73, rel=0.001)


def test_a_regions_share_of_a_quota_is_that_of_one_among_its_datasets_regions(platform: Platform) -> None:
    row = DATASETS["ranges"]
    count = size_of(platform, STEPS["ranges/patches"], "legal-amazon-21|2024")
    assert count == (pytest.approx(2600 / 6 * row.px**2), "patch pixels")
    assert size_of(platform, STEPS["ranges/package"], "2024") == (2600 * row.px**2, "patch pixels")


def test_models_are_compared_by_architecture(platform: Platform) -> None:
    assert kind_of(STEPS["model"], "ranges-cnn|2024") == "model/small-cnn"
    assert kind_of(STEPS["ranges/patches"], SAMPLED) == "patches"
    size = size_of(platform, STEPS["model"], "ranges-cnn|2024")
    assert size == (2600 * 128**2 * 40, "pixels x epochs")


def test_every_shipped_rate_is_of_a_kind_that_the_graph_has() -> None:
    kinds = {kind_of(step, key) for step in STEPS.values() for key in step.keys}
    assert set(REFERENCE_RATES) <= kinds
