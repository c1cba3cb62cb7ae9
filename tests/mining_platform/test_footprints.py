"""Footprints and the pairs of them that overlap or come too near, in one zone, across zones and across the date line."""

import tracemalloc
from itertools import product

import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Geod, Transformer

from mining_platform import footprints
from mining_platform.footprints import Footprints
from mining_platform.nearest_footprints import nearest_m


def boxes(corners: list[tuple[float, float]], side: float = 1_280, epsg: int | list[int] = 32722) -> Footprints:
    """Squares by their lower left corners."""
    squares = [shapely.box(x, y, x + side, y + side) for x, y in corners]
    return Footprints(np.array(squares, dtype=object), np.broadcast_to(np.array(epsg, dtype=np.int64), len(squares)).copy())


def random_ground(seed: int, count: int = 60) -> Footprints:
    """Squares, triangles and two-part outlines of all sizes on both sides of the border of zones 21 and 22 (54 degrees west)."""
    rng = np.random.default_rng(seed)
    zones = rng.choice([32721, 32722], count)
    lon, lat = rng.uniform(-54.05, -53.95, count), rng.uniform(-6.05, -5.95, count)
    shapes = []
    for zone, x0, y0, kind in zip(zones.tolist(), lon, lat, rng.integers(0, 3, count), strict=True):
        x, y = Transformer.from_crs(4326, zone, always_xy=True).transform(x0, y0)
        side = rng.uniform(100, 1_500)
        square, far = shapely.box(x, y, x + side, y + side), shapely.box(x + 2 * side, y, x + 2.5 * side, y + side)
        shapes.append((square, shapely.Polygon([(x, y), (x + side, y), (x, y + side)]), shapely.union(square, far))[kind])
    return Footprints(np.array(shapes, dtype=object), zones.astype(np.int64))


def every_pair(ground: Footprints, distance_m: float, groups: np.ndarray) -> list[tuple[int, int]]:
    """The close pairs, each measured for itself in the CRS of the smaller code."""
    found, moves = [], {pair: Transformer.from_crs(*pair, always_xy=True).transform for pair in product((32721, 32722), repeat=2)}
    for a in range(len(ground.epsg)):
        for b in range(a + 1, len(ground.epsg)):
            low, high = sorted((a, b), key=lambda row: ground.epsg[row])
            move = moves[int(ground.epsg[high]), int(ground.epsg[low])]
            one, other = ground.geometry[low], shapely.transform(ground.geometry[high], move, interleaved=False)
            near = one.distance(other) < distance_m or one.intersection(other).area > footprints.OVERLAP_M2
            found += [(a, b)] if near and groups[a] != groups[b] else []
    return found


@pytest.mark.parametrize("distance_m", [0, 400, 5_000])
def test_the_close_pairs_are_those_that_measuring_every_pair_gives(distance_m: float) -> None:
    for seed in range(3):
        ground, groups = random_ground(seed), np.random.default_rng(seed).integers(0, 3, 60)
        pairs = footprints.close_pairs(ground, distance_m, groups)
        expected = every_pair(ground, distance_m, groups)
        assert expected
        assert list(zip(pairs["a"], pairs["b"], strict=True)) == expected
        mixed = ground.epsg[pairs["a"]] != ground.epsg[pairs["b"]]
        assert mixed.any()
        assert (~mixed).any()


def test_another_order_of_rows_gives_the_same_pairs_with_the_same_measures() -> None:
    ground = random_ground(5)
    order = np.random.default_rng(1).permutation(60)
    first, second = footprints.close_pairs(ground, 400), footprints.close_pairs(footprints.subset(ground, order), 400)
    back = pd.DataFrame(np.sort(order[second[["a", "b"]].to_numpy()], axis=1), columns=["a", "b"])
    second = second.assign(a=back["a"], b=back["b"]).sort_values(["a", "b"], ignore_index=True)
    pd.testing.assert_frame_equal(first, second, rtol=1e-9)


def test_touching_squares_are_a_pair_only_with_a_distance() -> None:
    ground = boxes([(500_000, 9_000_000), (501_280, 9_000_000), (501_280, 9_001_280)])
    assert footprints.close_pairs(ground, 0).empty
    assert footprints.close_pairs(ground, 1)[["a", "b", "distance_m"]].to_numpy().tolist() == [[0, 1, 0], [0, 2, 0], [1, 2, 0]]


def test_distance_and_common_area_are_those_of_the_squares() -> None:
    pairs = footprints.close_pairs(boxes([(500_000, 9_000_000), (501_000, 9_000_030), (504_280, 9_005_310)]), 5_000)
    assert pairs[["a", "b"]].to_numpy().tolist() == [[0, 1], [1, 2]]
    assert pairs["overlap_m2"].tolist() == [280 * 1_250, 0]
    assert pairs["distance_m"].tolist() == [0, np.hypot(2_000, 4_000)]


def test_rows_of_one_group_are_no_pair() -> None:
    ground = boxes([(500_000, 9_000_000)] * 4)
    pairs = footprints.close_pairs(ground, 0, ["train", "test", "train", "test"])
    assert pairs[["a", "b"]].to_numpy().tolist() == [[0, 1], [0, 3], [1, 2], [2, 3]]


