"""Yearly masks of mining, of scores and of class codes."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mining_platform.detection_maps import mask_polygons, write_mapped, write_outlined, write_scored
from mining_platform.detection_rules import DetectionRule, detection_rule
from mining_platform.grids import project

FIELDS = DetectionRule("fields", "", 0.4, 0.8, 2, 1_000.0)


def raster(path: Path, values: NDArray[np.generic], cell_m: float, nodata: float | None = None, described: str = "") -> Path:
    place = {"crs": "EPSG:32722", "transform": rasterio.Affine(cell_m, 0, 500_000, 0, -cell_m, 9_600_000)}
    height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=1, dtype=values.dtype, nodata=nodata, **place
    ) as out:
        out.write(values, 1)
        out.update_tags(TIFFTAG_IMAGEDESCRIPTION=described)
    return path


def scored(path: Path, *cells: tuple[int, int, float], cell_m: float = 480.0, size: int = 20) -> Path:
    scores = np.zeros((size, size), dtype=np.float32)
    for row, column, score in cells:
        scores[row, column] = score
    return raster(path, scores, cell_m, np.nan)


def found(tmp_path: Path, probability: Path, rule: DetectionRule, own: float = 0.9) -> list[list[int]]:
    write_scored(probability, rule, tmp_path / "mask.tif", own=own, simulated=False)
    with rasterio.open(tmp_path / "mask.tif") as mask:
        return np.argwhere(mask.read(1) == 1).tolist()


def test_a_cell_with_enough_others_near_needs_the_lower_score(tmp_path: Path) -> None:
    scores = scored(tmp_path / "p.tif", (0, 0, 0.5), (0, 1, 0.5), (1, 0, 0.4), (1, 1, 0.39))

    assert found(tmp_path, scores, FIELDS) == [[0, 0], [0, 1], [1, 0]]


def test_a_cell_that_stands_alone_needs_the_higher_score(tmp_path: Path) -> None:
    scores = scored(tmp_path / "p.tif", (0, 0, 0.5), (0, 1, 0.5), (1, 0, 0.5), (15, 15, 0.79), (5, 15, 0.81))

    assert found(tmp_path, scores, FIELDS) == [[0, 0], [0, 1], [1, 0], [5, 15]]
    facts = write_scored(scores, FIELDS, tmp_path / "mask.tif", own=0.9, simulated=False)
    assert facts == {"threshold": 0.4, "isolated_threshold": 0.8, "cells_found": 4, "cells_isolated": 1}


def test_the_pixels_of_one_small_mine_are_no_neighbours_of_each_other(tmp_path: Path) -> None:
    mine = [(row, column, 0.5) for row in range(6) for column in range(6)]  # 60 m a side: within one unit of 240 m
    field = [(row, 300 + 30 * step, 0.5) for step in range(3) for row in (300, 301)]
    scores = scored(tmp_path / "p.tif", *mine, *field, cell_m=10.0, size=400)

    assert found(tmp_path, scores, FIELDS) == sorted([row, column] for row, column, _ in field)


def test_a_map_is_judged_as_a_whole_across_its_blocks(tmp_path: Path) -> None:
    cells = [(510, 510, 0.5), (512, 512, 0.5), (511, 513, 0.5)]

    assert found(tmp_path, scored(tmp_path / "p.tif", *cells, size=600, cell_m=240.0), FIELDS) == sorted(
        [r, c] for r, c, _ in cells
    )


def test_the_plain_rule_takes_the_models_own_threshold_and_cells_without_a_score_stay_unobserved(tmp_path: Path) -> None:
    scores = np.array([[0.4, 0.39999, np.nan]], dtype=np.float32)
    write_scored(
        raster(tmp_path / "p.tif", scores, 480, np.nan), detection_rule("plain"), tmp_path / "m.tif", own=0.4, simulated=True
    )

    with rasterio.open(tmp_path / "m.tif") as mask:
        assert mask.read(1).tolist() == [[1, 0, 255]]
        assert mask.nodata == 255
        assert mask.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def test_a_map_of_classes_gives_mining_ground_and_what_nobody_saw(tmp_path: Path) -> None:
    codes = raster(tmp_path / "c.tif", np.array([[30, 3, 27, 0, 30, 99]], dtype=np.uint8), 30.0, nodata=99)

    assert write_mapped(codes, {30}, tmp_path / "m.tif") == {"cells_found": 2}
    with rasterio.open(tmp_path / "m.tif") as mask:
        assert mask.read(1).tolist() == [[1, 0, 255, 255, 1, 255]]
        assert mask.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_polygons_of_a_map_of_classes_have_an_area_and_no_score(tmp_path: Path) -> None:
    codes = raster(tmp_path / "c.tif", np.array([[30, 3, 3], [30, 3, 30]], dtype=np.uint8), 100.0)
    write_mapped(codes, {30}, tmp_path / "m.tif")

    table = mask_polygons(tmp_path / "m.tif", None, simulated=False)

    assert table["detection_id"].tolist() == ["32722_500000_9600000", "32722_500200_9599900"]
    assert table["cells"].tolist() == [2, 1]
    assert table["area_m2"].tolist() == pytest.approx([20_000 / 0.9996**2, 10_000 / 0.9996**2], rel=1e-5)
    assert table["score_max"].isna().all()


def test_polygons_of_scores_tell_them(tmp_path: Path) -> None:
    scores = scored(tmp_path / "p.tif", (0, 0, 0.5), (0, 1, 0.75), (1, 0, 0.5))
    write_scored(scores, FIELDS, tmp_path / "m.tif", own=0.9, simulated=True)

    table = mask_polygons(tmp_path / "m.tif", scores, simulated=True)

    assert table[["score_max", "cells", "simulated"]].to_numpy().tolist() == [[0.75, 3, True]]


def outlined(
    tmp_path: Path, squares: NDArray[np.generic], scores: NDArray[np.generic]
) -> tuple[NDArray[np.generic], dict[str, int]]:
    coarse = raster(tmp_path / "squares.tif", squares.astype(np.uint8), 240.0, 255)
    fine = raster(tmp_path / "scores.tif", scores.astype(np.float32), 10.0, np.nan)
    facts = write_outlined(coarse, fine, 0.5, tmp_path / "outlined.tif", simulated=False)
    with rasterio.open(tmp_path / "outlined.tif") as mask:
        return mask.read(1), facts


def test_mines_are_outlined_inside_of_the_squares_that_were_found(tmp_path: Path) -> None:
    scores = np.zeros((48, 40))  # the second column of squares reaches beyond the grid
    scores[20:30, 20:30] = 0.5
    mask, facts = outlined(tmp_path, np.array([[1, 0], [0, 1]]), scores)
    expected = np.zeros((48, 40))
    expected[20:24, 20:24] = expected[24:30, 24:30] = 1
    np.testing.assert_array_equal(mask, expected)
    assert facts == {"cells_found": 16 + 36, "squares_without_outline": 0}


def test_a_square_in_which_nothing_is_outlined_is_counted_and_what_either_did_not_see_is_not_observed(tmp_path: Path) -> None:
    scores = np.full((48, 48), 0.4)
    scores[:24, :24], scores[40, 40] = 0.9, np.nan
    mask, facts = outlined(tmp_path, np.array([[1, 255], [1, 1]]), scores)
    assert facts == {"cells_found": 576, "squares_without_outline": 2}
    assert (mask[:24, 24:] == 255).all()
    assert mask[40, 40] == 255
    assert (mask[24:, :24] == 0).all()


def test_large_maps_are_outlined_block_by_block(tmp_path: Path) -> None:
    squares, scores = np.zeros((50, 50)), np.zeros((1200, 1200))
    squares[21, 21], scores[500:530, 500:530] = 1, 1  # across the blocks' corner at 512
    mask, facts = outlined(tmp_path, squares, scores)
    assert facts["cells_found"] == int(mask.sum()) == 24 * 24
    assert mask[504:528, 504:528].all()


def test_maps_of_other_ground_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not part the cells"):
        outlined(tmp_path, np.zeros((1, 1)), np.zeros((48, 48)))


WEST, NORTH = 500_000, 9_600_000


def ground(*corners: tuple[float, float]) -> BaseGeometry:
    """A polygon by corners in metres east and south of the rasters' corner, in EPSG:4326."""
    return project(Polygon([(WEST + east, NORTH - south) for east, south in corners]), 32722, 4326)


