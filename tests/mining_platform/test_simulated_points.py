"""Simulated points of mining and of other places: where they lie, how far apart, and the file that a dataset reads."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pyproj import Transformer

from mining_platform.datasets import DATASETS
from mining_platform.point_files import PointsFile
from mining_platform.points import read_points
from mining_platform.simulation import landscape
from mining_platform.simulation.landscape import MINING
from mining_platform.simulation.mine_points import KINDS, LEAST_SHARE, MINES_APART_PX, finish_points, write_points
from tests.mining_platform.simulated_places import YEARS, middle_place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("points")
    finish_points(out, write_points(out, middle_place()))
    return out / "points"


def points(folder: Path, year: int = 2024) -> gpd.GeoDataFrame:
    found = gpd.read_file(folder / "points.geojson")
    return found[found["year"] == year].reset_index(drop=True)


def around(point: shapely.Point, px: int, year: int = 2024) -> np.ndarray:
    """Classes of a window of `px` pixels around a point."""
    place = middle_place()
    x, y = Transformer.from_crs(4326, str(place.canvas.crs), always_xy=True).transform(point.x, point.y)
    column, row = ~place.canvas.affine * (x, y)
    rows, columns = (slice(round(at - px / 2), round(at + px / 2)) for at in (row, column))
    return place.years[year].classes[rows, columns]


@pytest.mark.parametrize("year", YEARS)
def test_there_is_mining_around_a_point_of_mining(folder: Path, year: int) -> None:
    mines = points(folder, year).query("`class` == 'mining'")
    shares = [(around(point, 48, year) == MINING).mean() for point in mines.geometry]
    assert len(shares) >= 2
    assert min(shares) > 0.8 * LEAST_SHARE
    assert all(around(point, 2, year).size == 4 for point in mines.geometry)


def test_no_mining_lies_in_the_largest_patch_around_another_place(folder: Path) -> None:
    others = points(folder).query("`class` == 'other'")
    assert len(others) >= 5
    assert not any((around(point, 256) == MINING).any() for point in others.geometry)


def test_another_place_is_of_the_class_of_its_kind(folder: Path) -> None:
    others = points(folder).query("`class` == 'other'")
    assert set(others["kind"]) <= set(KINDS)
    assert others["kind"].nunique() >= 2
    assert all(KINDS[kind][0] in around(point, 2) for kind, point in zip(others["kind"], others.geometry, strict=True))


def test_the_largest_patch_around_every_point_lies_within_the_region(folder: Path) -> None:
    found = points(folder).to_crs(middle_place().region.epsg)
    squares = gpd.GeoSeries(found.buffer(1_280 + 5, cap_style="square"), crs=found.crs).to_crs(4326)
    assert squares.within(middle_place().region.geometry).all()


def test_points_of_mining_keep_apart(folder: Path) -> None:
    found = points(folder).query("`class` == 'mining'").to_crs(middle_place().region.epsg)
    places = shapely.get_coordinates(found.geometry)
    gaps = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))[~np.eye(len(places), dtype=bool)]
    assert gaps.min() >= 10 * MINES_APART_PX - 1


def test_the_shipped_dataset_reads_the_file_year_by_year(folder: Path) -> None:
    row = DATASETS["sim_asgm_48"].points
    assert isinstance(row, PointsFile)
    for year in YEARS:
        read = read_points(replace(row, href=str(folder / "points.geojson")), year)
        assert read["point_id"].tolist() == sorted(points(folder, year)["id"])
        assert read["is_mining"].sum() == (points(folder, year)["class"] == "mining").sum() > 0


def test_every_point_and_the_file_say_simulated(folder: Path) -> None:
    document = json.loads((folder / "points.geojson").read_text())
    assert document["name"].startswith("SIMULATED")
    assert all(feature["properties"]["simulated"] is True for feature in document["features"])


@pytest.mark.parametrize(("side_px", "mines"), [(1_700, 4 + 6), (4_068, 6 + 8)])
def test_a_large_landscape_has_ground_far_from_any_mine(side_px: int, mines: int) -> None:
    random = np.random.default_rng(1)
    streams = np.column_stack([random.uniform(0, side_px, (500, 2)), np.ones(500)])
    far_from_the_river = np.broadcast_to(np.float32(1e4), (side_px, side_px))
    waters: Any = SimpleNamespace(river_distance_px=far_from_the_river, stream_points=streams)
    assert len(landscape._mines((side_px, side_px), waters, random)) == mines
