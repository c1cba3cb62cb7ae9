"""What the stand-in computes for images, through the real client, with known answers."""

import itertools
from collections.abc import Iterator
from typing import Any

import ee
import numpy as np
import pytest
from numpy.typing import ArrayLike
from shapely.geometry import box

from tests.earth_engine.archive import FakeArchive, FakeImage
from tests.earth_engine.client import earth_engine
from tests.earth_engine.samples import CRS, LEFT_M, TOP_M, band, extent, grid, image, pixels, shown
from tests.earth_engine.server import serve

IMAGES: dict[str, FakeImage] = {}
_NUMBERS = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with serve(FakeArchive(images=IMAGES)) as running, earth_engine(running.url):
        yield


def stored(values: ArrayLike, *, footprint: Any = None, **settings: Any) -> ee.Image:
    """A stored image of one band `b`."""
    name = f"tests/{next(_NUMBERS)}"
    IMAGES[name] = image(name, band("b", values, **settings), footprint=footprint)
    return ee.Image(name)


# Grids and projections


def test_pixels_outside_an_image_are_masked() -> None:
    assert shown(stored([[5, 6]]), 4, left_m=LEFT_M - 10) == [[-1, 5, 6, -1]]


def test_a_finer_grid_repeats_the_pixel_under_its_centres() -> None:
    assert shown(stored([[1, 2]], pixel_m=30), 6, 1, pixel_m=10) == [[1, 1, 1, 2, 2, 2]]


def test_a_shifted_grid_takes_the_pixel_under_its_centres() -> None:
    assert shown(stored([[1, 2, 3]]), 2, left_m=LEFT_M + 6) == [[2, 3]]


def test_another_crs_takes_the_pixel_under_its_centres() -> None:
    middle = extent(band("b", [[1, 2]])).centroid
    degree = 10 / 111_320
    affine = {"scaleX": degree, "translateX": middle.x - degree, "scaleY": -degree, "translateY": middle.y + degree / 2}
    on = {"crsCode": "EPSG:4326", "affineTransform": affine, "dimensions": {"width": 2, "height": 1}}
    assert pixels(stored([[1, 2]]), on)["b"].tolist() == [[1, 2]]


def test_a_grid_of_twice_the_pixel_is_refused_as_it_would_be_read_from_a_pyramid() -> None:
    with pytest.raises(ee.EEException, match=r"Band b was asked for at 2 times the size of its pixels"):
        shown(stored(np.ones((4, 4))), 2, pixel_m=20)


def test_a_function_is_computed_on_the_pixels_of_a_reprojection() -> None:
    coarse = stored([[1, 2, 3, 4]], pixel_m=20)
    moved = coarse.focalMax(kernel=ee.Kernel.square(1)).reproject(CRS, [20, 0, LEFT_M, 0, -20, TOP_M])
    assert shown(coarse.focalMax(kernel=ee.Kernel.square(1)), 8) == [[1, 2, 2, 3, 3, 4, 4, 4]]  # a pixel of 10 m further
    assert shown(moved, 8) == [[2, 2, 3, 3, 4, 4, 4, 4]]  # a pixel of 20 m further


def test_a_reprojection_is_read_nearest_neighbour() -> None:
    coarse = stored([[10, 20, 30]]).reproject(CRS, [15, 0, LEFT_M - 1, 0, -15, TOP_M + 1])
    assert shown(coarse, 3) == [[10, 30, 30]]  # centres of its pixels lie at 6.5 and 21.5 m; those asked for at 5, 15, 25 m


def test_a_reprojection_by_scale_keeps_the_projections_origin() -> None:
    fine = stored([[1, 2, 3]]).reproject(ee.Projection(CRS, [10, 0, LEFT_M, 0, -10, TOP_M]), None, 5)
    assert shown(fine, 6, pixel_m=5) == [[1, 1, 2, 2, 3, 3]]


def test_bilinear_lies_between_the_centres_of_pixels() -> None:
    assert shown(stored([[0, 100, 200]] * 3, pixel_m=20).resample("bilinear"), 4, 2, left_m=LEFT_M + 10, top_m=TOP_M - 10) == [
        [25, 75, 125, 175],
        [25, 75, 125, 175],
    ]


