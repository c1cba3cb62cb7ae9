"""Which models and which ground the maps of a monitored region rest on."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shapely.geometry import Polygon

from mining_platform.monitoring_steps import model_layers, monitoring_steps
from mining_platform.region_files import load_regions
from mining_platform.regions import Monitoring, Region, RegionError


def monitoring(model: str, outlined_by: str = "") -> Monitoring:
    return Monitoring("model", "in-fields", 11.0, model, outlined_by=outlined_by)


def test_the_layers_of_both_models_are_needed() -> None:
    assert model_layers(monitoring("sim-cnn-48|2023")) == ()
    assert model_layers(monitoring("sim-cnn-48|2023", "sim-smallmines-unet|2024")) == ("elevation", "radar")


def test_a_model_of_whole_patches_cannot_outline() -> None:
    with pytest.raises(RegionError, match=r"'sim-cnn\|2023' judges whole patches, and outlines nothing"):
        model_layers(monitoring("sim-cnn-48|2023", "sim-cnn|2023"))


@pytest.mark.parametrize("model", ["nothing|2023", "sim-unet|1990"])
def test_a_model_that_no_experiment_makes_is_refused(model: str) -> None:
    with pytest.raises(RegionError, match="is of no experiment and release"):
        model_layers(monitoring("sim-cnn-48|2023", model))


@pytest.mark.parametrize("region_id", ["lourenco", "sim-igarape"])
def test_another_outline_makes_other_detections(region_id: str) -> None:
    region = load_regions(Path(__file__).parents[2] / "regions.geojson")[region_id]
    west, south, east, north = region.geometry.bounds
    half = replace(region, geometry=Polygon([(west, south), (east, north), (west, north)]))

    def config(of: Region) -> dict[str, Any]:
        steps = {step.asset: step for step in monitoring_steps({of.id: of})}
        platform: Any = SimpleNamespace(region_year=lambda _key: (of, of.years[0]))
        return dict(steps["detections"].config(platform, f"{of.id}|{of.years[0]}"))

    assert config(replace(region)) == config(region)
    assert config(half) == {**config(region), "outline": half.outline_digest} != config(region)
