"""The sun's place, against almanac values and against what real Sentinel-2 items say."""

import json
from datetime import UTC, datetime

import pytest
from shapely.geometry import shape

from mining_platform.clouds.sun import sun_position
from tests.conftest import REALDATA


def test_the_sun_stands_overhead_at_the_tropic_at_noon_of_the_solstice() -> None:
    azimuth_am, elevation = sun_position(datetime(2024, 6, 20, 12, 1, 50, tzinfo=UTC), 0, 23.4364)
    assert elevation == pytest.approx(90, abs=0.1)
    assert sun_position(datetime(2024, 6, 20, 9, tzinfo=UTC), 0, 23.4364)[0] < 90
    assert 0 <= azimuth_am < 360


def test_the_sun_rises_in_the_east_at_the_equinox() -> None:
    azimuth, elevation = sun_position(datetime(2024, 3, 20, 6, 7, tzinfo=UTC), 0, 0)
    assert azimuth == pytest.approx(90, abs=0.2)
    assert elevation == pytest.approx(0, abs=0.3)


def test_real_scenes_say_the_same() -> None:
    path = REALDATA / "stac-items" / "item-collection.json"
    if not path.exists():
        pytest.skip("the real STAC items are absent; set MINING_PLATFORM_REALDATA")
    items = json.loads(path.read_text())["features"]
    for item in items:
        told, middle = item["properties"], shape(item["geometry"]).centroid
        azimuth, elevation = sun_position(datetime.fromisoformat(told["datetime"]), middle.x, middle.y)
        assert azimuth == pytest.approx(told["view:sun_azimuth"], abs=1.0)  # the item's is the mean over the tile
        assert elevation == pytest.approx(told["view:sun_elevation"], abs=0.6)
    assert len(items) == 10
