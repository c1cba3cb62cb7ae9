"""What the stand-in computes for collections: filters, joins, composites, through the real client."""

from collections.abc import Iterator, Mapping
from typing import Any

import ee
import numpy as np
import pytest
from numpy.typing import ArrayLike

from tests.earth_engine.archive import FakeArchive, FakeImage
from tests.earth_engine.client import earth_engine
from tests.earth_engine.samples import band, grid, image, pixels, shown
from tests.earth_engine.server import serve

DAY_MS = 86_400_000
START_MS = 1_672_531_200_000  # 2023-01-01


def scene(index: str, day: int, values: ArrayLike, valid: ArrayLike | None = None, **properties: Any) -> FakeImage:
    bands = band("b", values, valid=valid), band("c", np.array(values) * 10, valid=valid)
    return image(index, *bands, time_start=START_MS + day * DAY_MS, **properties)


SCENES = [
    scene("b1", 0, [[10, 10, 10, 10]], [[1, 1, 1, 0]], cloud=5.0, tile="22NBF"),
    scene("a2", 10, [[21, 20, 20, 20]], [[1, 1, 0, 0]], cloud=50.0, tile="22NBF"),
    scene("c3", 40, [[36, 31, 30, 30]], [[1, 0, 0, 0]], cloud=95.0, tile="22NCF"),
]
CLOUDS = [
    image("a2", band("probability", [[80, 10, 80, 10]], dtype=np.uint8)),
    image("b1", band("probability", [[10, 10, 80, 10]], dtype=np.uint8)),
]
MIXED = [SCENES[0], image("z", band("b", [[1]]))]
ARCHIVE = FakeArchive({"scenes": SCENES, "clouds": CLOUDS, "mixed": MIXED, "empty": []})


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[None]:
    with serve(ARCHIVE) as running, earth_engine(running.url):
        yield


def indices(collection: ee.ImageCollection) -> list[str]:
    return collection.aggregate_array("system:index").getInfo()


def row(expression: ee.Image, name: str = "b") -> list[float]:
    """A band on the four pixels, -1 where masked."""
    return shown(expression.select(name), 4)[0]


# Filters


def test_images_come_in_the_order_of_their_indices() -> None:
    assert indices(ee.ImageCollection("scenes")) == ["a2", "b1", "c3"]


