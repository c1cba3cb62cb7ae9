"""Exported packages in torchgeo, which lives in an environment of its own because it and Dagster want different libraries."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.mining_platform.package_inputs import CHANNELS, PX, given_of, images, write, write_land_cover

pytestmark = pytest.mark.slow
HERE = ROOT / "tests" / "torchgeo"


@pytest.fixture(scope="module")
def torchgeo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with torchgeo, which finds what it needs and lacks in the project's environment."""
    folder = tmp_path_factory.mktemp("torchgeo")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "of_the_project.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    constraints = HERE / "constraints.txt"
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--constraint", constraints, "torchgeo"],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return python


@pytest.mark.parametrize("layout", ["smallmines", "sites", "proportion-ranges"])
def test_torchgeo_reads_every_pixel_of_an_exported_package(torchgeo: Path, tmp_path: Path, layout: str) -> None:
    land_cover = write_land_cover(tmp_path / "map.tif")
    given = given_of(land_cover, with_bands=True)
    write(tmp_path / "package", layout, given)
    stacks = {"smallmines": "2024/IMAGE/*.tif", "sites": "*/images/*/*.tif", "proportion-ranges": "bands/*/*.tif"}[layout]
    masks = "2024/MASK/*.tif" if layout == "smallmines" else stacks  # the other layouts' labels are pictures and native clips
    done = subprocess.run(
        [torchgeo, HERE / "read_package.py", stacks, masks, str(PX)],
        cwd=tmp_path / "package", capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    table = gpd.read_parquet(tmp_path / "package" / "manifest.parquet")
    assert found["files"] == [len(table), len(table)]
    assert len(found["patches"]) == len(table)
    for row in table.itertuples():
        image = images("here", 2024, [row.store_row])[0].astype(float)
        image = np.where(image == 0, -9999, image) if layout == "smallmines" else image
        total, mining, *shape = found["patches"][f"{row.minx},{row.miny}"]
        assert total == image.sum()
        assert shape == [len(CHANNELS), PX, PX]
        if layout == "smallmines":
            assert mining == (given.labels("here", 2024, [row.store_row]) == 1).sum()
