"""OpenStreetMap's features on a grid: hand-drawn ones on known pixels, in pieces as in one, near and far."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from mining_platform import bands, profiles
from mining_platform.artifacts import Artifact, Ref
from mining_platform.context import MAX_DISTANCE_M, context_channels, context_on_grid, distance_on_grid, known_on_grid
from mining_platform.context_dates import date_gap, the_extract_is_of_the_imagerys_time
from mining_platform.grids import lattice_geobox, project
from mining_platform.osm_keys import OSM_KEYS, osm_key
from tests.synthetic import EPSG, LEFT_M, TOP_M


def grid(width: int = 10, height: int = 8) -> GeoBox:
    return lattice_geobox(LEFT_M, TOP_M - height * 10, LEFT_M + width * 10, TOP_M, EPSG)


def features(*drawn: tuple[str, BaseGeometry]) -> gpd.GeoDataFrame:
    """Features drawn in metres right of and below the grid's corner."""
    placed = [project(shapely.affinity.affine_transform(each, [1, 0, 0, -1, LEFT_M, TOP_M]), EPSG, 4326) for _, each in drawn]
    keys = pd.Categorical([key for key, _ in drawn], list(OSM_KEYS))
    return gpd.GeoDataFrame({"key": keys, "value": "yes"}, geometry=placed, crs="EPSG:4326")


def on(table: gpd.GeoDataFrame, key: str, box: GeoBox | None = None) -> list[tuple[int, int]]:
    """Rows and columns of the pixels that have a feature."""
    channel = context_on_grid(table, box or grid(), [key], extent=None)[0]
    assert set(np.unique(channel)) <= {0, 1}
    return [(int(row), int(column)) for row, column in np.argwhere(channel == 1)]


def block(rows: range, columns: range) -> list[tuple[int, int]]:
    return [(row, column) for row in rows for column in columns]


def test_a_road_is_on_the_pixels_whose_centres_are_within_5_metres() -> None:
    road = features(("highway", shapely.LineString([(12, 23), (58, 23)])))
    assert on(road, "highway") == block(range(2, 3), range(1, 6))


def test_a_runway_is_20_metres_wide() -> None:
    runway = features(("aeroway", shapely.LineString([(20, 23), (60, 23)])))
    assert on(runway, "aeroway") == block(range(1, 3), range(1, 7))


def test_a_diagonal_road_has_no_gap() -> None:
    road = features(("highway", shapely.LineString([(5, 5), (65, 65)])))
    assert on(road, "highway") == [(k, k) for k in range(7)]


def test_on_larger_pixels_a_road_is_a_pixel_wide() -> None:
    coarse = GeoBox((4, 5), Affine(30, 0, LEFT_M, 0, -30, TOP_M), f"EPSG:{EPSG}")
    road = features(("highway", shapely.LineString([(1, 25), (149, 25)])))
    assert on(road, "highway", coarse) == block(range(1), range(5))


def test_a_hut_is_on_every_pixel_that_it_touches_but_a_parcel_only_where_a_centre_lies_in_it() -> None:
    hut = shapely.box(8, 12, 12, 14)
    assert on(features(("building", hut)), "building") == [(1, 0), (1, 1)]
    assert on(features(("landuse", hut)), "landuse") == []
    assert on(features(("landuse", shapely.box(12, 12, 38, 38))), "landuse") == block(range(1, 4), range(1, 4))
    assert on(features(("landuse", shapely.box(16, 16, 38, 38))), "landuse") == block(range(2, 4), range(2, 4))


def test_a_hole_in_a_parcel_stays_empty() -> None:
    ring = shapely.box(2, 2, 58, 58).difference(shapely.box(22, 22, 38, 38))
    assert on(features(("landuse", ring)), "landuse") == sorted(
        set(block(range(6), range(6))) - set(block(range(2, 4), range(2, 4)))
    )


def test_keys_do_not_mix_and_a_key_without_features_is_absent_everywhere() -> None:
    table = features(("highway", shapely.LineString([(12, 23), (58, 23)])), ("building", shapely.box(61, 61, 69, 69)))
    found = context_on_grid(table, grid(), ["building", "aeroway", "highway"], extent=None)
    assert found.shape == (3, 8, 10)
    assert found.dtype == np.float32
    assert found.sum(axis=(1, 2)).tolist() == [1, 0, 5]
    assert not context_on_grid(features(), grid(), ["landuse"], extent=None).any()


