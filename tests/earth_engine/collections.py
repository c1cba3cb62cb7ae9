"""Collections: order, columns, and composites of their images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tests.earth_engine.bands import Band, Pixels
from tests.earth_engine.elements import (
    INDEX,
    Collection,
    Element,
    Feature,
    Image,
    mapped,
    property_of,
    to_image,
    union,
    with_properties,
)
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Grid, inside
from tests.earth_engine.images import add_bands
from tests.earth_engine.reducers import FUNCTIONS as REDUCERS
from tests.earth_engine.reducers import Reducer


def from_images(images: Sequence[Any]) -> Collection:
    """`ImageCollection.fromImages`: images without an index are numbered."""
    elements = [to_image(image) for image in images]
    named = [with_properties(one, {INDEX: one.properties.get(INDEX, str(i))}) for i, one in enumerate(elements)]
    return Collection(tuple(named))


def limit(collection: Collection, limit: float | None = None, key: str | None = None, ascending: bool = True) -> Collection:
    """`Collection.limit`, which is also what `sort` compiles to; the order of equals is kept."""
    elements = list(collection.elements)
    if key is not None:
        present = [element for element in elements if property_of(element, key) is not None]
        elements = sorted(present, key=lambda element: property_of(element, key), reverse=not ascending)
    return Collection(tuple(elements if limit is None else elements[: int(limit)]), collection.asset_id)


def merge(collection1: Collection, collection2: Collection) -> Collection:
    """`Collection.merge`: indices get the prefixes `1_` and `2_`."""
    sides = (("1_", collection1), ("2_", collection2))
    return Collection(
        tuple(
            with_properties(one, {INDEX: f"{prefix}{one.properties.get(INDEX)}"})
            for prefix, side in sides
            for one in side.elements
        )
    )


def first(collection: Collection) -> Element | None:
    """`Collection.first`; nothing for an empty collection."""
    return collection.elements[0] if collection.elements else None


def to_list(collection: Collection, count: float, offset: float = 0) -> list[Element]:
    """`Collection.toList`."""
    return list(collection.elements[int(offset) : int(offset) + int(count)])


def column(collection: Collection, property: str) -> list[Any]:
    """`AggregateFeatureCollection.array`: values of a property; elements without it are passed over."""
    values = [property_of(element, property) for element in collection.elements]
    return [value for value in values if value is not None]


def reduce_columns(
    collection: Collection, reducer: Reducer, selectors: Sequence[str], weight_selectors: Any = None
) -> dict[str, Any]:
    """`Collection.reduceColumns` with `Reducer.toList`: rows without one of the properties are passed over."""
    if not reducer.keeps_names or weight_selectors is not None or reducer.num_inputs != len(selectors):
        raise RefusedError(
            "Collection.reduceColumns: only Reducer.toList of as many inputs as selectors is known to this stand-in."
        )
    rows = [[property_of(element, name) for name in selectors] for element in collection.elements]
    whole = [row for row in rows if None not in row]
    return {"list": whole if reducer.num_inputs > 1 else [row[0] for row in whole]}


def _alike(name: str, collection: Collection) -> list[Image]:
    """Its images, which must have the same bands."""
    images = collection.images
    for image in images:
        if image.names != images[0].names:
            raise RefusedError(
                f"{name}: Expected a homogeneous image collection, but an image with incompatible bands was encountered. "
                f"First image type: {images[0].names}. Current image type: {image.names}."
            )
    return images


def mosaic(collection: Collection) -> Image:
    """`ImageCollection.mosaic`: at each pixel the last image that is valid there."""
    images = _alike("ImageCollection.mosaic", collection)
    names = images[0].names if images else []
    return Image(tuple(_topmost([image.band(name) for image in images]) for name in names), {}, _footprint(images))


def _topmost(bands: Sequence[Band]) -> Band:
    def compute(grid: Grid) -> Pixels:
        top = bands[0].on(grid)
        for band in bands[1:]:
            values, valid = band.on(grid)
            top = Pixels(np.where(valid, values, top.values), top.valid | valid)
        return top

    return Band(bands[0].name, np.result_type(*(band.dtype for band in bands)), None, compute)


def _footprint(images: Sequence[Image]) -> Any:
    return union([image.footprint for image in images]) if images else None


def reduce_to_image(collection: Collection, reducer: Reducer, parallel_scale: float = 1) -> Image:  # noqa: ARG001
    """`ImageCollection.reduce`: bands `<band>_<output>`, or the outputs' names for a reducer that takes all bands together."""
    images = _alike("ImageCollection.reduce", collection)
    names = images[0].names if images else []
    if not images:
        return Image(())
    if reducer.num_inputs > 1:
        if reducer.num_inputs != len(names):
            raise RefusedError(
                f"ImageCollection.reduce: the reducer takes {reducer.num_inputs} inputs, but images have {len(names)} bands."
            )
        return _reduced(images, reducer, [(names, output, reducer.outputs[output]) for output in range(len(reducer.outputs))])
    outputs = range(len(reducer.outputs))
    return _reduced(
        images, reducer, [([name], output, f"{name}_{reducer.outputs[output]}") for name in names for output in outputs]
    )


