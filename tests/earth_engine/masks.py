"""Functions on masks. A pixel is valid or not: fractional masks are refused where they would make a difference."""

from typing import Any

import numpy as np
from shapely.geometry.base import BaseGeometry

from tests.earth_engine.bands import Band, Pixels
from tests.earth_engine.elements import Image, geometry_of, to_image, union
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.grids import Grid, inside
from tests.earth_engine.images import DOUBLE


def _partners(name: str, image: Image, other: Image) -> list[Band]:
    """The other image's band for each band: its only one for all, or one each."""
    if len(other.bands) not in {1, len(image.bands)}:
        raise RefusedError(
            f"Image.{name}: the image has bands {image.names}, the other {other.names}: one, or as many, are needed."
        )
    return list(other.bands) * (len(image.bands) if len(other.bands) == 1 else 1)


def update_mask(image: Any, mask: Any) -> Image:
    """`Image.updateMask`: where it was valid, valid where the mask is valid and not zero; metadata and footprint kept."""
    kept = to_image(image)
    pairs = zip(kept.bands, _partners("updateMask", kept, to_image(mask)), strict=True)
    return kept.with_bands([_masked(band, by) for band, by in pairs])


def _masked(band: Band, by: Band) -> Band:
    def compute(grid: Grid) -> Pixels:
        pixels, mask = band.on(grid), by.on(grid)
        partial = mask.valid & (mask.values > 0) & (mask.values < 1)
        if partial.any():
            raise RefusedError(
                f"Image.updateMask: the mask of band {band.name} has values between 0 and 1; compare it with a threshold."
            )
        return Pixels(pixels.values, pixels.valid & mask.valid & (mask.values != 0))

    return band.made(compute)


def self_mask(image: Any) -> Image:
    """`Image.selfMask`: masked where zero."""
    return update_mask(image, image)


def mask(image: Any, mask: Any = None) -> Image:
    """`Image.mask()`: its mask as doubles 0 and 1, valid everywhere. Setting a mask is deprecated and refused."""
    if mask is not None:
        raise RefusedError("Image.mask with a mask is deprecated: use updateMask or unmask.")
    old = to_image(image)

    def shown(band: Band) -> Band:
        return band.made(lambda grid: Pixels(band.on(grid).valid, np.ones((grid.height, grid.width), bool)), DOUBLE)

    return old.with_bands([shown(band) for band in old.bands])


def unmask(input: Any, value: Any = 0, same_footprint: bool = True) -> Image:
    """`Image.unmask`: masked pixels take value and mask of another image, by default only within the image's footprint."""
    image, other = to_image(input), to_image(value)
    where = image.footprint if same_footprint else None
    pairs = zip(image.bands, _partners("unmask", image, other), strict=True)
    filled = image.with_bands([_filled(band, by, where) for band, by in pairs])
    footprint = image.footprint if same_footprint else union([image.footprint, other.footprint])
    return Image(filled.bands, filled.properties, footprint)


def _filled(band: Band, by: Band, where: BaseGeometry | None) -> Band:
    def compute(grid: Grid) -> Pixels:
        old, new = band.on(grid), by.on(grid)
        fill = ~old.valid & new.valid & inside(where, grid)
        return Pixels(np.where(fill, new.values, old.values), old.valid | fill)

    return band.made(compute, np.promote_types(band.dtype, by.dtype))


def where(input: Any, test: Any, value: Any) -> Image:
    """`Image.where`: the value where the test is valid and not zero and the value valid; masked pixels stay masked."""
    image = to_image(input)
    tests, values = (_partners("where", image, to_image(other)) for other in (test, value))
    return image.with_bands([_replaced(*bands) for bands in zip(image.bands, tests, values, strict=True)])


def _replaced(band: Band, test: Band, value: Band) -> Band:
    def compute(grid: Grid) -> Pixels:
        old, told, new = band.on(grid), test.on(grid), value.on(grid)
        return Pixels(np.where(told.valid & (told.values != 0) & new.valid, new.values, old.values), old.valid)

    return band.made(compute, np.promote_types(band.dtype, value.dtype))


def clip(input: Any, geometry: Any) -> Image:
    """`Image.clip`: masked where the pixel's centre lies outside the geometry."""
    image, shape = to_image(input), geometry_of(geometry)

    def clipped(band: Band) -> Band:
        return band.made(lambda grid: Pixels(band.on(grid).values, band.on(grid).valid & inside(shape, grid)))

    bounded = [one for one in (image.footprint, shape) if one is not None]
    footprint = bounded[0].intersection(bounded[-1]) if bounded else None
    return Image(tuple(clipped(band) for band in image.bands), image.properties, footprint)
