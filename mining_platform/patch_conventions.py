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
import pandas as pd
from numpy.typing import NDArray
from odc.geo.crs import CRS

from mining_platform import zarr_arrays
from mining_platform.bands import BANDS, S2_NODATA, S2_SCALE
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import NO_LABEL

GRID_MAPPING = "spatial_ref"
LABEL_VALUES = {"other": 0, "mining": 1, "no class": NO_LABEL}
PROJ_CONVENTION = {
    "uuid": "f17cb550-5864-4468-aeb7-f3180cfb622f",
    "name": "proj:",
    "schema_url": "https://raw.githubusercontent.com/zarr-experimental/geo-proj/refs/tags/v1/schema.json",
    "spec_url": "https://github.com/zarr-experimental/geo-proj/blob/v1/README.md",
    "description": "Coordinate reference system of the arrays of the group",
}
"""The entry that geo-proj asks for in `zarr_conventions`."""

_CORNER_NOTE = f"{PIXEL_M} m pixels; the affine of a patch is ({PIXEL_M}, 0, x0, 0, -{PIXEL_M}, y0)"
SAMPLE_COORDINATES: dict[str, dict[str, Any]] = {
    "x0": {
        "standard_name": "projection_x_coordinate",
        "long_name": "easting of the upper left corner of the patch",
        "units": "m",
        "comment": _CORNER_NOTE,
    },
    "y0": {
        "standard_name": "projection_y_coordinate",
        "long_name": "northing of the upper left corner of the patch",
        "units": "m",
        "comment": _CORNER_NOTE,
    },
    "valid_share": {"long_name": "share of the pixels of the patch with a clear observation", "units": "1"},
    "clear_min": {"long_name": "least number of clear solar days of a pixel of the patch", "units": "1"},
    "clear_median": {"long_name": "median number of clear solar days of the pixels of the patch", "units": "1"},
}
"""Arrays along `sample` and their CF attributes."""


def group_attributes(crs: CRS, channels: Sequence[str], *, simulated: bool) -> dict[str, Any]:
    """Attributes of the group: CF title, `proj:` reference system, and one row a band in order of the axis `band`."""
    return {
        "Conventions": "CF-1.11",
        "title": "Patches of satellite mosaics with labels of mining" + (" (SIMULATED)" if simulated else ""),
        "zarr_conventions": [PROJ_CONVENTION],
        "proj:wkt2": crs.proj.to_wkt(),
        **({"proj:code": f"EPSG:{crs.epsg}"} if crs.epsg else {}),
        "bands": [_band(channel) for channel in channels],
    }


def _band(channel: str) -> dict[str, Any]:
    row = BANDS[channel]
    described = {"id": channel, "role": row.role, "sensor": row.sensor, "gsd_m": row.gsd_m, "wavelength_nm": row.wavelength_nm}
    return {**described, "unit": row.unit, "scale": S2_SCALE, "offset": 0.0, "nodata": S2_NODATA}


def image_attributes(channels: Sequence[str]) -> dict[str, Any]:
    """CF attributes of `image`: readers that mask and scale, as xarray does, get reflectance with NaN for nodata."""
    return {
        "long_name": "reflectance",
        "units": "1",
        "scale_factor": S2_SCALE,
        "add_offset": 0.0,
        "_FillValue": S2_NODATA,
        "grid_mapping": GRID_MAPPING,
        "coordinates": " ".join(SAMPLE_COORDINATES),
        "band_names": list(channels),
    }


def label_attributes() -> dict[str, Any]:
    """CF attributes of `label`: flags without a `_FillValue`, so that it stays uint8 in readers that mask."""
    return {
        "long_name": "label of mining",
        "flag_values": list(LABEL_VALUES.values()),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in LABEL_VALUES),
        "grid_mapping": GRID_MAPPING,
        "coordinates": " ".join(SAMPLE_COORDINATES),
    }


def write_coordinates(store: Path, stored: pd.DataFrame, bounds: NDArray[np.float64], crs: CRS) -> None:
    """Write `spatial_ref` and SAMPLE_COORDINATES of the stored rows (index of the store) and their bounds (n, 4) in metres."""
    _write(store / GRID_MAPPING, np.zeros((), np.uint8), (), crs.proj.to_cf())
    columns = {
        "x0": bounds[:, 0],
        "y0": bounds[:, 3],
        **{name: stored[name].to_numpy() for name in SAMPLE_COORDINATES if name in stored},
    }
    for name, attributes in SAMPLE_COORDINATES.items():
        described = {**attributes, "grid_mapping": GRID_MAPPING} if name in ("x0", "y0") else attributes
        _write(store / name, columns[name], ("sample",), described)


def _write(path: Path, values: NDArray[Any], axes: Sequence[str], attributes: dict[str, Any]) -> None:
    array = zarr_arrays.create_array(
        path, shape=values.shape, dtype=values.dtype, chunks=values.shape, dimension_names=axes, attributes=attributes
    )
    zarr_arrays.write_box(array, (0,) * values.ndim, values)