def scattered(count: int, side_m: float) -> gpd.GeoDataFrame:
    """Lines and polygons of every key, at random but always the same."""
    random = np.random.default_rng(7)
    drawn: list[tuple[str, BaseGeometry]] = []
    for number in range(count):
        row = list(OSM_KEYS.values())[number % len(OSM_KEYS)]
        places = random.uniform(-0.1, 1.1, 2) * side_m + random.uniform(-0.2, 0.2, (6, 2)) * side_m
        is_line = "lines" in row.kinds and number % 2 == 0
        drawn.append((row.id, shapely.LineString(places) if is_line else shapely.MultiPoint(places).convex_hull))
    return features(*drawn)


CHUNK_PX = 300
"""No divisor of the tiles that pixels are burnt in."""


def pieces(box: GeoBox) -> list[tuple[slice, slice]]:
    rows, columns = ([slice(start, min(start + CHUNK_PX, size)) for start in range(0, size, CHUNK_PX)] for size in box.shape)
    return [(i, j) for i in rows for j in columns]


@pytest.mark.parametrize("make", [context_on_grid, distance_on_grid])
def test_features_across_borders_give_the_same_pixels_in_pieces_as_in_one(make: Any) -> None:
    table, box = scattered(40, 7_000), grid(700, 650)
    keys = list(OSM_KEYS) if make is context_on_grid else ["building", "aeroway"]
    whole = make(table, box, keys, extent=None)
    assert 0.01 < (whole[0] > 0).mean() < 0.99
    for part in pieces(box):
        assert np.array_equal(make(table, box[part], keys, extent=None), whole[:, part[0], part[1]])


def test_pixels_are_those_that_geometry_says() -> None:
    table, box = scattered(60, 1_500), grid(150, 140)
    x, y = (LEFT_M + 5 + 10 * np.arange(150), TOP_M - 5 - 10 * np.arange(140))
    centres = shapely.points(*np.meshgrid(x, y))
    pixels = shapely.box(
        centres_x := shapely.get_x(centres) - 5, shapely.get_y(centres) - 5, centres_x + 10, shapely.get_y(centres) + 5
    )
    found = context_on_grid(table, box, list(OSM_KEYS), extent=None)
    metres = table.to_crs(EPSG)
    for row, channel in zip(OSM_KEYS.values(), found, strict=True):
        shapes = metres.geometry[metres["key"] == row.id]
        union = [shapely.union_all(shapes[[dimension(each) == size for each in shapes]].to_numpy()) for size in (1, 2)]
        near = shapely.distance(centres, union[0]) if not union[0].is_empty else np.full(box.shape, np.inf)
        touched = shapely.intersects(pixels if row.all_touched else centres, union[1])
        unsure = np.abs(near - row.line_width_m / 2) < 0.05  # a buffer's round ends are polygons
        assert unsure.sum() < 60
        wrong = (channel == 1) != ((near <= row.line_width_m / 2) | touched)
        assert not (wrong & ~unsure).any(), row.id
        assert (channel == 1).any()


def dimension(geometry: BaseGeometry) -> int:
    return int(shapely.get_dimensions(geometry))


def test_distances_are_metres_between_centres_up_to_the_most() -> None:
    box = grid(300, 20)
    found = distance_on_grid(features(("building", shapely.box(2, 2, 8, 8))), box, ["building", "landuse"], extent=None)
    rows, columns = np.mgrid[:20, :300]
    assert found[0] == pytest.approx(np.minimum(10 * np.hypot(rows, columns), MAX_DISTANCE_M), rel=1e-6)
    assert (found[1] == MAX_DISTANCE_M).all()
    outside = distance_on_grid(features(("building", shapely.box(-98, 2, -92, 8))), box, ["building"], extent=None)[0]
    assert outside[0, :3] == pytest.approx([100, 110, 120])


def extent_of(*, left_px: float, box: GeoBox) -> tuple[float, float, float, float]:
    """Degrees around a grid, cut at so many pixels from its left."""
    to_degrees = Transformer.from_crs(EPSG, 4326, always_xy=True)
    west, _ = to_degrees.transform(LEFT_M + 10 * left_px, TOP_M - box.shape[0] * 5)
    return west, -20.0, -40.0, 0.0


