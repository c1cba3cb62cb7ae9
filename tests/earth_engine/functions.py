"""The table of known functions: Earth Engine's name -> a function of snake_case arguments."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.earth_engine import collections, filters, images, masks, neighbourhoods, reducers, values
from tests.earth_engine.archive import FakeArchive
from tests.earth_engine.bands import bilinear, moved, reprojected
from tests.earth_engine.elements import (
    INDEX,
    TIME,
    Element,
    Image,
    Reference,
    constant,
    geometry_of,
    load_collection,
    load_image,
    property_of,
    to_image,
    with_properties,
)
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import DEFAULT_PROJECTION, Projection


def reproject(image: Any, crs: Projection, crs_transform: Sequence[float] | None = None, scale: float | None = None) -> Image:
    """`Image.reproject`: everything before it is computed on this projection's pixels."""
    if crs_transform is not None and scale is not None:
        raise RefusedError("Image.reproject: Cannot specify both crsTransform and scale.")
    projection = crs if crs_transform is None else values.projection(crs.crs, crs_transform)
    projection = projection if scale is None else values.at_scale(projection, scale)
    old = to_image(image)
    return old.with_bands([reprojected(band, projection) for band in old.bands])


def resample(image: Any, mode: str = "bilinear") -> Image:
    """`Image.resample`, bilinear only."""
    if mode != "bilinear":
        raise RefusedError(f"Image.resample: mode {mode!r} is not known to this stand-in, only bilinear.")
    old = to_image(image)
    return old.with_bands([bilinear(band) for band in old.bands])


def change_proj(input: Any, src_proj: Projection, dst_proj: Projection) -> Image:
    """`Image.changeProj`: each pixel moves from its place in one projection to the same coordinates in the other."""
    image = to_image(input)
    return image.with_bands([moved(band, src_proj, dst_proj) for band in image.bands])


def default_projection(image: Any) -> Projection:
    """`Image.projection`: refused where bands differ."""
    found = {band.projection or DEFAULT_PROJECTION for band in to_image(image).bands}
    if len(found) != 1:
        raise RefusedError(
            "Image.projection: The bands of the specified image contains different projections. Use select to pick a single band."
        )
    return found.pop()


def copy_properties(
    destination: Element, source: Element, properties: Sequence[str] | None = None, exclude: Sequence[str] = ()
) -> Element:
    """`Element.copyProperties`: those named, or all that are not of the system."""
    names = properties if properties is not None else [name for name in source.properties if not name.startswith("system:")]
    return with_properties(
        destination, {name: source.properties[name] for name in names if name in source.properties and name not in exclude}
    )


def dictionary_of(element: Element, properties: Sequence[str] | None = None) -> dict[str, Any]:
    """`Element.toDictionary`: by default all properties that are not of the system."""
    names = properties if properties is not None else [name for name in element.properties if not name.startswith("system:")]
    return {name: property_of(element, name) for name in names}


def image_date(image: Any) -> values.Date:
    """`Image.date`."""
    when = to_image(image).properties.get(TIME)
    if when is None:
        raise RefusedError(f"Image.date: image {to_image(image).properties.get(INDEX)} has no {TIME}.")
    return values.date(when)


def footprint(feature: Element, max_error: Any = None, proj: Any = None, geodesics: Any = None) -> Reference:  # noqa: ARG001
    """`Element.geometry`, in EPSG:4326; refused for an unbounded image."""
    shape = geometry_of(feature)
    if shape is None:
        raise RefusedError("Element.geometry: the image is unbounded, which this stand-in does not describe.")
    return Reference(shape)


ELEMENTS: Mapping[str, Callable[..., Any]] = {
    "get": property_of,
    "getNumber": property_of,
    "getString": property_of,
    "set": lambda object, key, value=None: with_properties(object, {key: value}),
    "setMulti": with_properties,
    "copyProperties": copy_properties,
    "toDictionary": dictionary_of,
    "propertyNames": lambda element: sorted(element.properties),
    "geometry": footprint,
}

IMAGES: Mapping[str, Callable[..., Any]] = {
    "constant": constant,
    "copyProperties": copy_properties,
    "geometry": ELEMENTS["geometry"],
    "select": images.select,
    "rename": images.rename,
    "addBands": images.add_bands,
    "cast": images.cast_bands,
    "clamp": images.clamp,
    "unitScale": images.unit_scale,
    "metadata": images.metadata,
    "bandNames": lambda image: to_image(image).names,
    "id": lambda element: element.properties.get(INDEX),
    "date": image_date,
    "projection": default_projection,
    "reproject": reproject,
    "changeProj": change_proj,
    "resample": resample,
    "updateMask": masks.update_mask,
    "selfMask": masks.self_mask,
    "mask": masks.mask,
    "unmask": masks.unmask,
    "where": masks.where,
    "clip": masks.clip,
    **{name: images.binary(name) for name in images.BINARY},
    **{name: images.unary(name) for name in images.UNARY},
    **{f"to{name.title()}": lambda value, _type=name: images.cast(value, _type) for name in images.TYPES},
    **{name: lambda value, _type=name: images.cast(value, _type) for name in images.TYPES},
}

ALIASES = {"bitwise_and": "bitwiseAnd", "bitwise_or": "bitwiseOr", "right_shift": "rightShift", "left_shift": "leftShift"}
"""Names with underscores that the client still has."""


def known_functions(archive: FakeArchive) -> dict[str, Callable[..., Any]]:
    """All functions, reading assets from an archive."""
    return {
        **values.FUNCTIONS,
        **filters.FUNCTIONS,
        **reducers.FUNCTIONS,
        **neighbourhoods.FUNCTIONS,
        **collections.FUNCTIONS,
        **{f"Element.{name}": function for name, function in ELEMENTS.items()},
        **{f"Image.{name}": function for name, function in IMAGES.items()},
        **{f"Image.{old}": IMAGES[name] for old, name in ALIASES.items()},
        "Image.load": lambda id, version=None: load_image(archive, id),  # noqa: ARG005
        "ImageCollection.load": lambda id, version=None: load_collection(archive, id),  # noqa: ARG005
    }
