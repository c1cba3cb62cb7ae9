"""The image has the system's libraries that the packages load."""

import runpy
import shutil
from typing import Any

import pytest

from tests.deployed import DEPLOY

CHECK: dict[str, Any] = runpy.run_path(str(DEPLOY / "check_libraries.py"))


@pytest.mark.skipif(shutil.which("readelf") is None, reason="readelf (of binutils) is not installed")
def test_what_packages_take_from_the_system_is_in_the_image() -> None:
    libraries = CHECK["needed"]()
    assert {"rasterio", "osmium"} <= libraries["libexpat.so.1"]
    assert "lightgbm" in libraries["libgomp.so.1"]
    assert "torch" in libraries["libstdc++.so.6"]
    assert not [name for name in libraries if "gdal" in name or "torch" in name], "packages bring these along"
    assert CHECK["missing"](libraries, CHECK["installed"]()) == []


def test_a_library_that_the_image_lacks_is_named_with_who_loads_it_and_the_package_that_has_it() -> None:
    libraries = {"libexpat.so.1": {"rasterio", "osmium"}, "libm.so.6": {"numpy"}, "libfoo.so.3": {"foo"}}
    assert CHECK["missing"](libraries, {"libgomp1"}) == [
        "libexpat.so.1, which osmium, rasterio loads, is not in the image: install libexpat1",
        "libfoo.so.3, which foo loads, is not in the image: nobody is known to have it",
    ]
    assert CHECK["missing"]({"libexpat.so.1": {"rasterio"}}, {"libexpat1"}) == []


def test_what_only_machines_with_nvidias_cards_have_is_not_asked_of_the_image() -> None:
    libraries = {"libcuda.so.1": {"torch"}, "libmlx5.so.1": {"nvidia-cufile"}}
    assert CHECK["missing"](libraries, set()) == []
    told = CHECK["missing"]({"libmlx5.so.1": {"nvidia-cufile", "foo"}}, set())
    assert told == ["libmlx5.so.1, which foo loads, is not in the image: nobody is known to have it"]


def test_packages_of_the_last_stage_alone_count() -> None:
    assert "libgomp1" in CHECK["installed"]()
    assert not [name for name in CHECK["installed"]() if not name.startswith("lib")]
