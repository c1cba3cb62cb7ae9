"""Simulated OpenStreetMap: it lies where the landscape has it, much of it is not mapped, and extracts are read as any."""

from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from pyproj import Geod
from shapely import LineString, Polygon

from mining_platform.osm_keys import OSM_KEYS
from mining_platform.simulation import osm_features
from mining_platform.simulation.context import write_context
from mining_platform.simulation.landscape import Landscape
from mining_platform.simulation.mine_sites import mine_sites
from mining_platform.simulation.osm_features import MAPPED_SHARE, Feature, features_in, mapped
from mining_platform.simulation.places import made_up
from mining_platform.sources.openstreetmap import Extract, read_extract
from tests.mining_platform.simulated_places import middle_place


def land() -> Landscape:
    return made_up(middle_place())


@lru_cache(maxsize=2)
def features(year: int = 2024) -> tuple[Feature, ...]:
    return features_in(middle_place(), year)


def of(kind: str, year: int = 2024) -> list[Feature]:
    return [feature for feature in features(year) if feature.kind == kind]


def along(lines: list[Feature]) -> np.ndarray:
    """Places every 3 px along lines, (n, 2) x, y."""
    found = [line.interpolate(np.arange(0, line.length, 3.0)) for line in (LineString(each.rings[0]) for each in lines)]
    return np.array([(point.x, point.y) for points in found for point in points])


def at(field: np.ndarray, places: np.ndarray) -> np.ndarray:
    column, row = places.astype(int).T
    return field[row.clip(0, field.shape[0] - 1), column.clip(0, field.shape[1] - 1)]


@pytest.fixture(scope="module")
def extracts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Extract]:
    out = tmp_path_factory.mktemp("context")
    write_context(out, middle_place())
    return {path.name: read_extract(path, None) for path in sorted((out / "osm").iterdir())}


def test_roads_are_drawn_where_scenes_show_them_and_end_at_the_river() -> None:
    places = along(of("trunk") + of("rib"))
    assert len(places) > 300
    assert (at(land().clearings.roads, places) > 0).mean() > 0.95
    assert not at(land().waters.river, along(of("trunk") + of("rib") + of("track"))).any()


def test_most_mines_have_a_track_to_a_road() -> None:
    ends = along(of("trunk") + of("rib"))
    for track in of("track"):
        assert np.hypot(*(ends - track.rings[0][-1]).T).min() < 4
    assert len(of("track")) >= 0.5 * sum(mine.start <= 2024 for mine in land().mines)


def test_waterways_run_in_the_water_and_houses_stand_on_land() -> None:
    assert at(land().waters.river, along(of("river"))).mean() > 0.97
    assert (at(land().waters.stream_distance_px, along(of("stream"))) < 3).mean() > 0.95
    houses = np.array([house.rings[0][:4].mean(axis=0) for kind in ("house", "farm", "camp") for house in of(kind)])
    assert len(houses) > 100
    assert not at(land().waters.river, houses).any()
    assert at(land().clearings.town, np.array([house.rings[0][:4].mean(axis=0) for house in of("house")])).mean() > 0.9


def test_airstrips_lie_on_the_ground_that_scenes_show_bare() -> None:
    assert len(of("airstrip")) == 2
    assert at(land().clearings.airstrip, along(of("airstrip"))).mean() > 0.9


def test_quarries_are_the_outlines_of_the_sites() -> None:
    drawn = sum(outline.area for site in mine_sites(middle_place()) for outline in site.outlines[2024].geoms)
    rings = [Polygon(quarry.rings[0], quarry.rings[1:]).area for quarry in of("quarry")]
    assert sum(rings) == pytest.approx(drawn)
    assert any(len(quarry.rings) > 1 for quarry in of("quarry"))


def test_what_is_mapped_once_stays_mapped_and_more_comes() -> None:
    early, late = ({each.key for each in mapped(features(year), middle_place(), year)} for year in (2018, 2024))
    there = {each.key for each in features(2024)}
    kept = {key for key in early if not key.startswith("pasture")}
    assert kept & there <= late
    assert len(early) < len(late) < len(there)


def test_of_each_kind_about_the_stated_share_is_ever_mapped() -> None:
    ever = mapped(features(), middle_place(), osm_features.LAST_MAPPED)
    there, known = (Counter(feature.kind for feature in each) for each in (features(), ever))
    for kind in ("house", "farm", "stream"):
        assert known[kind] / there[kind] == pytest.approx(MAPPED_SHARE[kind], abs=0.17)
    assert known["trunk"] == there["trunk"]
    assert set(there) <= set(MAPPED_SHARE)


def test_an_extract_tells_its_day_and_box_and_holds_every_key(extracts: dict[str, Extract]) -> None:
    for name, extract in extracts.items():
        assert extract.date == f"{name.split('-')[1][:4]}-07-01T00:00:00Z"
        assert extract.extent == pytest.approx((-55.2028, -6.4028, -55.1272, -6.3272), abs=1e-6)
        assert extract.facts["skipped"] == {"broken": 0, "incomplete": 0}
    assert set(extracts["middle-2024-complete.osm.pbf"].features["key"]) == set(OSM_KEYS)


def test_the_extracts_hold_what_is_there_and_what_of_it_is_mapped(extracts: dict[str, Extract]) -> None:
    whole, known = extracts["middle-2024-complete.osm.pbf"], extracts["middle-2024.osm.pbf"]
    assert len(whole.features) == len(features())
    assert len(known.features) == len(mapped(features(), middle_place(), 2024))
    assert whole.facts["features"]["building"]["polygons"] == sum(len(of(kind)) for kind in ("house", "farm", "camp"))


def test_areas_keep_their_holes_and_sizes_in_the_file(extracts: dict[str, Extract]) -> None:
    found = extracts["middle-2024-complete.osm.pbf"].features
    mines = found[(found["key"] == "landuse") & (found["value"] == "quarry")].geometry
    hectares = sum(abs(Geod(ellps="WGS84").geometry_area_perimeter(each)[0]) for each in mines) / 1e4
    drawn = sum(outline.area for site in mine_sites(middle_place()) for outline in site.outlines[2024].geoms) / 100
    assert hectares == pytest.approx(drawn, rel=0.01)


def test_equal_places_give_equal_bytes(tmp_path: Path) -> None:
    import osmium

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_context(tmp_path / name, middle_place())
    first, second = (sorted((tmp_path / name / "osm").iterdir()) for name in ("a", "b"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert len(first) == 4
    processor = osmium.FileProcessor(str(first[0]))
    assert processor.header.get("generator").startswith("SIMULATED")
    assert all(entity.tags["source"] == "SIMULATED" for entity in processor if entity.is_way())