FILTERS: Mapping[str, Any] = {
    "date": (lambda: ee.Filter.date("2023-01-01", "2023-01-11"), ["b1"]),
    "date with its start, without its end": (lambda: ee.Filter.date("2023-01-11", "2023-02-10"), ["a2"]),
    "one property": (lambda: ee.Filter.lt("cloud", 50), ["b1"]),
    "lte": (lambda: ee.Filter.lte("cloud", 50), ["a2", "b1"]),
    "gt": (lambda: ee.Filter.gt("cloud", 50), ["c3"]),
    "gte": (lambda: ee.Filter.gte("cloud", 50), ["a2", "c3"]),
    "eq": (lambda: ee.Filter.eq("tile", "22NCF"), ["c3"]),
    "neq": (lambda: ee.Filter.neq("tile", "22NCF"), ["a2", "b1"]),
    "in list": (lambda: ee.Filter.inList("system:index", ["c3", "b1", "zz"]), ["b1", "c3"]),
    "and": (lambda: ee.Filter.And(ee.Filter.eq("tile", "22NBF"), ee.Filter.gt("cloud", 10)), ["a2"]),
    "or": (lambda: ee.Filter.Or(ee.Filter.eq("tile", "22NCF"), ee.Filter.lt("cloud", 10)), ["b1", "c3"]),
    "not": (lambda: ee.Filter.eq("tile", "22NCF").Not(), ["a2", "b1"]),
    "month": (lambda: ee.Filter.calendarRange(2, 2, "month"), ["c3"]),
    "text": (lambda: ee.Filter.stringContains("tile", "NC"), ["c3"]),
    "range": (lambda: ee.Filter.rangeContains("cloud", 5, 50), ["a2", "b1"]),
    "absent property": (lambda: ee.Filter.lt("missing", 1), []),
    "absent property, negated": (lambda: ee.Filter.gte("missing", 1), []),
    "number against text": (lambda: ee.Filter.lt("tile", 3), []),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_what_it_says(name: str) -> None:
    made, expected = FILTERS[name]
    assert indices(ee.ImageCollection("scenes").filter(made())) == expected


def test_bounds_keep_images_whose_footprint_meets_them() -> None:
    middle = SCENES[0].footprint.centroid
    scenes = ee.ImageCollection("scenes")
    assert indices(scenes.filterBounds(ee.Geometry.Point([middle.x, middle.y]))) == ["a2", "b1", "c3"]
    assert indices(scenes.filterBounds(ee.Geometry.Rectangle([0, 10, 1, 11]))) == []


def test_sorting_limiting_and_merging() -> None:
    scenes = ee.ImageCollection("scenes")
    assert indices(scenes.sort("cloud", False)) == ["c3", "a2", "b1"]
    assert indices(scenes.sort("system:time_start").limit(2)) == ["b1", "a2"]
    assert indices(scenes.limit(1).merge(ee.ImageCollection("clouds"))) == ["1_a2", "2_a2", "2_b1"]
    assert scenes.toList(2, 1).size().getInfo() == 2


def test_columns_come_together_in_one_answer() -> None:
    scenes = ee.ImageCollection("scenes")
    assert scenes.reduceColumns(ee.Reducer.toList(2), ["system:index", "cloud"]).getInfo() == {
        "list": [["a2", 50], ["b1", 5], ["c3", 95]]
    }


# Maps and joins


def test_a_mapped_image_keeps_its_index() -> None:
    doubled = ee.ImageCollection("scenes").map(lambda one: one.multiply(2))
    assert indices(doubled) == ["a2", "b1", "c3"]
    assert row(doubled.mosaic()) == [72, 20, 20, -1]


def test_a_map_within_a_map_sees_both_arguments() -> None:
    scenes = ee.ImageCollection("scenes").limit(2)
    sums = scenes.map(lambda one: scenes.map(lambda other: other.add(one)).sum())
    assert row(sums.filter(ee.Filter.eq("system:index", "b1")).mosaic()) == [31 + 20, 30 + 20, 20, -1]


def test_images_without_a_match_are_dropped_and_the_match_becomes_a_property() -> None:
    same = ee.Filter.equals(leftField="system:index", rightField="system:index")
    pairs = ee.ImageCollection(
        ee.Join.saveFirst("cloud_mask").apply(ee.ImageCollection("scenes"), ee.ImageCollection("clouds"), same)
    )
    assert indices(pairs) == ["a2", "b1"]
    clear = pairs.map(lambda one: one.updateMask(ee.Image(one.get("cloud_mask")).lt(40)))
    assert row(clear.median()) == [10, 15, -1, -1]


def test_joins_that_keep_pairs_matches_or_what_has_none() -> None:
    same = ee.Filter.equals(leftField="system:index", rightField="system:index")
    scenes, clouds = ee.ImageCollection("scenes"), ee.ImageCollection("clouds")
    assert indices(ee.Join.simple().apply(scenes, clouds, same)) == ["a2", "b1"]
    assert indices(ee.Join.inverted().apply(scenes, clouds, same)) == ["c3"]
    pairs = ee.Join.inner().apply(scenes, clouds, same)
    merged = pairs.map(lambda pair: ee.Image.cat(pair.get("primary"), pair.get("secondary")))
    assert row(ee.ImageCollection(merged).mosaic(), "probability") == [10, 10, 80, 10]


# Composites


def test_the_median_is_the_middle_value_or_the_mean_of_two_in_doubles() -> None:
    found = ee.ImageCollection("scenes").median()
    assert row(found) == [21, 15, 10, -1]
    assert row(found, "c") == [210, 150, 100, -1]
    assert found.getInfo()["bands"][0]["data_type"]["precision"] == "double"


def test_the_last_valid_image_is_on_top_of_a_mosaic() -> None:
    assert row(ee.ImageCollection("scenes").mosaic()) == [36, 10, 10, -1]
    assert row(ee.ImageCollection("scenes").sort("system:time_start", False).mosaic()) == [10, 10, 10, -1]


def test_counts_are_0_where_nothing_is_valid_and_masked_outside_all_footprints() -> None:
    counts = ee.ImageCollection("scenes").count()
    assert row(counts) == [3, 2, 1, 0]
    outside = pixels(counts.mask(), grid(6, 1))
    assert outside["b"].tolist() == [[1, 1, 1, 1, 0, 0]]


REDUCERS: Mapping[str, Any] = {
    "mean": ("mean", "b_mean", [(10 + 21 + 36) / 3, 15, 10, -1]),
    "sum": ("sum", "b_sum", [67, 30, 10, -1]),
    "min": ("min", "b_min", [10, 10, 10, -1]),
    "max": ("max", "b_max", [36, 20, 10, -1]),
    "first": ("first", "b_first", [21, 20, 10, -1]),
    "last": ("last", "b_last", [36, 10, 10, -1]),
    "percentile": (lambda: ee.Reducer.percentile([0, 25, 100]), "b_p25", [15.5, 12.5, 10, -1]),
    "outputs": (lambda: ee.Reducer.median().setOutputs(["mid"]), "b_mid", [21, 15, 10, -1]),
    "combined": (lambda: ee.Reducer.median().combine(ee.Reducer.count(), "", True), "c_count", [3, 2, 1, -1]),
}


@pytest.mark.parametrize("name", REDUCERS)
def test_a_reducer_names_its_bands_after_the_input_and_the_output(name: str) -> None:
    made, band_name, expected = REDUCERS[name]
    reducer = getattr(ee.Reducer, made)() if isinstance(made, str) else made()
    assert row(ee.ImageCollection("scenes").reduce(reducer), band_name) == pytest.approx(expected)


def test_a_reducer_of_several_bands_takes_the_others_along() -> None:
    found = ee.ImageCollection("scenes").reduce(ee.Reducer.min(2).setOutputs(["b", "c"]))
    assert (row(found), row(found, "c")) == ([10, 10, 10, -1], [100, 100, 100, -1])
    with pytest.raises(ee.EEException, match=r"the reducer takes 3 inputs, but images have 2 bands"):
        row(ee.ImageCollection("scenes").reduce(ee.Reducer.min(3)), "min")


def test_the_bands_of_an_image_are_reduced_to_one() -> None:
    assert row(ee.ImageCollection("scenes").first().reduce(ee.Reducer.max()), "max") == [210, 200, -1, -1]


def test_a_collection_becomes_bands_named_by_its_images() -> None:
    assert ee.ImageCollection("scenes").select("b").toBands().bandNames().getInfo() == ["a2_b", "b1_b", "c3_b"]


def test_images_with_other_bands_cannot_be_mosaicked() -> None:
    with pytest.raises(ee.EEException, match=r"Expected a homogeneous image collection, but an image with incompatible bands"):
        row(ee.ImageCollection("mixed").mosaic())


def test_an_empty_collection_has_no_bands() -> None:
    empty = ee.ImageCollection("empty")
    assert (empty.size().getInfo(), empty.median().bandNames().getInfo()) == (0, [])
    with pytest.raises(ee.EEException, match=r"Band pattern 'b' did not match any bands. Available bands: \[\]"):
        pixels(empty.median().select("b"), grid(1, 1))
    with pytest.raises(ee.EEException, match=r"Image has no bands"):
        pixels(empty.median(), grid(1, 1))


def test_a_composite_of_images_made_on_the_fly() -> None:
    made = ee.ImageCollection([ee.Image(1), ee.Image(4), ee.Image(10)])
    assert row(made.median(), "constant") == [4, 4, 4, 4]
