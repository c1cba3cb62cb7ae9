"""The command `split` on anyone's tables: what it writes, what it tells, and how it refuses."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform.split_commands import fractions_of
from mining_platform.splits.rules import SplitError
from tests.conftest import REALDATA, Installation


@pytest.fixture
def nowhere(tmp_path: Path) -> Installation:
    """No installation: the command must not need or make one."""
    return Installation(tmp_path / "no-home", tmp_path / "no-regions.geojson")


def points(path: Path, count: int = 300) -> Path:
    """Points in thirty fields over two UTM zones, as a table of lon and lat."""
    rng = np.random.default_rng(1)
    centres = rng.uniform((-56, -8), (-52, -4), (30, 2))
    lon, lat = (np.repeat(centres, count // 30, axis=0) + rng.normal(0, 0.02, (count, 2))).T
    ids = [f"{number:04d}" for number in range(count)]
    pd.DataFrame({"patch_id": ids, "lon": lon, "lat": lat, "range": ["000", "050_060", "000"] * (count // 3)}).to_csv(
        path, index=False
    )
    return path


def test_points_are_parted_into_a_file_of_three_columns_without_an_installation(nowhere: Installation, tmp_path: Path) -> None:
    table, out = points(tmp_path / "points.csv"), tmp_path / "splits.csv"
    options = ["--method", "cluster", "--size-m", "2560", "--fractions", "70,15,15", "--seed", "7"]
    told = json.loads(nowhere.run("split", str(table), *options, "--out", str(out), "--json"))
    written = pd.read_csv(out, dtype=str)
    assert list(written.columns) == ["patch_id", "group", "split"]
    assert written["patch_id"].tolist() == [f"{number:04d}" for number in range(300)]
    assert (written.groupby("group")["split"].nunique() == 1).all()
    assert told["by_split"] == {**written["split"].value_counts().to_dict(), "buffer": 0}
    assert told["patches"] == 300
    assert told["nearest_m"] > 0
    for row in told["shares"]:
        if row["range"] == "all":
            assert row["share"] == pytest.approx(row["wanted"], abs=0.05)
    assert not nowhere.home.exists()


def test_the_same_table_in_another_format_and_order_gives_the_same_file(nowhere: Installation, tmp_path: Path) -> None:
    table = points(tmp_path / "points.csv")
    rows = pd.read_csv(table, dtype={"patch_id": str, "range": str}).sample(frac=1, random_state=3)
    gpd.GeoDataFrame(rows.drop(columns=["lon", "lat"]), geometry=gpd.points_from_xy(rows["lon"], rows["lat"]), crs=4326).to_file(
        tmp_path / "points.geojson"
    )
    for name in ("csv", "geojson"):
        options = ["--method", "cluster", "--size-m", "2560", "--out", str(tmp_path / f"{name}.csv")]
        nowhere.run("split", str(tmp_path / f"points.{name}"), *options)
    assert (tmp_path / "csv.csv").read_bytes() == (tmp_path / "geojson.csv").read_bytes()


def test_tables_of_two_years_are_paired_by_the_names_of_their_patches(nowhere: Installation, tmp_path: Path) -> None:
    for year in (2016, 2022):
        rows = [f"IMG_GH_{place:04d}_{year},1.5,1,train" for place in range(1, 201)]
        (tmp_path / f"{year}.csv").write_text("\n".join(["patch_name,class_percentage,bin,split", *rows]) + "\n")
    tables = [str(tmp_path / f"{year}.csv") for year in (2016, 2022)]
    options = ["--method", "paired", "--id-pattern", r"(?P<place>\d{4})_(?P<year>\d{4})$", "--fractions", "80,20"]
    printed = nowhere.run("split", *tables, *options, "--out", str(tmp_path / "splits.parquet"))
    assert "400 patches in 200 groups, the largest of 2." in printed
    assert "80.0%" in printed
    written = pd.read_parquet(tmp_path / "splits.parquet")
    assert len(written) == 400
    assert written["group"].str.fullmatch(r"\d{4}").all()
    assert (written.groupby("group")["split"].agg(["nunique", "size"]) == [1, 2]).all().all()
    assert set(written["split"]) == {"train", "test"}


def test_real_detections_are_parted_by_the_command(nowhere: Installation, tmp_path: Path) -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "osm_runway_points.geojson"
    if not path.exists():
        pytest.skip(f"the real {path} is absent; set MINING_PLATFORM_REALDATA")
    options = ["--method", "block", "--size-m", "480", "--buffer-m", "500", "--json"]
    told = json.loads(nowhere.run("split", str(path), *options, "--out", str(tmp_path / "s.csv")))
    assert told["patches"] == 2_409
    assert told["nearest_m"] >= 500
    assert sum(told["by_split"].values()) == 2_409


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--method", "random"], "There is no split method 'random'; use one of cluster"),
        (["--method", "site"], "needs the site of each patch, but points.csv has no column site"),
        (["--method", "cluster", "--fractions", "70,20,20"], "are no fractions"),
        (["--method", "cluster", "--id-column", "nom"], "no column 'nom'; it has patch_id, lon, lat, range"),
        (["--method", "cluster", "--size-m", "0"], "is no size of a patch"),
        (["--method", "cluster", "--crs", "EPSG:4326"], "is not a projected CRS in metres"),
        (["--method", "block", "--block-m", "0"], "block_m is 0"),
        (["--method", "cluster", "--out", "splits.txt"], "must end in one of .csv, .parquet"),
        (["--method", "cluster", "--out", "absent/splits.csv"], "There is no folder absent"),
        (["--method", "cluster", "--out", "points.csv"], "is a table to part"),
    ],
)
def test_bad_input_is_refused_with_one_line_and_exit_code_2(
    tmp_path: Path,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    from mining_platform import cli, consoles

    points(tmp_path / "points.csv")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    extra = [] if "--out" in arguments else ["--out", "splits.csv"]
    monkeypatch.setattr("sys.argv", ["mining-platform", "split", "points.csv", "--size-m", "480", *arguments, *extra])
    monkeypatch.setattr(cli, "errors", consoles.Console(stderr=True, highlight=False, width=500))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_failed_command_leaves_the_file_of_before(nowhere: Installation, tmp_path: Path) -> None:
    table, out = points(tmp_path / "points.csv"), tmp_path / "splits.csv"
    out.write_text("before")
    table.write_text(table.read_text().replace("0007,", "0006,"))
    printed = nowhere.run("split", str(table), "--method", "cluster", "--size-m", "480", "--out", str(out), code=2)
    assert "1 ids stand on more than one row, such as ['0006']" in printed
    assert out.read_text() == "before"


@pytest.mark.parametrize("text", ["70,15,15", "0.7,0.15,0.15"])
def test_three_fractions_are_training_validation_and_test(text: str) -> None:
    assert fractions_of(text) == {"train": pytest.approx(0.7), "val": pytest.approx(0.15), "test": pytest.approx(0.15)}
    assert sum(fractions_of("33.3,33.3,33.4").values()) == pytest.approx(1, abs=1e-12)


def test_two_fractions_are_training_and_test_and_others_are_refused() -> None:
    assert fractions_of("80,20") == {"train": 0.8, "test": 0.2}
    for text in ("100", "70,30,0", "a,b", "", "70,15,16", "25,25,25,25", "nan,1"):
        with pytest.raises(SplitError, match="are no fractions"):
            fractions_of(text)