def reduce_by_name(name: str) -> Callable[[Collection], Image]:
    """`reduce.median` and its like: bands matched by name, names kept."""

    def apply(collection: Collection) -> Image:
        names = list(dict.fromkeys(name for image in collection.images for name in image.names))
        return _reduced(collection.images, REDUCERS[f"Reducer.{name}"](), [([band], 0, band) for band in names])

    return apply


def _reduced(images: Sequence[Image], reducer: Reducer, outputs: Sequence[tuple[list[str], int, str]]) -> Image:
    """An image of (input bands, number of the output, name of the band made).

    A count on its own is 0 where no image is valid, within their footprints; beside other outputs it is masked there as they are.
    """
    footprint = _footprint(images)

    def made(inputs: list[str], output: int, name: str) -> Band:
        having = [image for image in images if set(inputs) <= set(image.names)]
        bands = [[image.band(one) for image in having] for one in inputs]

        def compute(grid: Grid) -> Pixels:
            pixels = [[band.on(grid) for band in column] for column in bands]
            stacks = [np.stack([one.values for one in column]).astype(np.float64) for column in pixels]
            valid = np.logical_and.reduce([np.stack([one.valid for one in column]) for column in pixels])
            found = reducer.reduce(stacks, valid, np.ones_like(stacks[0]))[output]
            return Pixels(found.values, inside(footprint, grid)) if reducer.counts else found

        dtype = np.result_type(*(band.dtype for band in bands[min(output, len(bands) - 1)]))
        return Band(name, reducer.dtype(dtype), None, compute)

    return Image(tuple(made(*output) for output in outputs), {}, footprint)


def to_bands(collection: Collection) -> Image:
    """`ImageCollection.toBands`: every band of every image, named `<index>_<band>`."""
    images = collection.images
    bands = [band.named(f"{image.properties.get(INDEX)}_{band.name}") for image in images for band in image.bands]
    return Image(tuple(bands), {}, _footprint(images))


def reduce_bands(image: Any, reducer: Reducer) -> Image:
    """`Image.reduce`: over an image's bands, one band an output."""
    old = to_image(image)
    if reducer.num_inputs != 1:
        raise RefusedError("Image.reduce: The reducer must have a single input.")
    stacked = [Image((band.named("band"),), {}, old.footprint) for band in old.bands]
    found = _reduced(stacked, reducer, [(["band"], output, name) for output, name in enumerate(reducer.outputs)])
    return old.stripped().with_bands([replace(band, projection=old.bands[0].projection) for band in found.bands])


def cat(images: Sequence[Any]) -> Image:
    """`Image.cat`."""
    result = to_image(images[0])
    for image in images[1:]:
        result = add_bands(result, image)
    return result


def feature(geometry: Any = None, metadata: Any = None, geometry_key: Any = None) -> Feature:  # noqa: ARG001
    """`Feature`."""
    return Feature(None if geometry is None else geometry.shape, dict(metadata or {}))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ImageCollection.fromImages": from_images,
    "ImageCollection.merge": merge,
    "ImageCollection.mosaic": mosaic,
    "ImageCollection.reduce": reduce_to_image,
    "ImageCollection.toBands": to_bands,
    **{f"reduce.{name}": reduce_by_name(name) for name in ("median", "mean", "count", "sum", "max", "min", "product")},
    "Image.reduce": reduce_bands,
    "Image.cat": cat,
    "Collection": lambda features: Collection(tuple(features)),
    "Collection.map": lambda collection, base_algorithm, drop_nulls=False: mapped(
        collection, base_algorithm, drop_nulls=drop_nulls
    ),
    "Collection.limit": limit,
    "Collection.merge": merge,
    "Collection.first": first,
    "Collection.toList": to_list,
    "Collection.size": lambda collection: len(collection.elements),
    "Collection.reduceColumns": reduce_columns,
    "AggregateFeatureCollection.array": column,
    "AggregateFeatureCollection.count": lambda collection, property: len(column(collection, property)),
    "AggregateFeatureCollection.min": lambda collection, property: min(column(collection, property), default=None),
    "AggregateFeatureCollection.max": lambda collection, property: max(column(collection, property), default=None),
    "Feature": feature,
}