def test_bilinear_is_masked_where_a_contributing_pixel_is() -> None:
    coarse = stored([[0, 100, 200, 300]] * 3, pixel_m=20, valid=[[1, 1, 1, 0]] * 3).resample("bilinear")
    assert shown(coarse, 8, 1, top_m=TOP_M - 20) == [[-1, 25, 75, 125, 175, -1, -1, -1]]


def test_bilinear_changes_nothing_on_the_images_own_pixels() -> None:
    assert shown(stored([[7, 9, 4]]).resample(), 2, left_m=LEFT_M + 10) == [[9, 4]]


def test_a_composite_cannot_be_resampled() -> None:
    with pytest.raises(ee.EEException, match=r"a composite has no meaningful default projection"):
        shown(ee.ImageCollection([stored([[1]])]).median().resample("bilinear"), 1)


def test_the_default_projection_is_that_of_the_band() -> None:
    assert stored([[1]], pixel_m=20).projection().getInfo() == {
        "type": "Projection",
        "crs": CRS,
        "transform": [20, 0, LEFT_M, 0, -20, TOP_M],
    }
    assert stored([[1]], pixel_m=20).projection().nominalScale().getInfo() == 20
    assert ee.Image(1).projection().crs().getInfo() == "EPSG:4326"


# Masks


def test_arithmetic_is_masked_where_either_side_is() -> None:
    left, right = stored([[1, 2, 3]], valid=[[1, 0, 1]]), stored([[10, 20, 30]], valid=[[1, 1, 0]])
    assert shown(left.add(right), 3) == [[11, -1, -1]]
    assert shown(left.lt(right), 3) == [[1, -1, -1]]
    assert shown(left.Or(right), 3) == [[1, -1, -1]]


def test_a_mask_updated_never_shows_what_was_masked() -> None:
    masked = stored([[1, 2, 3]], valid=[[1, 0, 1]])
    assert shown(masked.updateMask(stored([[1, 1, 0]])), 3) == [[1, -1, -1]]
    assert shown(masked.updateMask(stored([[9, 9, 9]], valid=[[0, 1, 1]])), 3) == [[-1, -1, 3]]


def test_a_mask_between_0_and_1_is_refused() -> None:
    with pytest.raises(ee.EEException, match=r"the mask of band b has values between 0 and 1"):
        shown(stored([[1]]).updateMask(stored([[0.4]], dtype=np.float32)), 1)


def test_self_mask_hides_zeros_and_mask_shows_the_mask() -> None:
    zero = stored([[0, 2]], valid=[[1, 0]])
    assert shown(stored([[0, 5]]).selfMask(), 2) == [[-1, 5]]
    assert shown(zero.mask(), 2) == [[1, 0]]


def test_unmask_stays_within_the_footprint_unless_told_otherwise() -> None:
    two = stored([[7, 8]], valid=[[0, 1]])
    assert shown(two.unmask(5), 3) == [[5, 8, -1]]
    assert shown(two.unmask(5, False), 3) == [[5, 8, 5]]
    assert shown(two.unmask(), 3) == [[0, 8, -1]]


def test_unmask_with_an_image_takes_its_mask_too() -> None:
    other = stored([[50, 60, 70]], valid=[[1, 0, 1]])
    assert shown(stored([[1, 2, 3]], valid=[[0, 0, 1]]).unmask(other), 3) == [[50, -1, 3]]


def test_where_replaces_only_valid_pixels_by_valid_values() -> None:
    old = stored([[1, 2, 3, 4]], valid=[[1, 0, 1, 1]])
    test, value = stored([[1, 1, 0, 1]]), stored([[10, 20, 30, 40]], valid=[[1, 1, 1, 0]])
    assert shown(old.where(test, value), 4) == [[10, -1, 3, 4]]


def test_clip_masks_pixels_whose_centre_is_outside() -> None:
    west, south, _, north = extent(band("b", [[1, 2]])).bounds
    left = ee.Geometry.Rectangle([west - 1e-6, south - 1e-6, west + 12 / 111_320, north + 1e-6])
    assert shown(stored([[1, 2]]).clip(left), 2) == [[1, -1]]


