"""The interactive map of the annual report: one answer to a tap, and outlines of territories that fit into a page."""

import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry import Polygon, box, shape

from mining_platform.annual_reports.change_maps import MOST_OUTLINE_POINTS, OUTLINE_TOLERANCE_M, map_data
from mining_platform.annual_reports.contents import Contents
from mining_platform.annual_reports.words import WORDS
from tests.mining_platform.test_annual_reports import contents, region

__all__ = ["contents", "region"]
DEGREE_M = 111_320  # of a meridian


def wavy(points: int, radius_deg: float, wave_deg: float, at: tuple[float, float] = (-55.0, -6.0)) -> Polygon:
    """A ring of ground whose border swings in and out at each point."""
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    radius = radius_deg + wave_deg * (np.arange(points) % 2)
    return Polygon(np.c_[at[0] + radius * np.cos(turns), at[1] + radius * np.sin(turns)])


def territories(*shapes: Polygon) -> gpd.GeoDataFrame:
    ids = [str(number) for number in range(len(shapes))]
    return gpd.GeoDataFrame(
        {"kind": ["municipality"] * len(shapes), "territory_id": ids, "name": ["", *["Vila"] * (len(shapes) - 1)]},
        geometry=list(shapes),
        crs=4326,
    )


def drawn(contents: Contents, *shapes: Polygon) -> list[dict[str, object]]:
    """Features of the map's territories."""
    told = json.loads(map_data(replace(contents, outlines=territories(*shapes)), WORDS["pt"], "pt"))
    return list(told["territories"]["features"])


def test_outlines_lose_points_but_no_more_ground_than_a_map_shows(contents: Contents) -> None:
    coast = wavy(3_000, 0.3, 0.0001)

    (feature,) = drawn(contents, coast)

    simple = shape(feature["geometry"])
    assert len(simple.exterior.coords) < 300
    assert shapely.hausdorff_distance(simple, coast) * DEGREE_M <= OUTLINE_TOLERANCE_M * 1.02
    assert simple.is_valid


def test_small_ground_holes_and_parts_stay_on_the_map(contents: Contents) -> None:
    garden = box(-55, -6, -54.9999, -5.9999)
    holed = Polygon(box(-55, -6, -54.9, -5.9).exterior, [wavy(40, 0.0003, 0, (-54.95, -5.95)).exterior])
    islands = shapely.MultiPolygon([wavy(50, 0.0002, 0, (-55, -6)), wavy(50, 0.0002, 0, (-54.9, -6))])

    shapes = [shape(feature["geometry"]) for feature in drawn(contents, garden, holed, islands)]

    assert all(each.area > 0 for each in shapes)
    assert len(shapes[1].interiors) == 1
    assert len(shapes[2].geoms) == 2


def test_many_jagged_outlines_do_not_make_a_page_of_megabytes(contents: Contents) -> None:
    ragged = [wavy(3_000, 0.3, 0.003, (-55 + 0.01 * number, -6)) for number in range(100)]

    features = drawn(contents, *ragged)

    points = sum(len(shape(each["geometry"]).exterior.coords) for each in features)
    assert points <= MOST_OUTLINE_POINTS
    assert len(json.dumps(features)) < 3_000_000
    assert len(features) == 100


def test_the_map_names_territories_in_the_pages_language(contents: Contents) -> None:
    features = drawn(contents, box(0, 0, 1, 1), box(0, 0, 1, 1))

    assert [each["properties"] for each in features] == [{"told": "0 · município"}, {"told": "Vila · município"}]
