"""Packages as they are really written, before the four judges: frictionless, mlcroissant, rocrate, pystac."""

from pathlib import Path

import geopandas as gpd
import mlcroissant
import numpy as np
import pystac
import pytest
import rasterio
from frictionless import Package, system
from PIL import Image
from rocrate.rocrate import ROCrate

from mining_platform.packages.layouts import LAYOUTS
from tests.mining_platform.package_inputs import YEARS, given_of, write, write_land_cover

CASES = [*((name, YEARS[:1]) for name in LAYOUTS), ("smallmines", YEARS)]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-{len(case[1])}")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout, years = request.param
    folder = tmp_path_factory.mktemp("written")
    given = given_of(write_land_cover(folder / "land_cover.tif"), years, with_bands=layout == "proportion-ranges")
    write(folder / "package", layout, given, years)
    return folder / "package"


def test_frictionless_finds_the_tables_valid(written: Path) -> None:
    with system.use_context(trusted=True):
        report = Package(str(written / "datapackage.json")).validate()
    assert report.flatten(["type", "fieldName", "note"]) == []


def test_mlcroissant_gives_each_row_the_pixels_of_its_own_label(written: Path) -> None:
    dataset = mlcroissant.Dataset(str(written / "croissant.json"))
    assert dataset.metadata.ctx.issues.report() == ""
    found = {record["patches/patch_id"].decode(): np.asarray(record["patches/label"]) for record in dataset.records("patches")}
    rows = gpd.read_parquet(written / "manifest.parquet").set_index("patch_id")
    assert set(found) == set(rows.index)
    for name, pixels in found.items():
        path = written / rows.loc[name, "label_path"]
        if path.suffix == ".png":
            assert (pixels == np.asarray(Image.open(path))).all()
        else:
            with rasterio.open(path) as raster:
                assert (pixels == raster.read(1)).all()


def test_rocrate_finds_every_file_and_folder_that_it_names(written: Path) -> None:
    for entity in ROCrate(str(written)).data_entities:
        assert (written / entity.id).exists(), entity.id


def test_pystac_finds_every_file_of_every_patch_and_the_core_schema_kept(written: Path) -> None:
    collection = pystac.Collection.from_file(str(written / "stac/collection.json"))
    for record in (collection, *collection.get_items()):
        record.stac_extensions = []  # their schemas are on the network
        record.validate()
    hrefs = [Path(asset.get_absolute_href() or "") for item in collection.get_items() for asset in item.assets.values()]
    assert len(hrefs) >= 2 * len(gpd.read_parquet(written / "manifest.parquet"))
    assert all(path.exists() for path in hrefs)
