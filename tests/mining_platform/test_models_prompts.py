"""Prompts: where they lie, how many, and what stands where there are none."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from shapely.geometry import MultiPolygon, Polygon, box

from mining_platform.labels.polygon_labels import read_polygons
from mining_platform.models.prompts import label_boxes, label_points, polygon_boxes, polygon_points
from tests.conftest import REALDATA

MINING = 1
UTM = 32721


def labels(*places: tuple[slice, slice], px: int = 12) -> np.ndarray:
    out = np.zeros((1, px, px), np.uint8)
    for place in places:
        out[0][place] = MINING
    return out


def patch(east: float = 500_000, north: float = 9_300_000, px: int = 10) -> GeoBox:
    return GeoBox((px, px), Affine(10, 0, east, 0, -10, north), f"EPSG:{UTM}")


def test_a_box_reaches_around_all_pixels_of_an_object() -> None:
    boxes = label_boxes(labels(np.s_[2:5, 3:9]), MINING, most=4)
    np.testing.assert_array_equal(boxes, [[[3, 2, 9, 5]]])


def test_the_largest_objects_come_first_and_the_rest_is_left_out() -> None:
    three = labels(np.s_[0:1, 0:1], np.s_[4:8, 4:8], np.s_[10:12, 0:2])
    np.testing.assert_array_equal(label_boxes(three, MINING, most=2), [[[4, 4, 8, 8], [0, 10, 2, 12]]])


def test_pixels_that_touch_at_a_corner_are_one_object() -> None:
    np.testing.assert_array_equal(label_boxes(labels(np.s_[2:3, 2:3], np.s_[3:4, 3:4]), MINING, most=4), [[[2, 2, 4, 4]]])


def test_other_classes_are_no_objects() -> None:
    clouds = np.full((1, 12, 12), 2, np.uint8)
    np.testing.assert_array_equal(label_boxes(clouds, MINING, most=4), [[[0, 0, 12, 12]]])


def test_a_patch_with_fewer_prompts_repeats_its_first_and_an_empty_one_is_asked_about_whole() -> None:
    batch = np.concatenate([labels(np.s_[0:2, 0:2], np.s_[6:9, 6:9]), labels(np.s_[3:4, 5:7]), labels()])
    boxes = label_boxes(batch, MINING, most=4)
    assert (boxes.shape, boxes.dtype) == ((3, 2, 4), np.float32)
    np.testing.assert_array_equal(boxes[0], [[6, 6, 9, 9], [0, 0, 2, 2]])
    np.testing.assert_array_equal(boxes[1], [[5, 3, 7, 4]] * 2)
    np.testing.assert_array_equal(boxes[2], [[0, 0, 12, 12]] * 2)


def test_a_point_is_the_middle_of_the_innermost_pixel() -> None:
    np.testing.assert_array_equal(label_points(labels(np.s_[2:7, 3:8]), MINING, most=1), [[[5.5, 4.5]]])


def test_a_point_of_a_ring_lies_in_the_ring() -> None:
    ring = labels(np.s_[1:11, 1:11])
    ring[0, 4:8, 4:8] = 0
    ((x, y),) = label_points(ring, MINING, most=1)[0]
    assert ring[0, int(y), int(x)] == MINING


def test_a_point_of_an_empty_patch_is_its_middle() -> None:
    np.testing.assert_array_equal(label_points(labels(), MINING, most=1), [[[6, 6]]])


def test_no_patches_have_no_prompts() -> None:
    assert label_boxes(np.zeros((0, 12, 12), np.uint8), MINING, most=3).shape == (0, 1, 4)


def test_polygons_become_boxes_in_pixels_cut_at_the_patch() -> None:
    inside = box(500_020, 9_299_930, 500_050, 9_299_980)
    over_the_edge = box(500_080, 9_299_990, 500_200, 9_300_100)
    boxes = polygon_boxes(gpd.GeoSeries([inside, over_the_edge], crs=UTM), [patch()], most=5)
    np.testing.assert_allclose(boxes, [[[2, 2, 5, 7], [8, 0, 10, 1]]])


def test_parts_of_a_polygon_are_prompts_of_their_own_and_touching_ones_are_none() -> None:
    parts = MultiPolygon([box(500_000, 9_299_990, 500_010, 9_300_000), box(500_050, 9_299_900, 500_100, 9_299_950)])
    touching = box(500_100, 9_299_900, 500_200, 9_300_000)
    boxes = polygon_boxes(gpd.GeoSeries([parts, touching], crs=UTM), [patch(), patch(east=501_000)], most=5)
    np.testing.assert_allclose(boxes, [[[5, 5, 10, 10], [0, 0, 1, 1]], [[0, 0, 10, 10]] * 2])


def test_a_point_of_a_polygon_lies_in_its_part_within_the_patch() -> None:
    bent = Polygon([(500_010, 9_299_990), (500_300, 9_299_990), (500_300, 9_299_970), (500_030, 9_299_970), (500_030, 9_299_910),
                    (500_010, 9_299_910)])  # fmt: skip
    points = polygon_points(gpd.GeoSeries([bent], crs=UTM), [patch(), patch(east=502_000)], most=2)
    assert points.shape == (2, 1, 2)
    (x, y), middle = points[0, 0], points[1, 0]
    assert bent.contains(shapely.Point(500_000 + 10 * x, 9_300_000 - 10 * y))
    assert 0 < x < 10
    np.testing.assert_array_equal(middle, [5, 5])


def test_polygons_in_another_crs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Polygons are in EPSG:4326, the patch in EPSG:32721\. Reproject"):
        polygon_boxes(gpd.GeoSeries([Polygon()], crs=4326), [patch()], most=1)


def test_patches_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="for patches of one size"):
        polygon_boxes(gpd.GeoSeries([], crs=UTM), [patch(), patch(px=12)], most=1)


def test_boxes_of_real_polygons_hold_all_their_pixels() -> None:
    folder = REALDATA / "trombetas-s2-srtm-polygons"
    if not folder.is_dir():
        pytest.skip(f"the real polygons in {folder} are absent; set MINING_PLATFORM_REALDATA")
    with rasterio.open(folder / "sen2_12band.tif") as image:
        grid = GeoBox(image.shape, image.transform, image.crs)
    polygons = read_polygons(folder / "training_polygons.kml")[0].to_crs(grid.crs).geometry
    patches = [grid[y : y + 64, x : x + 64] for y in range(0, 192, 64) for x in range(0, 192, 64)]
    pixels = 0
    for patch_grid, boxes in zip(patches, polygon_boxes(polygons, patches, most=50), strict=True):
        mask = geometry_mask(polygons, patch_grid.shape, patch_grid.affine, invert=True)
        rows, columns = np.nonzero(mask)
        inside = [(columns + 0.5 > x0) & (columns + 0.5 < x1) & (rows + 0.5 > y0) & (rows + 0.5 < y1) for x0, y0, x1, y1 in boxes]
        assert np.any(inside, axis=0).all()
        pixels += len(rows)
    assert pixels > 1000
