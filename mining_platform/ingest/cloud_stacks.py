"""Images of several bands whose last may be a cloud mask, opened by the roles of their bands, on their own grid.

Such are the images of the site dataset: Landsat's bands 1 to 7 and a band of 0 and 1 for cloud. What band 4 is depends on the
instrument, so the order is named, never guessed: near infrared is band 4 of the Thematic Mappers, and red that of OLI.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from mining_platform import bands, profiles
from mining_platform.ingest.pixels import IngestError
from mining_platform.raster_files import opened_raster_file

ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "landsat-4-7": ("blue", "green", "red", "nir", "swir1", "thermal", "swir2"),
        "landsat-8-9": ("coastal", "blue", "green", "red", "nir", "swir1", "swir2"),
    }
)
"""Roles of bands 1 to 7 by instrument: Thematic Mapper and OLI (Landsat 4-7 and 8-9 Collection 2 Science Product Guides). Every
profile of profiles.PROFILES is an order as well."""
CLOUD = "cloud"
CLOUD_VALUES = (0, 1)


@dataclass(frozen=True)
class StackBands:
    """Which band of a stack is what; numbers from 1."""

    number_of: Mapping[str, int]
    """By role."""
    cloud: int | None
    """None where no band tells clouds."""


@dataclass(frozen=True)
class CloudStack:
    """A stack open for reading."""

    name: str
    source: DatasetReader
    grid: GeoBox

    def values(self, role: str, number: int, rows: slice, scaling: tuple[float, float] | None) -> NDArray[np.float32]:
        """Reflectance of some rows of a band (rows, x); NaN where it has no data.

        It is scale x number + offset, by `scaling`, else as the file states it, else the numbers themselves.
        """
        numbers, valid = self._read(number, rows)
        scale, offset = scaling or (self.source.scales[number - 1], self.source.offsets[number - 1])
        if numbers.dtype.kind == "c":
            raise IngestError(f"{self.name}: band {number} ({role}) holds complex numbers, which are no reflectance.")
        return np.where(valid, numbers.astype(np.float64) * scale + offset, np.nan).astype(np.float32)

    def cloud(self, number: int, rows: slice, observed: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where some rows are cloud (rows, x), by a band of 0 and 1; IngestError for any other value that was observed."""
        numbers, _ = self._read(number, rows)
        wrong = observed & ~np.isin(numbers, CLOUD_VALUES)
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            raise IngestError(
                f"{self.name}: the cloud band ({number}) has the value {numbers[y, x]:g} at column {x}, row {rows.start + y}; it "
                "holds 0 for clear and 1 for cloud. Name another band with --cloud-band, 0 for none."
            )
        return numbers == 1

    def _read(self, number: int, rows: slice) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        window = Window(0, rows.start, self.source.width, rows.stop - rows.start)
        try:
            numbers = self.source.read(number, window=window)
        except RasterioError as error:
            raise IngestError(f"{self.name} cannot be read in band {number} ({error}). Fetch the file anew.") from None
        nodata = self.source.nodatavals[number - 1]
        return numbers, np.isfinite(numbers) & (True if nodata is None else numbers != nodata)


@contextmanager
def opened_image(path: Path) -> Iterator[CloudStack]:
    """An image and its own grid, for the body; IngestError where it is missing, no GeoTIFF, or has no place on the ground."""
    try:
        with opened_raster_file(path) as source:
            if source.crs is None or source.transform.is_identity:
                advice = "Write them with gdal_edit.py -a_srs and -a_ullr"
                raise IngestError(f"{path.name} has no CRS or no place in it, so nothing says where its pixels lie. {advice}.")
            yield CloudStack(path.name, source, GeoBox(source.shape, source.transform, source.crs.to_wkt()))
    except RasterioError as error:
        raise IngestError(f"{path} cannot be read as a GeoTIFF: {str(error).rstrip('.')}. Give the path of one.") from None


def bands_of(stack: CloudStack, order: str, cloud_band: int | None) -> StackBands:
    """Which band is what: by `order`, else by the bands' descriptions (roles, ids, unambiguous provider names, `cloud`).

    `order` is a row of ORDERS, a profile, or pairs `red=3,nir=4`. A stack of one band more than a named order has the cloud
    last; `cloud_band` says otherwise, 0 for none. IngestError where nothing tells, and for numbers that the stack has not.
    """
    roles = _roles(stack, order)
    told = roles.pop(CLOUD, None)
    cloud = told if cloud_band is None else cloud_band or None
    if wrong := sorted(number for number in {*roles.values(), cloud or 1} if not 1 <= number <= stack.source.count):
        raise IngestError(f"{stack.name} has {stack.source.count} bands, and no band {wrong[0]}. Mend --bands or --cloud-band.")
    if cloud in roles.values():
        role = next(role for role, number in roles.items() if number == cloud)
        raise IngestError(f"{stack.name}: band {cloud} cannot be both {role} and the cloud mask. Mend --bands or --cloud-band.")
    return StackBands(roles, cloud)


def _roles(stack: CloudStack, order: str) -> dict[str, int]:
    if "=" in order:
        return _pairs(order)
    if order:
        roles, count = _ordered(order), stack.source.count
        if count not in (len(roles), len(roles) + 1):
            raise IngestError(
                f"{stack.name} has {count} bands, the order {order} {len(roles)} and perhaps cloud. Write role=number."
            )
        return {role: number for number, role in enumerate((*roles, CLOUD)[:count], 1)}
    names = _role_of_name()
    found = [names.get((text or "").lower()) for text in stack.source.descriptions]
    roles_found = {role: number for number, role in reversed(list(enumerate(found, 1))) if role}
    if not roles_found.keys() - {CLOUD}:
        raise IngestError(
            f"Nothing says which band of {stack.name} is what. Name the order with --bands: {', '.join(ORDERS)}, a profile "
            f"({', '.join(profiles.PROFILES)}), or pairs such as red=3,nir=4."
        )
    return roles_found


def _role_of_name() -> dict[str, str]:
    """Role by what a band may be called, in small letters; no name that means different roles, such as Landsat's SR_B4."""
    roles: dict[str, set[str]] = {CLOUD: {CLOUD}}
    for row in bands.BANDS.values():
        for name in (row.id, row.role, *row.providers.values()):
            roles.setdefault(name.lower(), set()).add(row.role)
    return {name: meant.pop() for name, meant in roles.items() if len(meant) == 1}


def _ordered(order: str) -> tuple[str, ...]:
    if order in ORDERS:
        return ORDERS[order]
    if order in profiles.PROFILES:
        return tuple(bands.band(channel).role for channel in profiles.PROFILES[order].channels)
    raise IngestError(
        f"--bands {order}: no such order. Use {', '.join((*ORDERS, *profiles.PROFILES))}, or pairs such as red=3,nir=4."
    )


def _pairs(text: str) -> dict[str, int]:
    """`red=3, nir=4` -> {"red": 3, "nir": 4}."""
    known = {row.role for row in bands.BANDS.values()} | {CLOUD}
    roles: dict[str, int] = {}
    for pair in text.split(","):
        role, _, number = (part.strip() for part in pair.partition("="))
        if role not in known or not number.isascii() or not number.isdigit() or role in roles:
            raise IngestError(f"--bands {pair.strip()!r}: write each role once, as red=3; roles are {', '.join(sorted(known))}.")
        roles[role] = int(number)
    return roles
