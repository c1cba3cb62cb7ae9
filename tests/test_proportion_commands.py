"""The command `proportions` on anyone's raster, as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.mining_platform.class_maps import degree_map, metre_map, write_map

COLUMNS = ["window_id", "share", "class_area_m2", "valid_area_m2", "class_px", "valid_px", "minx", "miny", "maxx", "maxy", "crs"]


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["proportions", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, done.output
    return str(done.exception) if expected else done.output


def mined(shape: tuple[int, int] = (300, 300)) -> np.ndarray:
    classes = np.full(shape, 3, np.uint8)
    classes[100:140, 100:160] = 30
    return classes


def test_the_table_has_the_share_of_every_window(tmp_path: Path) -> None:
    path = degree_map(tmp_path / "m.tif", -55.0, -7.0, mined())
    told = json.loads(run(path, "--classes", 30, "--window-m", 1280, "--out", tmp_path / "new" / "w.parquet", "--json"))
    table = pd.read_parquet(tmp_path / "new" / "w.parquet")
    assert list(table.columns[: len(COLUMNS)]) == COLUMNS
    assert set(table["crs"]) == {"EPSG:32721"}
    assert told["class_px"] == table["class_px"].sum() == 2400
    assert told["valid_px"] == 90_000
    assert told["windows"] == len(table)
    assert told["windows_by_range"]["000"] + told["with_class"] == (table["valid_area_m2"] > 0).sum()
    assert table["class_area_m2"].sum() == pytest.approx(2400 * 29.8**2, rel=0.02)
    assert ((table["maxx"] - table["minx"]) == 1280).all()
    assert (table["minx"] % 1280 == 0).all()
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new" / "w.parquet"]


def test_a_csv_holds_the_same_and_people_get_the_counts_by_range(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", mined(), 480_000, 9_600_000, pixel_m=30)
    printed = run(path, "--classes", "mining", "--window-m", 480, "--out", tmp_path / "w.csv")
    run(path, "--classes", "30", "--window-m", 480, "--out", tmp_path / "w.parquet")
    one, other = pd.read_csv(tmp_path / "w.csv"), pd.read_parquet(tmp_path / "w.parquet")
    assert one["share"].to_numpy() == pytest.approx(other["share"].to_numpy(), rel=1e-12)
    assert one["window_id"].tolist() == other["window_id"].tolist()
    assert "windows of 480 m in EPSG:32722" in printed
    assert "090_100" in printed


def test_the_year_chooses_the_band_and_the_crs_is_chosen_by_the_user(tmp_path: Path) -> None:
    profile = {"driver": "GTiff", "height": 300, "width": 300, "count": 2, "dtype": "uint8", "crs": "EPSG:32722", "nodata": 27}
    with rasterio.open(tmp_path / "m.tif", "w", transform=Affine(30, 0, 480_000, 0, -30, 9_600_000), **profile) as raster:
        for band, year, classes in ((1, 2019, np.full((300, 300), 3, np.uint8)), (2, 2020, mined())):
            raster.write(classes, band)
            raster.set_band_description(band, f"cover_{year}")
    options = ("--classes", "30", "--window-m", 480, "--out", tmp_path / "w.parquet", "--json")
    assert json.loads(run(tmp_path / "m.tif", "--year", 2019, *options))["class_px"] == 0
    told = json.loads(run(tmp_path / "m.tif", "--year", 2020, "--crs", "EPSG:32721", *options))
    assert (told["class_px"], told["epsg"], told["band"], told["nodata"]) == (2400, 32721, 2, 27)
    assert "name the year whose band is meant" in run(tmp_path / "m.tif", *options, code=2)


def test_what_cannot_be_done_is_said_in_one_line_and_an_old_table_stays(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", mined(), 480_000, 9_600_000, pixel_m=30)
    out = tmp_path / "w.parquet"
    out.write_text("old")
    plain = {"--classes": "30", "--window-m": "480", "--out": str(out)}
    cases = {
        "are larger than the raster": {"--window-m": "10240"},
        "no whole number of 10 m pixels": {"--window-m": "485"},
        "'gold' is no class": {"--classes": "gold"},
        "not a projected CRS in metres": {"--crs": "EPSG:4326"},
        "is no CRS": {"--crs": "EPSG:999999"},
        "neither .parquet nor .csv": {"--out": str(tmp_path / "w.xlsx")},
    }
    for message, changed in cases.items():
        options = [part for pair in (plain | changed).items() for part in pair]
        assert message in " ".join(run(path, *options, code=2).split())
    for taken in (out / "w.parquet", tmp_path / "folder.csv"):  # below a file; a folder
        (tmp_path / "folder.csv").mkdir(exist_ok=True)
        options = [part for pair in (plain | {"--out": str(taken)}).items() for part in pair]
        assert "cannot be written" in run(path, *options, code=2)
    missing = [part for pair in plain.items() for part in pair]
    assert "There is no file" in run(tmp_path / "none.tif", *missing, code=2)
    assert out.read_text() == "old"


def test_the_zone_of_a_raster_whose_longitudes_go_beyond_180_is_that_of_its_ground(tmp_path: Path) -> None:
    path = degree_map(tmp_path / "m.tif", 305.0, -7.0, mined())
    told = json.loads(run(path, "--classes", 30, "--window-m", 1280, "--out", tmp_path / "w.parquet", "--json"))
    assert (told["epsg"], told["class_px"], told["valid_px"]) == (32721, 2400, 90_000)


def test_a_raster_that_does_not_fit_into_one_crs_is_refused_and_none_of_it_is_lost(tmp_path: Path) -> None:
    whole_globe = write_map(tmp_path / "globe.tif", mined((180, 360)), Affine(1, 0, -180, 0, -1, 90), "EPSG:4326")
    beyond_pole = write_map(tmp_path / "pole.tif", mined(), Affine(0.01, 0, 0, 0, -0.01, 91), "EPSG:4326")
    options = ("--classes", "30", "--window-m", 10_000, "--out", tmp_path / "w.csv")
    for path in (whole_globe, beyond_pole):
        assert "without loss. Choose a CRS" in run(path, *options, code=2)


def test_codes_below_zero_can_be_named_and_a_nodata_value_of_nan_is_told_as_json_knows_it(tmp_path: Path) -> None:
    values = np.where(mined() == 30, -5, np.where(np.arange(300) < 90, -9999, np.nan)).astype(np.float32)
    transform = Affine(30, 0, 480_000, 0, -30, 9_600_000)
    path = write_map(tmp_path / "m.tif", values, transform, "EPSG:32722", float("nan"))
    options = ("--classes", "-5", "--no-class", "-9999", "--window-m", 480, "--out", tmp_path / "w.parquet", "--json")
    told = json.loads(run(path, *options), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (told["nodata"], told["class_px"], told["valid_px"]) == ("NaN", 2400, 2400)


def test_squares_that_keep_their_size_in_a_wide_equal_area_crs_are_not_noted(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", mined(), 5_600_000, 3_100_000, pixel_m=30, epsg=3035)  # 18 degrees from its middle
    told = json.loads(run(path, "--classes", 30, "--window-m", 480, "--out", tmp_path / "w.parquet", "--json"))
    assert not [note for note in told["notes"] if note.startswith("Squares")]


def test_a_raster_without_nodata_or_far_from_its_zone_is_noted(tmp_path: Path) -> None:
    path = metre_map(tmp_path / "m.tif", mined(), 1_300_000, 9_600_000, pixel_m=30)
    told = json.loads(run(path, "--classes", "215", "--window-m", 480, "--out", tmp_path / "w.parquet", "--json"))
    assert [note.split(":")[0].split(",")[0] for note in told["notes"]] == [
        "Squares of EPSG",
        "No pixel of the raster is of the classes 215.",
        "The raster declares no nodata value",
    ]
