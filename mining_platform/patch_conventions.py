"""What a patch store says of itself beyond its pixels, so that any Zarr reader opens it with meaning.

After the CF conventions (https://cfconventions.org) as xarray reads them, and the convention `proj:` of GeoZarr
(https://github.com/zarr-conventions/geo-proj). Every patch has a grid of its own, so the grid is told by the coordinates
`x0` and `y0` along `sample` and not by one `x` and one `y`. There are no text coordinates, which Zarr v3 does not specify:
ids of patches and names of bands are attributes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.crs import CRS

from mining_platform import zarr_arrays
from mining_platform.bands import BANDS, S2_NODATA, described, stored_as
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import NO_LABEL

GRID_MAPPING = "spatial_ref"
PER_BAND = "per band"
"""Unit of an image whose channels have different units or scales."""
CF_UNITS = {"reflectance": "1", "display": "1", PER_BAND: "1"}
"""Units as CF writes them, where they are called otherwise here."""
LABEL_VALUES = {"other": 0, "mining": 1, "no class": NO_LABEL}
"""Values of `label` of every store; cloud, in stores of scenes, is a class of its own beside them."""
CLOUD = 2
PROJ_CONVENTION = {
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj:",
    "schema_url": "https://raw.githubusercontent.com/zarr-experimental/geo-proj/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-experimental/geo-proj/blob/v1/README.md",
    "description": "Coordinate reference system of the arrays of the group",
}
"""The entry that geo-proj asks for in `zarr_conventions`."""

SAMPLE_COORDINATES: dict[str, dict[str, Any]] = {
    "x0": {
        "standard_name": "projection_x_coordinate",
        "long_name": "easting of the upper left corner of the patch",
        "units": "m",
    },
    "y0": {
        "standard_name": "projection_y_coordinate",
        "long_name": "northing of the upper left corner of the patch",
        "units": "m",
    },
}
"""Arrays along `sample` and their CF attributes. A coordinate is two files, so statistics of patches are in the index alone."""


def label_values(*, clouds: bool) -> dict[str, int]:
    """Values of a store's labels by name; `cloud` is among them where the label recipe tells clouds."""
    return {**LABEL_VALUES, **({"cloud": CLOUD} if clouds else {})}


def group_attributes(crs: CRS, channels: Sequence[str], *, simulated: bool, images: str = "mosaics") -> dict[str, Any]:
    """Attributes of the group: CF title, `proj:` reference system, and one row a band in order of the axis `band`.

    `images`: what the patches are cut from, `mosaics` or `scenes`.
    """
    return {
        "Conventions": "CF-1.11",
        "title": f"Patches of satellite {images} with labels of mining" + (" (SIMULATED)" if simulated else ""),
        "zarr_conventions": [PROJ_CONVENTION],
        "proj:wkt2": crs.proj.to_wkt(),
        **({"proj:code": f"EPSG:{crs.epsg}"} if crs.epsg else {}),
        "bands": [described(channel) for channel in channels],
    }


def quantity_of(channels: Sequence[str]) -> tuple[str, float, float]:
    """Unit, scale and offset that all channels share; (PER_BAND, 1.0, 0.0) where they differ, and the rows of `bands` tell."""
    found = {(BANDS[channel].unit, *stored_as(channel)) for channel in channels}
    return found.pop() if len(found) == 1 else (PER_BAND, 1.0, 0.0)


def _grid(placed: bool) -> dict[str, Any]:
    """What refers to the coordinates of `write_coordinates`, where there are such."""
    return {"grid_mapping": GRID_MAPPING, "coordinates": " ".join(SAMPLE_COORDINATES)} if placed else {}


def image_attributes(channels: Sequence[str], *, placed: bool = True) -> dict[str, Any]:
    """CF attributes of `image`: readers that mask and scale, as xarray does, get the values with NaN for nodata.

    Where channels have different units the numbers stay as stored, and `bands` of the group says what they mean.
    """
    unit, scale, offset = quantity_of(channels)
    return {
        "long_name": unit,
        "units": CF_UNITS.get(unit, unit),
        "scale_factor": scale,
        "add_offset": offset,
        "_FillValue": S2_NODATA,
        **_grid(placed),
        "band_names": list(channels),
    }


def label_attributes(*, placed: bool = True, clouds: bool = False) -> dict[str, Any]:
    """CF attributes of `label`: flags without a `_FillValue`, so that it stays uint8 in readers that mask."""
    values = label_values(clouds=clouds)
    return {
        "long_name": "label of mining",
        "flag_values": list(values.values()),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in values),
        **_grid(placed),
    }


def write_coordinates(store: Path, corners: NDArray[np.float64], crs: CRS, pixel_m: float = PIXEL_M) -> None:
    """Write `spatial_ref` and SAMPLE_COORDINATES of the stored patches, from their upper left corners (n, 2) in metres."""
    _write(store / GRID_MAPPING, np.zeros((), np.uint8), (), crs.proj.to_cf())
    note = f"{pixel_m} m pixels; the affine of a patch is ({pixel_m}, 0, x0, 0, -{pixel_m}, y0)"
    for values, (name, attributes) in zip(corners.T, SAMPLE_COORDINATES.items(), strict=True):
        told = {**attributes, "comment": note, "grid_mapping": GRID_MAPPING}
        _write(store / name, np.ascontiguousarray(values), ("sample",), told)


def _write(path: Path, values: NDArray[Any], axes: Sequence[str], attributes: dict[str, Any]) -> None:
    array = zarr_arrays.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=values.shape, dimension_names=axes, attributes=attributes
    )
    zarr_arrays.write_box(array, (0,) * values.ndim, values)
