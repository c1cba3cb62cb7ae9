"""Publishing the area that people estimated from a reviewed sample."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mining_platform.area_publishing import AREA_FILE, SAMPLE_FILE, area_ref, detections_map, publish_area
from mining_platform.artifacts import Artifact, ArtifactStore, MissingArtifact, Ref, open_artifact, produce
from mining_platform.evaluations.area_estimates import estimated_area
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from tests.conftest import ROOT


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    regions = load_regions(ROOT / "regions.geojson")
    return Platform(tmp_path, regions, ArtifactStore(tmp_path / "artifacts"), None, None)  # type: ignore[arg-type]


@pytest.fixture
def sample(platform: Platform) -> pd.DataFrame:
    """Ten of 100 windows of one hectare, of which three are mining, in the middle of a simulated region."""
    place = platform.regions["sim-serra"].geometry.centroid
    design = {"stratum": "all", "stratum_windows": 100, "inclusion_probability": 0.1}
    rows = [{"window_id": f"w{i}", **design, "share": float(i < 3), "lon": place.x, "lat": place.y} for i in range(10)]
    return pd.DataFrame(rows)


def publish(platform: Platform, sample: pd.DataFrame, region: str = "sim-serra", year: int = 2024, reviewer: str = "Ana") -> Any:
    estimate = estimated_area(sample, window_area_m2=10_000)
    return publish_area(platform, region, year, sample, estimate, reviewer=reviewer)


def test_an_estimate_is_published_with_its_sample_and_reviewer(platform: Platform, sample: pd.DataFrame) -> None:
    publish(platform, sample)
    found = open_artifact(platform.artifacts, area_ref("sim-serra", 2024))
    told = json.loads((found.path / AREA_FILE).read_text())
    assert (told["area_ha"], told["reviewed"], told["reviewer"], told["simulated"]) == (30, 10, "Ana", True)
    assert told["low_ha"] < 30 < told["high_ha"]
    assert pd.read_csv(found.path / SAMPLE_FILE)["share"].sum() == 3


def test_the_same_sample_again_makes_nothing_and_another_review_a_version(platform: Platform, sample: pd.DataFrame) -> None:
    first = publish(platform, sample)
    assert publish(platform, sample.iloc[::-1]).skipped
    second = publish(platform, sample.assign(share=0.5))
    assert not second.skipped
    assert second.digest != first.digest


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        ({"lon": 0.0}, {}, r"10 windows lie outside of sim-serra, first w0\. Name the region"),
        ({}, {"region": "sim-bolivar"}, r"'sim-bolivar' is not monitored in 2024\. Monitored then: .*sim-serra"),
        ({}, {"year": 1999}, "is not monitored in 1999. Monitored then: none"),
        ({}, {"reviewer": " "}, "lacks a reviewer"),
    ],
)
def test_what_the_report_could_not_stand_for_is_refused(
    platform: Platform, sample: pd.DataFrame, change: dict[str, Any], where: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        publish(platform, sample.assign(**change), **where)


def test_a_sample_without_places_is_refused(platform: Platform, sample: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="does not tell where its windows are"):
        publish(platform, sample.drop(columns="lon"))


def test_samples_are_drawn_from_scores_where_a_model_gave_them_else_from_the_mask(platform: Platform) -> None:
    with pytest.raises(MissingArtifact, match="detections"):
        detections_map(platform, "sim-serra", 2024)
    for region, names in {"sim-serra": ["detected.tif"], "sim-igarape": ["detected.tif", "probability.tif"]}.items():

        def write(_inputs: dict[Ref, Artifact], out: Path, names: list[str] = names) -> dict[str, Any]:
            for name in names:
                (out / name).write_bytes(b"map")
            return {}

        ref = Ref("detections", f"{region}|2024")
        produce(platform.artifacts, ref, inputs=(), code_version="1", config={}, compute=write)  # type: ignore[arg-type]
    assert detections_map(platform, "sim-serra", 2024).name == "detected.tif"
    assert detections_map(platform, "sim-igarape", 2024).name == "probability.tif"
