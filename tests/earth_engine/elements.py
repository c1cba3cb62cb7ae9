"""What a graph computes besides numbers and strings: images, features, collections, and how they are found and joined."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from tests.earth_engine.archive import FakeArchive, FakeImage
from tests.earth_engine.bands import Band, Pixels, band_of
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Grid

INDEX = "system:index"
TIME = "system:time_start"
GEOMETRY_FIELDS = (".all", ".geo")
"""Selectors that mean an element's geometry (`.all` is what `filterBounds` compiles to)."""


@dataclass(frozen=True, eq=False)
class Image:
    """Bands with metadata."""

    bands: tuple[Band, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)
    footprint: BaseGeometry | None = None
    """EPSG:4326; None where it covers everything, as a constant does."""
    asset_id: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of its bands, in order."""
        return [band.name for band in self.bands]

    def band(self, name: str) -> Band:
        """The band of that name."""
        return next(band for band in self.bands if band.name == name)

    def with_bands(self, bands: Sequence[Band]) -> "Image":
        """Other bands, same metadata and footprint."""
        return replace(self, bands=tuple(bands))

    def stripped(self) -> "Image":
        """Without metadata but for its index: results of arithmetic keep none."""
        kept = {key: value for key, value in self.properties.items() if key == INDEX}
        return Image(self.bands, kept, self.footprint)


@dataclass(frozen=True, eq=False)
class Feature:
    """A geometry with properties."""

    geometry: BaseGeometry | None
    properties: Mapping[str, Any] = field(default_factory=dict)


Element = Image | Feature


@dataclass(frozen=True, eq=False)
class Collection:
    """Elements in order."""

    elements: tuple[Element, ...]
    asset_id: str | None = None

    @property
    def images(self) -> list[Image]:
        """Its elements as images."""
        return [to_image(element) for element in self.elements]


@dataclass(frozen=True, eq=False)
class Reference:
    """A geometry on its own, as a value."""

    shape: BaseGeometry


def load_image(archive: FakeArchive, asset_id: str) -> Image:
    """`Image.load`; 400 for an unknown id, as Earth Engine answers a computation that needs it."""
    found = archive.image(asset_id)
    if found is None:
        raise RefusedError(f"Image.load: Image asset '{asset_id}' not found (does not exist or caller does not have access).")
    return _loaded(found, asset_id)


def load_collection(archive: FakeArchive, asset_id: str) -> Collection:
    """`ImageCollection.load`; 400 for an unknown id. Images come in the order of their indices."""
    if asset_id not in archive.collections:
        subject = f"ImageCollection asset '{asset_id}'"
        raise RefusedError(f"ImageCollection.load: {subject} not found (does not exist or caller does not have access).")
    images = sorted(archive.collections[asset_id], key=lambda image: image.index)
    return Collection(tuple(_loaded(image, f"{asset_id}/{image.index}") for image in images), asset_id)


def _loaded(image: FakeImage, asset_id: str) -> Image:
    properties = {**image.properties, INDEX: image.index}
    return Image(tuple(band_of(band) for band in image.bands), properties, image.footprint, asset_id)


def to_image(value: Any) -> Image:
    """An argument where an image is due: numbers become constants, as the server promotes them."""
    if isinstance(value, Image):
        return value
    if isinstance(value, int | float | list | tuple):
        return constant(value)
    raise RefusedError(f"An image is needed here, not {type(value).__name__.lower()} {str(value)[:60]}.")


def constant(value: Any) -> Image:
    """`Image.constant`: the same number everywhere, valid everywhere; a list makes a band of each number."""
    numbers = value if isinstance(value, list | tuple) else [value]
    names = ["constant" if i == 0 else f"constant_{i}" for i in range(len(numbers))]
    return Image(tuple(_constant_band(name, number) for name, number in zip(names, numbers, strict=True)))


def _constant_band(name: str, number: float) -> Band:
    whole = float(number).is_integer()
    dtype = np.min_scalar_type(int(number)) if whole else np.dtype(np.float64)
    return Band(name, dtype, None, lambda grid: Pixels(np.full((1, 1), number), np.ones((grid.height, grid.width), bool)))


def masked_band(name: str, dtype: np.dtype) -> Band:
    """A band without a valid pixel."""

    def nothing(grid: Grid) -> Pixels:
        return Pixels(np.zeros((1, 1)), np.zeros((grid.height, grid.width), bool))

    return Band(name, dtype, None, nothing)


def geometry_of(value: Any) -> BaseGeometry | None:
    """The geometry of a geometry, feature, image or collection; None where unbounded or absent."""
    match value:
        case Reference():
            return value.shape
        case Feature():
            return value.geometry
        case Image():
            return value.footprint
        case Collection():
            return union([geometry_of(element) for element in value.elements])
    raise RefusedError(f"A geometry is needed here, not {type(value).__name__.lower()}.")


def union(geometries: Sequence[BaseGeometry | None]) -> BaseGeometry | None:
    """Union of footprints; None as soon as one is unbounded."""
    bounded = [geometry for geometry in geometries if geometry is not None]
    return shapely.union_all(bounded) if len(bounded) == len(geometries) else None


def property_of(object: Element, property: str) -> Any:
    """`Element.get`: a property or, by a geometry selector, what has the geometry; None where absent."""
    if property in GEOMETRY_FIELDS:
        return object
    if property == "system:id" and isinstance(object, Image):
        return object.asset_id
    return object.properties.get(property)


def with_properties(object: Element, properties: Mapping[str, Any]) -> Element:
    """`Element.setMulti`: the element with some properties set; a None removes."""
    merged = {key: value for key, value in {**object.properties, **properties}.items() if value is not None}
    return replace(object, properties=merged)


def mapped(collection: Collection, algorithm: Callable[[Element], Any], *, drop_nulls: bool) -> Collection:
    """`Collection.map`: results keep the index of what they were made of."""
    made = []
    for element in collection.elements:
        result = algorithm(element)
        if result is None and drop_nulls:
            continue
        if not isinstance(result, Image | Feature):
            raise RefusedError("Collection.map: A mapped algorithm must return a Feature or Image.")
        made.append(with_properties(result, {INDEX: element.properties.get(INDEX)}))
    return Collection(tuple(made))