def test_masked_pixels_come_back_as_0() -> None:
    assert pixels(stored([[9, 9]], valid=[[0, 1]]), grid(2, 1))["b"].tolist() == [[0, 9]]


# Arithmetic and types


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("add", 10),
        ("subtract", -4),
        ("multiply", 21),
        ("divide", 3 / 7),
        ("max", 7),
        ("min", 3),
        ("eq", 0),
        ("neq", 1),
        ("lt", 1),
        ("lte", 1),
        ("gt", 0),
        ("gte", 0),
        ("And", 1),
        ("Or", 1),
        ("bitwiseAnd", 3),
        ("bitwiseOr", 7),
    ],
)
def test_functions_of_two_images(function: str, expected: float) -> None:
    found = getattr(stored([[3]]), function)(stored([[7]]))
    assert pixels(found, grid(1, 1))["b"].tolist() == [[expected]]


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        ("abs", -1.5, 1.5),
        ("floor", -1.5, -2),
        ("ceil", 1.2, 2),
        ("round", 10.5, 11),
        ("round", 10.4, 10),
        ("round", 11.5, 12),
        ("Not", 2, 0),
    ],
)
def test_functions_of_one_image(function: str, value: float, expected: float) -> None:
    assert pixels(getattr(stored([[value]], dtype=np.float64), function)(), grid(1, 1))["b"].tolist() == [[expected]]


def test_division_by_zero_is_zero() -> None:
    assert pixels(stored([[4, 0]]).divide(stored([[0, 0]])), grid(2, 1))["b"].tolist() == [[0, 0]]


def test_bits_are_read_by_shifting_and_masking() -> None:
    assert pixels(stored([[0b1010]]).rightShift(1).bitwiseAnd(3), grid(1, 1))["b"].tolist() == [[0b01]]
    with pytest.raises(ee.EEException, match=r"Bitwise operands must be integer only"):
        pixels(stored([[1.5]], dtype=np.float32).bitwiseAnd(1), grid(1, 1))


def test_values_are_clamped_and_scaled() -> None:
    assert pixels(stored([[1, 5, 9]]).clamp(2, 6), grid(3, 1))["b"].tolist() == [[2, 5, 6]]
    assert pixels(stored([[0, 50, 200]]).unitScale(0, 100), grid(3, 1))["b"].tolist() == [[0, 0.5, 2]]


def test_casts_clamp_to_the_range_of_the_type() -> None:
    found = pixels(stored([[-5, 300, 7]], dtype=np.int32).toUint8(), grid(3, 1))["b"]
    assert (found.tolist(), found.dtype) == ([[0, 255, 7]], np.dtype(np.uint8))


def test_a_cast_of_fractions_to_a_whole_type_is_refused_and_of_masked_ones_not() -> None:
    with pytest.raises(
        ee.EEException, match=r"Band b has fractions \(or NaN\) where it is cast to uint16.*call round\(\) or floor\(\) first"
    ):
        pixels(stored([[1.5]], dtype=np.float64).toUint16(), grid(1, 1))
    hidden = stored([[1.5, 2]], dtype=np.float64, valid=[[0, 1]])
    assert pixels(hidden.toUint16(), grid(2, 1))["b"].tolist() == [[0, 2]]


@pytest.mark.parametrize(
    ("function", "dtype"),
    [
        ("toByte", "u1"),
        ("toUint16", "<u2"),
        ("toInt16", "<i2"),
        ("toInt32", "<i4"),
        ("toInt", "<i4"),
        ("toFloat", "<f4"),
        ("toDouble", "<f8"),
    ],
)
def test_a_cast_is_the_type_on_the_wire(function: str, dtype: str) -> None:
    assert pixels(getattr(stored([[1]]), function)(), grid(1, 1))["b"].dtype == np.dtype(dtype)


def test_one_band_is_used_against_all_and_equal_numbers_of_bands_by_name_or_in_order() -> None:
    pair = stored([[1]]).addBands(stored([[2]]).rename("c"))
    swapped = stored([[20]]).rename("c").addBands(stored([[10]]))
    others = stored([[100]]).rename("x").addBands(stored([[200]]).rename("y"))
    assert pixels(ee.Image(1).add(pair), grid(1, 1)).tolist() == [[(2, 3)]]
    assert pixels(pair.add(swapped), grid(1, 1)).tolist() == [[(11, 22)]]
    found = pixels(pair.add(others), grid(1, 1))
    assert (found.tolist(), found.dtype.names) == ([[(101, 202)]], ("b", "c"))
    with pytest.raises(ee.EEException, match=r"images have 2 and 3 bands"):
        pixels(pair.add(pair.addBands(pair.select(0).rename("z"))), grid(1, 1))


