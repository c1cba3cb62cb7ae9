"""What the yearly refresh makes: report and audit of every year, and no model that is a study."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.experiments import YEARLY
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.plans import Selection, select
from mining_platform.refreshes import refresh_selection, regions_of_year
from mining_platform.region_files import load_regions

SHIPPED = load_regions(Path(__file__).parents[2] / "regions.geojson")
BEFORE_ANY_DATASET = 2015
REGIONS = {**SHIPPED, "lourenco": replace(SHIPPED["lourenco"], years=(BEFORE_ANY_DATASET, *SHIPPED["lourenco"].years))}
STEPS = build_steps(REGIONS)
DEPLOYED = {"sim-cnn-48|2023", "sim-unet|2023"}


class NoSources:
    """Sources that nothing asks."""


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    nothing: Any = NoSources()
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), nothing, nothing)


def refreshed(platform: Platform, year: int) -> list[Ref]:
    return select(platform, STEPS, refresh_selection(regions_of_year(REGIONS, year), year))


def test_a_year_of_which_there_is_only_a_report_has_it_audited(platform: Platform) -> None:
    assert refreshed(platform, BEFORE_ANY_DATASET) == [
        Ref("land_cover", "lourenco|2015"),
        Ref("scenes", "lourenco|2015"),
        Ref("mosaic", "lourenco|2015"),
        Ref("label", "lourenco|2015"),
        Ref("mosaic_quality", "lourenco|2015"),
        Ref("detections", "lourenco|2015"),
        Ref("changes", "lourenco|2015"),
        Ref("comparison", "lourenco|2015"),
        Ref("territories", "2015"),
        Ref("annual_report", "2015"),
        Ref("lineage_audit", "2015"),
    ]


def test_a_refresh_trains_for_a_new_release_what_is_no_study(platform: Platform) -> None:
    trained = {ref.partition for ref in refreshed(platform, 2024) if ref.asset == "model"} - DEPLOYED

    assert {"sim-cnn|2024", "ranges-cnn|2024"} <= trained <= {f"{name}|2024" for name in YEARLY}
    assert "sim-ensemble-48|2024" in set(STEPS["model"].keys) - trained


def test_a_deployed_model_of_another_year_stays_as_it_is_once_it_is_there(platform: Platform) -> None:
    deployed = {Ref("model", partition) for partition in DEPLOYED}
    detected = Selection(("detections",), ("sim-igarape",), (2023,))

    assert deployed <= set(STEPS["detections"].inputs(platform, "sim-igarape|2024"))
    assert deployed <= set(refreshed(platform, 2024))
    for ref in deployed:
        produce(platform.artifacts, ref, inputs=(), code_version="old", config={}, compute=lambda _inputs, _out: {})
    assert not deployed & set(refreshed(platform, 2024))
    assert deployed <= set(select(platform, STEPS, detected))