def test_where_the_extract_says_nothing_is_not_known_rather_than_empty() -> None:
    box = grid(20, 20)
    road = features(("highway", shapely.LineString([(-50, 23), (350, 23)])))
    extent = extent_of(left_px=10, box=box)
    for found in (
        context_on_grid(road, box, ["highway"], extent=extent),
        distance_on_grid(road, box, ["highway"], extent=extent),
    ):
        assert np.isnan(found[0, :, :10]).all()
        assert np.isfinite(found[0, :, 10:]).all()
    assert known_on_grid(box, None).all()
    assert known_on_grid(box, (-80.0, -20.0, -40.0, 0.0)).all()
    assert not known_on_grid(box, (0.0, -20.0, 10.0, 0.0)).any()


def test_channels_are_stored_as_absent_present_and_not_known() -> None:
    box = grid(20, 20)
    road = features(("highway", shapely.LineString([(-50, 23), (350, 23)])))
    channels = ("OSM-highway-distance", "OSM-highway", "OSM-building")
    found = context_channels(road, box, channels, extent=extent_of(left_px=10, box=box))
    numbers = np.stack([bands.as_stored(channel, values) for channel, values in zip(channels, found, strict=True)])
    assert (numbers[:, :, :10] == 0).all()
    assert np.unique(numbers[1, :, 10:], return_counts=True)[1].tolist() == [190, 10]
    assert numbers[1, 2, 10:].tolist() == [2] * 10
    assert (numbers[2, :, 10:] == 1).all()
    assert numbers[0, :4, 12].tolist() == [21, 11, 1, 11]
    assert bands.as_values("OSM-highway-distance", numbers[0])[0, 12] == 20


def test_the_17_channels_are_in_the_order_of_the_authors() -> None:
    channels = profiles.PROFILES["s2-12+osm-5"].channels
    names = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B08", "B09", "B11", "B12"]
    assert channels == (*names, *(f"OSM-{key}" for key in ("highway", "waterway", "building", "landuse", "aeroway")))
    assert bands.band("OSM-aeroway").role == "osm_aeroway"
    assert bands.band("OSM-aeroway-distance").unit == "m"


def test_what_no_channel_can_be_made_of_is_refused() -> None:
    with pytest.raises(KeyError, match="Unknown key 'railway'; known: highway"):
        context_on_grid(features(), grid(), ["railway"], extent=None)
    with pytest.raises(KeyError, match="Channel B04 is none of openstreetmap"):
        context_channels(features(), grid(), ["B04"], extent=None)
    degrees = GeoBox((4, 4), Affine(0.001, 0, -56, 0, -0.001, -6), "EPSG:4326")
    with pytest.raises(ValueError, match="not in metres"):
        context_on_grid(features(), degrees, ["highway"], extent=None)
    turned = GeoBox((4, 4), Affine.translation(LEFT_M, TOP_M) * Affine.rotation(20) * Affine.scale(10, -10), f"EPSG:{EPSG}")
    with pytest.raises(ValueError, match="with north up"):
        distance_on_grid(features(), turned, ["highway"], extent=None)
    assert osm_key("landuse").kinds == ("polygons",)


@pytest.mark.parametrize(
    ("date", "days"), [("2021-07-01", 0), ("2022-01-01T00:00:00Z", 1), ("2025-03-01T10:00:00Z", 1156), ("2020-12-31", -1)]
)
def test_the_gap_is_the_days_from_the_nearest_day_of_the_year(date: str, days: int) -> None:
    assert date_gap(date, 2021).days == days


@pytest.mark.parametrize(
    ("date", "holds", "reason"),
    [
        ("2021-07-01", True, "of the year 2021"),
        ("2022-12-31", True, "365 days after"),
        ("2023-01-01", False, r"366 days after the imagery's year 2021; name an extract of that time"),
        ("2019-12-31", False, "367 days before"),
        ("", False, "nobody says of which day the extract is; write it as 'date'"),
    ],
)
def test_an_extract_more_than_a_year_from_the_imagery_is_warned_of(date: str, holds: bool, reason: str, tmp_path: Path) -> None:
    artifact = Artifact(Ref("osm_context", "tiny|2021"), "0" * 64, tmp_path, {"date": date})
    verdict = the_extract_is_of_the_imagerys_time(None, artifact)  # type: ignore[arg-type]
    assert verdict.holds is holds
    assert pd.Series([verdict.reason]).str.contains(reason).all()