LOWER, UPPER = ground((0, 0), (0, 400), (400, 400)), ground((0, 0), (400, 0), (400, 400))
"""Halves of a square, on both sides of its diagonal."""


def test_cells_outside_of_the_outline_are_of_another_region(tmp_path: Path) -> None:
    codes = raster(tmp_path / "c.tif", np.full((4, 4), 30, dtype=np.uint8), 100.0)
    halves = []
    for name, within in (("lower", LOWER), ("upper", UPPER)):
        write_mapped(codes, {30}, tmp_path / f"{name}.tif", within=within)
        with rasterio.open(tmp_path / f"{name}.tif") as mask:
            halves.append(mask.read(1))
    assert set(np.unique(halves)) == {1, 255}
    off_diagonal = ~np.eye(4, dtype=bool)
    np.testing.assert_array_equal((halves[0] == 1)[off_diagonal], np.tri(4, dtype=bool)[off_diagonal])
    np.testing.assert_array_equal((halves[1] == 1)[off_diagonal], ~np.tri(4, dtype=bool)[off_diagonal])


def test_neighbours_count_beyond_the_outline_and_are_not_found_there(tmp_path: Path) -> None:
    scores = scored(tmp_path / "p.tif", (0, 0, 0.5), (0, 1, 0.5), (1, 0, 0.5), (8, 8, np.nan))
    within = ground((0, 0), (480, 0), (480, 9_600), (0, 9_600))  # the first column
    facts = write_scored(scores, FIELDS, tmp_path / "mask.tif", own=0.9, simulated=False, within=within)

    with rasterio.open(tmp_path / "mask.tif") as mask:
        cells = mask.read(1)
    assert np.argwhere(cells == 1).tolist() == [[0, 0], [1, 0]]
    assert (cells[:, 1:] == 255).all()
    assert (cells[2:, 0] == 0).all()
    assert (facts["cells_found"], facts["cells_isolated"]) == (2, 0)


def test_a_square_on_the_outline_is_outlined_on_this_side(tmp_path: Path) -> None:
    squares = raster(tmp_path / "squares.tif", np.array([[1, 1]], dtype=np.uint8), 240.0, 255)
    scores = np.zeros((24, 48), dtype=np.float32)
    scores[:, 4:12] = 0.9
    fine = raster(tmp_path / "scores.tif", scores, 10.0, np.nan)
    within = ground((0, 0), (80, 0), (80, 240), (0, 240))  # a third of the first square
    facts = write_outlined(squares, fine, 0.5, tmp_path / "m.tif", simulated=False, within=within)

    with rasterio.open(tmp_path / "m.tif") as mask:
        assert np.unique(np.argwhere(mask.read(1) == 1)[:, 1]).tolist() == [4, 5, 6, 7]
    assert facts == {"cells_found": 24 * 4, "squares_without_outline": 0}  # nothing is missed in the square outside