# Bands and metadata


def test_bands_are_selected_by_name_index_and_expression() -> None:
    three = ee.Image([1, 2, 3]).rename(["B2", "B11", "SCL"])
    for selector, names in ((["B11", "B2"], ("B11", "B2")), (["B.*"], ("B2", "B11")), ([2], ("SCL",))):
        assert pixels(three.select(selector), grid(1, 1)).dtype.names == names
    assert pixels(three.select(["SCL"], ["classes"]), grid(1, 1)).dtype.names == ("classes",)
    with pytest.raises(ee.EEException, match=r"The number of names \(1\) must match the number of bands \(3\)"):
        pixels(three.rename(["a"]), grid(1, 1))


def test_an_added_band_of_a_taken_name_gets_a_number_or_replaces() -> None:
    assert pixels(stored([[1]]).addBands(stored([[2]])), grid(1, 1)).dtype.names == ("b", "b_1")
    found = pixels(stored([[1]]).addBands(stored([[2]]), None, True), grid(1, 1))
    assert (found.dtype.names, found.tolist()) == (("b",), [[(2,)]])


def test_metadata_is_kept_by_masks_and_bands_and_lost_by_arithmetic() -> None:
    one = stored([[1]]).set("cloud", 12)
    assert one.updateMask(1).select([0]).unmask().get("cloud").getInfo() == 12
    assert one.add(1).get("cloud").getInfo() is None
    assert one.add(1).copyProperties(one, ["cloud"]).get("cloud").getInfo() == 12
    assert pixels(one.metadata("cloud"), grid(1, 1))["cloud"].tolist() == [[12.0]]


def test_copied_properties_are_not_those_of_the_system() -> None:
    one = stored([[1]]).set({"cloud": 12, "system:time_start": 5})
    copied = ee.Image(ee.Image(0).copyProperties(one))
    assert (copied.get("cloud").getInfo(), copied.get("system:time_start").getInfo()) == (12, None)


# Neighbours


def test_a_circle_of_a_radius_holds_the_pixels_no_farther_than_it() -> None:
    point = np.zeros((7, 7), np.uint16)
    point[3, 3] = 1
    found = pixels(stored(point).focalMax(2), grid(7, 7))["b"]
    y, x = np.mgrid[-3:4, -3:4]
    assert np.array_equal(found, (x * x + y * y <= 4).astype(np.uint16))


def test_neighbours_outside_the_requested_grid_count() -> None:
    assert shown(stored([[9, 0, 0, 0]]).focalMax(1), 2, left_m=LEFT_M + 10) == [[9, 0]]


def test_masked_neighbours_are_passed_over_and_masked_pixels_stay_masked() -> None:
    row = stored([[9, 1, 2, 3]], valid=[[0, 1, 1, 1]])
    assert shown(row.focalMax(1), 4) == [[-1, 2, 3, 3]]
    assert shown(row.focalMin(1), 4) == [[-1, 1, 1, 2]]
    assert shown(row.reduceNeighborhood(ee.Reducer.max(), ee.Kernel.circle(1), None, False), 4) == [[1, 2, 3, 3]]


def test_opening_drops_a_speck_and_keeps_a_block() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[1, 1] = 1
    mask[4:7, 4:7] = 1
    opened = pixels(stored(mask, dtype=np.uint8).focalMin(1, "square").focalMax(1, "square"), grid(9, 9))["b"]
    mask[1, 1] = 0
    assert np.array_equal(opened, mask)


def test_iterations_apply_a_kernel_over_and_over() -> None:
    assert shown(stored([[9, 0, 0, 0, 0]]).focalMax(1, iterations=3), 5) == [[9, 9, 9, 9, 0]]


def test_a_radius_in_metres_depends_on_the_grid() -> None:
    row = stored([[9, 0, 0, 0]], pixel_m=20)
    assert shown(row.focalMax(20, units="meters"), 8) == [[9, 9, 9, 9, 0, 0, 0, 0]]


