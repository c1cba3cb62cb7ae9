"""Thirteen bands at the top of the atmosphere through the assets of the demonstration, to patches of `sim_toa`."""

import geopandas as gpd
import numpy as np
import pytest
from numpy.typing import NDArray

from mining_platform import patches, profiles
from mining_platform.artifacts import Artifact, ArtifactStore, Ref, open_artifact
from mining_platform.stages.files import SCENES_FILE
from tests.conftest import Line

KEY, YEAR = "sim-igarape-toa|2024", "2024"
CHANNELS = profiles.profile("s2-13").channels


def opened(line: Line, asset: str, partition: str = KEY) -> Artifact:
    return open_artifact(ArtifactStore(line.installation.home / "artifacts"), Ref(asset, partition))


@pytest.fixture(scope="module")
def stored(line: Line) -> NDArray[np.uint16]:
    """(patch, channel, y, x) numbers of the patches."""
    path = opened(line, "sim_toa/patches").path
    return patches.read_images(path, patches.read_index(path).query("not dropped")["row"].tolist())


def test_patches_have_the_thirteen_bands_of_the_profile_at_48_pixels(line: Line, stored: NDArray[np.uint16]) -> None:
    assert opened(line, "sim_toa/patches").facts["channels"] == list(CHANNELS)
    assert stored.shape[1:] == (13, 48, 48)
    assert len(stored) > 20
    assert (stored > 0).mean() > 0.99


def test_cirrus_is_dark_everywhere_for_no_high_cloud_is_left(stored: NDArray[np.uint16]) -> None:
    assert np.percentile(stored[:, CHANNELS.index("B10")], 99) < 40  # reflectance 0.004
    assert np.median(stored[:, CHANNELS.index("B01")]) > 900  # what the air adds


def test_the_mosaic_rests_on_level_1c_scenes_masked_by_s2cloudless(line: Line) -> None:
    scenes = gpd.read_parquet(opened(line, "scenes").path / SCENES_FILE)
    assert len(scenes) == 6
    assert scenes["scene_id"].str.endswith("_L1C").all()
    facts = opened(line, "mosaic").facts
    assert facts["recipe"] == "s2cloudless-median"
    assert facts["gap_share"] == 0


def test_the_release_is_whole(line: Line) -> None:
    assert opened(line, "sim_toa/quotas", YEAR).facts["taken"] == len(patches.read_index(opened(line, "sim_toa/patches").path))
    assert opened(line, "sim_toa/package", YEAR).facts["simulated"] is True
