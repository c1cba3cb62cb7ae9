"""Another system's made-up detections: what it misses and mistakes, every year the same."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from mining_platform.simulation.landscape import MINING
from mining_platform.simulation.other_system import (
    FALSE,
    FILE,
    FOLDER,
    LEAST_SHARE,
    MISSED,
    SQUARE_PX,
    finish_other_system,
    seen_squares,
    write_other_system,
)
from tests.mining_platform.simulated_places import YEARS, middle_place


def test_it_misses_and_mistakes_its_shares_of_the_squares() -> None:
    place = middle_place()
    mined = np.zeros((200 * SQUARE_PX, 200 * SQUARE_PX), bool)
    mined[: 100 * SQUARE_PX] = True

    seen = seen_squares(place, mined)

    assert seen[:100].mean() == pytest.approx(1 - MISSED, abs=0.01)
    assert seen[100:].mean() == pytest.approx(FALSE, abs=0.001)


def test_a_square_with_hardly_any_mining_is_not_seen() -> None:
    mined = np.zeros((100 * SQUARE_PX, 100 * SQUARE_PX), bool)
    mined[::SQUARE_PX, ::SQUARE_PX] = True
    assert 1 / SQUARE_PX**2 < LEAST_SHARE
    assert not seen_squares(middle_place(), mined).any()


def test_what_it_saw_it_sees_in_later_years_where_mines_only_grow() -> None:
    place = middle_place()
    first = place.years[YEARS[0]].classes == MINING
    last = first | (place.years[YEARS[1]].classes == MINING)
    before, after = (seen_squares(place, mined) for mined in (first, last))
    with_mining = first.any()
    assert with_mining
    assert after[before & _squares_with(first)].all()


def _squares_with(mined: np.ndarray) -> np.ndarray:
    rows, columns = (size // SQUARE_PX for size in mined.shape)
    parts = mined[: rows * SQUARE_PX, : columns * SQUARE_PX].reshape(rows, SQUARE_PX, columns, SQUARE_PX)
    return np.asarray(parts.mean(axis=(1, 3)) >= LEAST_SHARE)


def test_the_file_holds_the_squares_of_every_year_and_says_simulated(tmp_path: Path) -> None:
    place = middle_place()
    finish_other_system(tmp_path, write_other_system(tmp_path, place))
    path = tmp_path / FOLDER / FILE

    table = gpd.read_file(path)
    assert set(table["year"]) == set(YEARS)
    assert all("SIMULATED" in each["properties"]["note"] for each in json.loads(path.read_text())["features"])
    for year in YEARS:
        squares = seen_squares(place, place.years[year].classes == MINING).sum()
        found = table[table["year"] == year].to_crs(place.region.epsg)
        assert found.area.sum() == pytest.approx(squares * 240.0**2, rel=1e-3)
        assert found.is_valid.all()
