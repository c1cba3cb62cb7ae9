"""Published files of channels in different units: reflectance as digital numbers, decibels and metres as they are."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from mining_platform import profiles
from mining_platform.imports.found import Pixels
from mining_platform.imports.quantities import own_numbers
from mining_platform.packages import sites, smallmines
from mining_platform.packages.patch_files import Place, as_floats, write_stack
from mining_platform.packages.stac_records import _asset

STACK = profiles.profile("smallmines-13").channels
NODATA = smallmines.IMAGE_NODATA


def numbers() -> np.ndarray:
    """Every number of every channel once, with 0 for no data."""
    return np.broadcast_to(np.arange(65_536, dtype=np.uint16).reshape(256, 256), (len(STACK), 256, 256))


def test_every_number_comes_back_from_floats() -> None:
    values = as_floats(numbers(), STACK, NODATA)
    back = own_numbers(Pixels(values, values != NODATA, 32721, None), STACK)
    np.testing.assert_array_equal(back, numbers())


def test_decibels_and_metres_are_published_as_such_and_reflectance_as_digital_numbers(tmp_path: Path) -> None:
    image = np.stack([np.full((4, 4), number, np.uint16) for number in (1234, *[1] * 9, 36_500, 35_000, 6_000)])
    path = tmp_path / "stack.tif"
    write_stack(path, as_floats(image, STACK, NODATA), STACK, Place(32721, 0, 0), nodata=NODATA, simulated=False)
    with rasterio.open(path) as raster:
        found = dict(zip(raster.descriptions, raster.read()[:, 0, 0], strict=True))
    assert found["B02"] == 1234
    assert found["S1-VV"] == pytest.approx(-7.0, abs=1e-5)
    assert found["S1-VH"] == pytest.approx(-10.0, abs=1e-5)
    assert found["DEM"] == pytest.approx(200.0, abs=1e-4)


def test_stac_tells_each_bands_unit_where_they_differ_and_once_where_they_do_not() -> None:
    stack = _asset(smallmines.kinds(STACK)[0])
    assert "unit" not in stack
    told = {row["name"]: (row["unit"], row["raster:scale"], row["raster:offset"]) for row in stack["bands"]}
    assert (told["B02"], told["S1-VV"], told["DEM"]) == (("reflectance", 1e-4, 0.0), ("dB", 1.0, 0.0), ("m", 1.0, 0.0))
    plain = _asset(sites.kinds(profiles.profile("s2-12").channels)[0])
    assert (plain["unit"], plain["raster:scale"], plain["raster:offset"]) == ("reflectance", 1e-4, 0.0)
    assert all("unit" not in row for row in plain["bands"])


def test_whole_numbers_of_a_mixed_stack_keep_their_scale_and_offset() -> None:
    bands_of_sites = _asset(sites.kinds(("B04", "B03", "B02", "S1-VV"))[0])["bands"]
    assert [row["raster:offset"] for row in bands_of_sites] == [0.0, 0.0, 0.0, -80.0]