def test_a_fixed_kernel_counts_from_its_focus() -> None:
    right = ee.Kernel.fixed(3, 1, [[0, 0, 1]])
    assert shown(stored([[1, 2, 3]]).reduceNeighborhood(ee.Reducer.max(), right), 3) == [[2, 3, -1]]
    from_left = ee.Kernel.fixed(3, 1, [[1, 1, 1]], 0, 0)
    assert shown(stored([[1, 2, 3]]).reduceNeighborhood(ee.Reducer.min(), from_left), 3) == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("reducer", "expected"), [("mean", 2.0), ("median", 2.0), ("count", 3), ("sum", 6.0), ("min", 1), ("anyNonZero", 1)]
)
def test_neighbours_are_reduced_by_name(reducer: str, expected: float) -> None:
    kernel = ee.Kernel.fixed(3, 1, [[1, 1, 1]])
    found = pixels(stored([[1, 2, 3]]).reduceNeighborhood(getattr(ee.Reducer, reducer)(), kernel), grid(1, 1, left_m=LEFT_M + 10))
    assert (found.dtype.names, found.tolist()) == ((f"b_{'any' if reducer == 'anyNonZero' else reducer}",), [[(expected,)]])


def test_a_normalised_kernel_averages_by_convolution() -> None:
    row = stored([[0, 9, 0, 0, 0]] * 3, valid=[[1, 1, 1, 1, 0]] * 3)
    assert shown(row.convolve(ee.Kernel.square(1)), 5, 1, top_m=TOP_M - 10) == [[-1, 3, 3, -1, -1]]
    with pytest.raises(ee.EEException, match=r"whether Earth Engine turns the kernel is not documented"):
        shown(row.convolve(ee.Kernel.fixed(3, 1, [[0, 0, 1]])), 1)


def test_a_large_kernel_is_computed_slab_by_slab_with_the_same_answer() -> None:
    noise = np.random.default_rng(5).integers(0, 2, (150, 150)).astype(np.uint16)
    found = pixels(stored(noise).focalMax(9), grid(150, 150))["b"]
    y, x = np.mgrid[-9:10, -9:10]
    padded = np.pad(noise, 9)
    windows = [
        padded[9 + dy : 159 + dy, 9 + dx : 159 + dx]
        for dy, dx in zip(y[x * x + y * y <= 81], x[x * x + y * y <= 81], strict=True)
    ]
    assert np.array_equal(found, np.max(windows, axis=0))


def test_a_translation_moves_pixels_east_and_north_by_metres_or_along_the_axes_of_pixels() -> None:
    cross = stored([[0, 0, 0], [0, 7, 0], [0, 0, 0]])
    assert shown(cross.translate(10, 0), 3, 3) == [[-1, 0, 0], [-1, 0, 7], [-1, 0, 0]]
    assert shown(cross.translate(0, 10), 3, 3) == [[0, 7, 0], [0, 0, 0], [-1, -1, -1]]
    assert shown(cross.translate(0, 1, "pixels"), 3, 3) == [[-1, -1, -1], [0, 0, 0], [0, 7, 0]]


def test_a_changed_projection_moves_pixels_to_the_same_coordinates_in_the_other() -> None:
    here, east = (ee.Projection(CRS, [10, 0, LEFT_M + shift, 0, -10, TOP_M]) for shift in (0, 20))
    assert shown(stored([[1, 2, 3]]).changeProj(here, east), 5) == [[-1, -1, 1, 2, 3]]
    twice = ee.Projection(CRS, [20, 0, LEFT_M, 0, -20, TOP_M])
    assert shown(stored([[1, 2, 3]]).changeProj(here, twice), 6) == [[1, 1, 2, 2, 3, 3]]
    assert stored([[1]]).changeProj(here, twice).projection().getInfo()["transform"] == [20, 0, LEFT_M, 0, -20, TOP_M]


# The footprint of what is far away


def test_an_image_without_footprint_there_stays_masked() -> None:
    far = stored([[1]], footprint=box(0, 0, 1, 1))
    assert shown(far.unmask(3), 2) == [[1, -1]]
