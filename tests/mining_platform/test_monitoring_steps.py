"""Which models the maps of a monitored region rest on."""

import pytest

from mining_platform.monitoring_steps import model_layers
from mining_platform.regions import Monitoring, RegionError


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
