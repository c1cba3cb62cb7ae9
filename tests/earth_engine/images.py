"""Functions on images pixel by pixel: arithmetic, comparison, casts, bands. Descriptions: data/algorithms.json."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.earth_engine.bands import Band, Pixels
from tests.earth_engine.elements import Image, constant, masked_band, to_image
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Grid

BOOLEAN = np.dtype(np.uint8)
DOUBLE = np.dtype(np.float64)
LONG = np.dtype(np.int64)
TYPES = {
    **{"byte": "uint8", "short": "int16", "int": "int32", "long": "int64", "float": "float32", "double": "float64"},
    **{name: name for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")},
}
"""Earth Engine's names of pixel types -> numpy's."""


def _wide(first: np.dtype, second: np.dtype) -> np.dtype:
    """Sums and products: wide enough for any whole number, so that differences of unsigned bands may be negative."""
    return DOUBLE if "f" in (first.kind, second.kind) else LONG


def _boolean(_first: np.dtype, _second: np.dtype) -> np.dtype:
    return BOOLEAN


def _double(_first: np.dtype, _second: np.dtype) -> np.dtype:
    return DOUBLE


def _divided(numerator: NDArray, denominator: NDArray) -> NDArray:
    """Division in double precision, 0 where the denominator is 0."""
    zero = denominator == 0
    return np.where(zero, 0.0, numerator / np.where(zero, 1, denominator))


@dataclass(frozen=True)
class Binary:
    """A function of two bands."""

    compute: Callable[[NDArray, NDArray], NDArray]
    dtype: Callable[[np.dtype, np.dtype], np.dtype]


BINARY: Mapping[str, Binary] = {
    "add": Binary(np.add, _wide),
    "subtract": Binary(np.subtract, _wide),
    "multiply": Binary(np.multiply, _wide),
    "divide": Binary(_divided, _double),
    "max": Binary(np.maximum, np.promote_types),
    "min": Binary(np.minimum, np.promote_types),
    "eq": Binary(np.equal, _boolean),
    "neq": Binary(np.not_equal, _boolean),
    "lt": Binary(np.less, _boolean),
    "lte": Binary(np.less_equal, _boolean),
    "gt": Binary(np.greater, _boolean),
    "gte": Binary(np.greater_equal, _boolean),
    "and": Binary(lambda a, b: (a != 0) & (b != 0), _boolean),
    "or": Binary(lambda a, b: (a != 0) | (b != 0), _boolean),
    "bitwiseAnd": Binary(np.bitwise_and, np.promote_types),
    "bitwiseOr": Binary(np.bitwise_or, np.promote_types),
    "leftShift": Binary(np.left_shift, _wide),
    "rightShift": Binary(np.right_shift, np.promote_types),
}

WHOLE_ONLY = ("bitwiseAnd", "bitwiseOr", "leftShift", "rightShift")

UNARY: Mapping[str, Callable[[NDArray], NDArray]] = {
    "not": lambda a: a == 0,
    "abs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": lambda a: np.floor(a + 0.5),  # halves go up, as the examples of ee.Number.round
    "sqrt": np.sqrt,
}


def _working(values: NDArray) -> NDArray:
    """Whole numbers as int64, fractions as float64: the arithmetic itself never overflows."""
    return values.astype(LONG if values.dtype.kind in "iub" else DOUBLE)


def binary(name: str) -> Callable[[Any, Any], Image]:
    """The function `Image.<name>` of two images; a pixel is masked where either is."""
    function = BINARY[name]

    def apply(image1: Any, image2: Any) -> Image:
        first, second = to_image(image1), to_image(image2)
        if name in WHOLE_ONLY and any(band.dtype.kind == "f" for band in first.bands + second.bands):
            raise RefusedError(f"Image.{name}: Bitwise operands must be integer only.")
        bands = [_combined(function, a, b, label) for a, b, label in _matched(name, first, second)]
        return (second if first.footprint is None else first).stripped().with_bands(bands)

    return apply


def _matched(name: str, first: Image, second: Image) -> list[tuple[Band, Band, str]]:
    """Pairs of bands: one against all, by name where the names are the same, else in order."""
    if not first.bands or not second.bands:
        return []
    if len(first.bands) == 1 or len(second.bands) == 1:
        size = max(len(first.bands), len(second.bands))
        longer = second if len(second.bands) > len(first.bands) else first
        lefts, rights = (image.bands * size if len(image.bands) == 1 else image.bands for image in (first, second))
        return list(zip(lefts[:size], rights[:size], longer.names, strict=True))
    if len(first.bands) != len(second.bands):
        raise RefusedError(
            f"Image.{name}: images have {len(first.bands)} and {len(second.bands)} bands: {first.names}, {second.names}."
        )
    if set(first.names) == set(second.names):
        return [(band, second.band(band.name), band.name) for band in first.bands]
    return [(a, b, a.name) for a, b in zip(first.bands, second.bands, strict=True)]


def _combined(function: Binary, first: Band, second: Band, name: str) -> Band:
    def compute(grid: Grid) -> Pixels:
        a, b = first.on(grid), second.on(grid)
        with np.errstate(all="ignore"):  # values under the mask may be anything
            return Pixels(function.compute(_working(a.values), _working(b.values)), a.valid & b.valid)

    return Band(name, function.dtype(first.dtype, second.dtype), first.projection or second.projection, compute)


def each_band(image: Image, function: Callable[[NDArray], NDArray], dtype: Callable[[np.dtype], np.dtype]) -> Image:
    """A function of values, the mask kept."""

    def applied(band: Band) -> Band:
        def compute(grid: Grid) -> Pixels:
            pixels = band.on(grid)
            with np.errstate(all="ignore"):
                return Pixels(function(_working(pixels.values)), pixels.valid)

        return band.made(compute, dtype(band.dtype))

    return image.with_bands([applied(band) for band in image.bands])


def unary(name: str) -> Callable[[Any], Image]:
    """The function `Image.<name>` of one image."""
    dtype = (lambda _old: BOOLEAN) if name == "not" else (lambda old: old if name == "abs" or old.kind in "iu" else DOUBLE)
    return lambda value: each_band(to_image(value).stripped(), UNARY[name], dtype)


def clamp(input: Any, low: float, high: float) -> Image:
    """`Image.clamp`."""
    whole = float(low).is_integer() and float(high).is_integer()
    return each_band(to_image(input), lambda values: np.clip(values, low, high), lambda old: old if whole else DOUBLE)


def unit_scale(input: Any, low: float, high: float) -> Image:
    """`Image.unitScale`: low -> 0, high -> 1, not clamped."""
    return each_band(to_image(input), lambda values: (values - low) / (high - low), lambda _old: DOUBLE)


def cast(value: Any, type_name: str) -> Image:
    """Casts as `Image.toUint16`: clamped to the type's range.

    A fraction cast to a whole type is refused: Earth Engine's examples drop it for numbers and round it for arrays
    (apidocs ee-number-touint16 and ee-array-byte), and are silent for images.
    """
    image = to_image(value)
    return image.with_bands([_cast_band(band, np.dtype(TYPES[type_name])) for band in image.bands])


def _cast_band(band: Band, dtype: np.dtype) -> Band:
    def compute(grid: Grid) -> Pixels:
        values, valid = band.on(grid)
        if dtype.kind == "f":
            return Pixels(values, valid)
        if values.dtype.kind == "f" and not np.array_equal(np.floor(values[valid]), values[valid]):
            raise RefusedError(
                f"Band {band.name} has fractions (or NaN) where it is cast to {dtype}. Whether Earth Engine drops or rounds "
                "them is not documented for images: call round() or floor() first."
            )
        info = np.iinfo(dtype)
        with np.errstate(all="ignore"):
            return Pixels(np.clip(np.where(valid, values, 0), info.min, info.max), valid)

    return band.made(compute, dtype)


def cast_bands(image: Any, band_types: Mapping[str, str], band_order: Sequence[str] | None = None) -> Image:
    """`Image.cast`: some bands to types; bands it lacks are added masked."""
    old = to_image(image)
    bands = [_cast_band(band, np.dtype(TYPES[band_types[band.name]])) if band.name in band_types else band for band in old.bands]
    bands += [masked_band(name, np.dtype(TYPES[kind])) for name, kind in band_types.items() if name not in old.names]
    result = old.with_bands(bands)
    return result if band_order is None else select(result, band_order)


def select(input: Any, band_selectors: Sequence[Any], new_names: Sequence[str] | None = None) -> Image:
    """`Image.select`: by name, index or regular expression."""
    image = to_image(input)
    chosen = [band for selector in band_selectors for band in _selected(image, selector)]
    return rename(image.with_bands(chosen), new_names) if new_names is not None else image.with_bands(chosen)


def _selected(image: Image, selector: Any) -> list[Band]:
    if isinstance(selector, str):
        bands = [band for band in image.bands if band.name == selector]
        bands = bands or [band for band in image.bands if re.fullmatch(selector, band.name)]
        if bands:
            return bands
        raise RefusedError(f"Image.select: Band pattern '{selector}' did not match any bands. Available bands: {image.names}")
    if not -len(image.bands) <= int(selector) < len(image.bands):
        raise RefusedError(f"Image.select: Band index {selector} is out of range of the bands {image.names}.")
    return [image.bands[int(selector)]]


def rename(input: Any, names: Sequence[str]) -> Image:
    """`Image.rename`: as many names as bands, no two alike."""
    image = to_image(input)
    if len(names) != len(image.bands):
        raise RefusedError(
            f"Image.rename: The number of names ({len(names)}) must match the number of bands ({len(image.bands)})."
        )
    if len(set(names)) != len(names):
        raise RefusedError(f"Image.rename: Can't use one name for two bands: {list(names)}.")
    return image.with_bands([band.named(name) for band, name in zip(image.bands, names, strict=True)])


def add_bands(dst_img: Any, src_img: Any, names: Sequence[str] | None = None, overwrite: bool = False) -> Image:
    """`Image.addBands`: a name that is taken gets a number, or replaces the old band."""
    first, second = to_image(dst_img), to_image(src_img)
    bands = {band.name: band for band in first.bands}
    for band in second.bands if names is None else select(second, names).bands:
        name = band.name if overwrite else _free(band.name, bands)
        bands[name] = band.named(name)
    return first.with_bands(list(bands.values()))


def _free(name: str, taken: Mapping[str, Band]) -> str:
    numbered = (f"{name}_{i}" for i in range(1, len(taken) + 2))
    return name if name not in taken else next(label for label in numbered if label not in taken)


def metadata(image: Any, property: str, name: str | None = None) -> Image:
    """`Image.metadata`: a property as a constant band of doubles."""
    value = to_image(image).properties.get(property)
    if not isinstance(value, int | float):
        raise RefusedError(f"Image.metadata: property '{property}' is {value!r}, not a number.")
    return rename(cast(constant(value), "double"), [name or property])