def test_pairs_across_the_date_line_are_found_once() -> None:
    places = [(179.999, -17.0), (-179.999, -17.0), (179.995, -17.0), (-179.97, -17.0), (-179.0, -17.0)]
    zones = [32760, 32701, 32760, 32701, 32701]
    corners = [
        Transformer.from_crs(4326, zone, always_xy=True).transform(*place) for zone, place in zip(zones, places, strict=True)
    ]
    pairs = footprints.close_pairs(boxes(corners, side=500, epsg=zones), 0)
    assert pairs[["a", "b"]].to_numpy().tolist() == [[0, 1], [0, 2]]
    assert footprints.close_pairs(boxes(corners, side=500, epsg=zones), 5_000)["b"].max() == 3


def test_ground_around_a_pole_is_found_though_its_corners_lie_on_all_sides_of_it() -> None:
    ground = boxes([(2_000_000 - 5_000, 2_000_000 - 5_000)], side=10_000, epsg=32661)
    inner = boxes([(2_000_000 - 100, 2_000_000 - 100)], side=200, epsg=32661)
    both = Footprints(np.concatenate([ground.geometry, inner.geometry]), np.array([32661, 32661]))
    assert footprints.close_pairs(both, 0)["overlap_m2"].tolist() == [200 * 200]


def test_a_pair_on_the_date_line_near_a_pole_is_found_once() -> None:
    x, y = Transformer.from_crs(4326, 32660, always_xy=True).transform(180, 83.995)
    ground = boxes([(x - 1_000, y - 1_100), (x - 1_000, y - 100)], side=1_000, epsg=32660)
    assert footprints.close_pairs(ground, 10)["distance_m"].tolist() == [0]


def test_a_gap_is_a_gap_of_its_crs_even_where_that_shortens_the_ground() -> None:
    ground = boxes([(0, 0), (2_990, 0)], side=2_000, epsg=6933)  # a metre of EPSG:6933 is 1.155 m of the equator
    assert footprints.close_pairs(ground, 1_000)["distance_m"].tolist() == [990]


def test_a_window_has_the_footprint_that_its_id_says() -> None:
    ground = footprints.window_footprints(["32722_16640_943360_128", "32721_0_100_48"])
    assert [shape.bounds for shape in ground.geometry] == [(166_400, 9_432_320, 167_680, 9_433_600), (0, 520, 480, 1_000)]
    assert ground.epsg.tolist() == [32722, 32721]


def test_ids_that_are_not_of_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="are no window ids"):
        footprints.bounds_of(["32722_0_1280_128", "patch-7"])


def test_distances_of_centres_hold_across_zones() -> None:
    ground = random_ground(2)
    centres, degrees = footprints.centres_m(ground), footprints.centres_deg(ground)
    arc_m = Geod(ellps="WGS84").inv(*np.repeat(degrees[:1], 59, axis=0).T, *degrees[1:].T)[2]
    np.testing.assert_allclose(np.linalg.norm(centres[1:] - centres[0], axis=1), arc_m, rtol=1e-6)


def test_the_nearest_of_two_sides_is_that_of_all_their_pairs() -> None:
    for seed in range(4):
        corners = np.random.default_rng(seed).uniform(0, 200_000, (80, 2)) + np.array([300_000, 9_000_000])
        ground, sides = (
            boxes([tuple(each) for each in corners], side=300 + 4_000 * (seed % 2)),
            np.array(["a", "b", "c", "a"] * 20),
        )
        least = min(ground.geometry[i].distance(ground.geometry[j]) for i in range(80) for j in range(80) if sides[i] != sides[j])
        assert nearest_m(ground, sides) == pytest.approx(least)
    assert nearest_m(ground, ["a"] * 80) is None


def test_the_nearest_of_two_sides_is_found_over_the_border_of_zones() -> None:
    ground = footprints.subset(random_ground(3), np.arange(24))
    sides = np.where(footprints.centres_deg(ground)[:, 1] > -6, "north", "south")
    pairs = footprints.close_pairs(ground, 20_000, sides)
    apart = pairs[pairs["distance_m"] > 0]
    rows = np.unique(apart[["a", "b"]].to_numpy()[apart["distance_m"].argmin()])
    for kept in (np.arange(24), rows):
        few = footprints.subset(ground, kept)
        assert nearest_m(few, sides[kept]) == footprints.close_pairs(few, 20_000, sides[kept])["distance_m"].min()


def test_the_nearest_of_two_sides_that_are_far_apart_takes_no_memory_for_all_their_pairs() -> None:
    rng = np.random.default_rng(2)
    corners = np.column_stack([rng.uniform(0, 100_000, 4_000), rng.uniform(9_000_000, 9_400_000, 4_000)])
    corners[2_000:, 0] += 500_000
    ground, sides = boxes([tuple(each) for each in corners]), np.repeat(["train", "test"], 2_000)
    tracemalloc.start()
    found = nearest_m(ground, sides)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    least = min(shapely.distance(outline, ground.geometry[2_000:]).min() for outline in ground.geometry[:2_000])
    assert found == pytest.approx(least)
    assert peak < 2**23  # 4 million pairs of two whole numbers are 61 MiB


def test_no_rows_have_no_pairs() -> None:
    pairs = footprints.close_pairs(boxes([]), 100)
    assert list(pairs.columns) == list(footprints.PAIR_COLUMNS)
    assert pairs.empty
