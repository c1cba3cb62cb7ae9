"""The command `leakage` on anyone's tables: what it finds and tells, its exit codes, its picture."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import REALDATA, Installation, Line


@pytest.fixture
def nowhere(tmp_path: Path) -> Installation:
    """No installation: the command must not need or make one."""
    return Installation(tmp_path / "no-home", tmp_path / "no-regions.geojson")


def small_mines(folder: Path, swapped: int = 903, places: int = 2_135) -> list[str]:
    """Two tables as SmallMinesDS has them, of which the first places are on another side in the second year."""
    for year in (2016, 2022):
        number = np.arange(1, places + 1)
        test = (number % 5 == 0) ^ ((year == 2022) & (number <= swapped))
        table = pd.DataFrame({"patch_name": [f"IMG_GH_{each:04d}_{year}" for each in number], "class_percentage": 1.5, "bin": 1})
        table.assign(split=np.where(test, "test", "train")).to_csv(folder / f"{year}.csv", index=False)
    return [str(folder / f"{year}.csv") for year in (2016, 2022)]


def points(path: Path, *, leak: bool) -> Path:
    """Forty points a tenth of a degree apart in two sides; with a leak, the last but one is 1 km beside the first."""
    lon, lat = -55 + 0.1 * (np.arange(40) % 8), -6 + 0.1 * (np.arange(40) // 8)
    side = np.where(np.arange(40) < 24, "train", "test")
    if leak:
        lon[38], lat[38] = -55 + 0.009, -6
    pd.DataFrame({"id": [f"{k:03d}" for k in range(40)], "lon": lon, "lat": lat, "split": side}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("options", [[], ["--id-pattern", r"(?P<place>\d{4})_(?P<year>\d{4})$"]])
def test_a_published_split_of_two_years_fails_with_its_number_of_places(
    nowhere: Installation, tmp_path: Path, options: list[str]
) -> None:
    told = json.loads(nowhere.run("leakage", *small_mines(tmp_path), "--json", *options, code=1))
    assert told["leaks"] == told["same_place_other_year"] == told["pairs"]["same_place_other_year"] == 903
    assert [told[kind] for kind in ("overlap", "same_scene", "near_duplicate", "same_site", "nearest_m")] == [None] * 5
    assert "has no window ids, geometries" in told["not_checked"]["overlap"]
    assert told["patches"] == 4_270
    assert len(told["worst"]["same_place_other_year"]) == 20
    assert not nowhere.home.exists()


def test_the_text_names_what_leaks_what_was_not_looked_for_and_the_verdict(nowhere: Installation, tmp_path: Path) -> None:
    printed = nowhere.run("leakage", *small_mines(tmp_path), code=1)
    lines = [line.split() for line in printed.splitlines()]
    assert ["same_place_other_year", "903", "903"] in lines
    assert any(line[:6] == ["overlap", "-", "-", "not", "looked", "for:"] for line in lines)
    assert "IMG_GH_0001_2016 (train, 2016)" in printed
    assert "LEAK 903 places stand on more than one side of the split." in printed
    clean = nowhere.run("leakage", *small_mines(tmp_path, swapped=0))
    assert "No leak by what was looked for: same_place_other_year." in clean


def test_a_split_in_another_file_is_joined_by_id_and_what_does_not_match_is_named(nowhere: Installation, tmp_path: Path) -> None:
    table = points(tmp_path / "points.csv", leak=True)
    splits = pd.read_csv(table, dtype=str)[["id", "split"]].rename(columns={"id": "patch_id"}).sample(frac=1, random_state=2)
    splits = pd.concat([splits[splits["patch_id"] != "007"], pd.DataFrame({"patch_id": ["x1"], "split": ["test"]})])
    splits.assign(group="g")[["patch_id", "group", "split"]].to_csv(tmp_path / "splits.csv", index=False)
    bare = pd.read_csv(table, dtype=str).drop(columns="split")
    bare.to_csv(tmp_path / "bare.csv", index=False)
    options = ["--size-m", "2560", "--splits", str(tmp_path / "splits.csv"), "--json"]
    told = json.loads(nowhere.run("leakage", str(tmp_path / "bare.csv"), *options, code=1))
    assert told["patches"] == 39
    assert told["worst"]["overlap"][0]["a"] == "000"
    assert told["worst"]["overlap"][0]["b"] == "038"
    assert told["table_notes"] == [
        "1 patches have no split in splits.csv and do not count: 007",
        "1 patches of splits.csv are not in the table: x1",
    ]


def test_patches_without_a_split_are_told(nowhere: Installation, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("id,lon,lat,split\na,-51,2,train\nb,-51,2,\nc,-52,2\n")
    told = json.loads(nowhere.run("leakage", str(tmp_path / "table.csv"), "--size-m", "480", "--json"))
    assert told["table_notes"] == ["2 patches have no split and do not count: b, c"]


def test_one_point_on_two_sides_leaks_in_a_table_without_ids(nowhere: Installation, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("lon,lat,split\n-51,2,train\n-51,2,test\n-52,2,train\n")
    assert json.loads(nowhere.run("leakage", str(tmp_path / "table.csv"), "--size-m", "480", "--json", code=1))["overlap"] == 1


def test_the_buffer_decides_which_distance_is_a_leak(nowhere: Installation, tmp_path: Path) -> None:
    table = points(tmp_path / "points.csv", leak=False)
    told = json.loads(nowhere.run("leakage", str(table), "--size-m", "480", "--json"))
    assert told["nearest_m"] == pytest.approx(11_058 - 480, abs=10)  # a tenth of a degree of latitude there
    told = json.loads(nowhere.run("leakage", str(table), "--size-m", "480", "--buffer-m", "10700", "--json", code=1))
    assert told["overlap"] == 16


@pytest.mark.parametrize("leak", [False, True])
def test_the_picture_marks_the_leak_in_red_and_nothing_where_there_is_none(
    nowhere: Installation, tmp_path: Path, leak: bool
) -> None:
    table = points(tmp_path / "points.csv", leak=leak)
    options = ["--size-m", "2560", "--picture", str(tmp_path / "map.png")]
    nowhere.run("leakage", str(table), *options, code=int(leak))
    pixels = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    red = (np.abs(pixels - (0xE4, 0x00, 0x0F)).max(axis=2) < 12).sum()
    assert red > 300 if leak else red == 0
    assert (np.abs(pixels - (0x4C, 0x72, 0xB0)).max(axis=2) < 60).sum() > 1_000


def test_names_with_dollar_signs_are_drawn_as_they_are(nowhere: Installation, tmp_path: Path) -> None:
    text = "id,lon,lat,split,region\n$a$,-51,2,$\\frac$,r$\\frac$\n$b$,-51,2,test,s\n"
    (tmp_path / "a$b$.csv").write_text(text)
    picture = tmp_path / "map.png"
    nowhere.run("leakage", str(tmp_path / "a$b$.csv"), "--size-m", "480", "--picture", str(picture), code=1)
    assert Image.open(picture).width > 500


def test_images_of_a_folder_show_a_duplicate_of_another_place(nowhere: Installation, tmp_path: Path) -> None:
    table = points(tmp_path / "points.csv", leak=False)
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    pictures[35] = pictures[2]
    (tmp_path / "images").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).resize((96, 96), Image.Resampling.BICUBIC).save(tmp_path / "images" / f"{number:03d}.jpg")
    options = ["--size-m", "480", "--images", str(tmp_path / "images"), "--json"]
    told = json.loads(nowhere.run("leakage", str(table), *options, code=1))
    assert (told["leaks"], told["near_duplicate"], told["overlap"]) == (2, 2, 0)
    assert told["worst"]["near_duplicate"][0]["b"] == "035"


def test_our_split_of_real_points_passes_and_a_random_one_fails(nowhere: Installation, tmp_path: Path) -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "osm_runway_points.geojson"
    if not path.exists():
        pytest.skip(f"the real {path} is absent; set MINING_PLATFORM_REALDATA")
    ours, size = tmp_path / "ours.csv", ["--size-m", "2560"]
    nowhere.run("split", str(path), "--method", "cluster", *size, "--out", str(ours))
    assert "No leak" in nowhere.run("leakage", str(path), *size, "--splits", str(ours))
    table = pd.read_csv(ours, dtype=str)
    table["split"] = np.random.default_rng(7).permutation(table["split"])
    table.to_csv(tmp_path / "random.csv", index=False)
    told = json.loads(nowhere.run("leakage", str(path), *size, "--splits", str(tmp_path / "random.csv"), "--json", code=1))
    assert told["overlap"] > 100
    assert told["nearest_m"] == 0


def test_the_simulated_release_passes_with_its_pictures(line: Line, tmp_path: Path) -> None:
    artifacts = line.installation.home / "artifacts" / "sim_ranges"
    (manifest,) = artifacts.glob("manifest/@2024/versions/*/manifest.parquet")
    stores = [str(path.parent) for path in artifacts.glob("patches/@*+2024/versions/*/patches.zarr")]
    options = [word for store in stores for word in ("--store", store)]
    told = json.loads(line.installation.run("leakage", str(manifest), *options, "--picture", str(tmp_path / "map.png"), "--json"))
    assert told["leaks"] == told["overlap"] == told["same_place_other_year"] == told["near_duplicate"] == 0
    assert told["same_scene"] > 0
    assert "told, not counted" in told["notes"]["same_scene"]
    assert (tmp_path / "map.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["absent.csv"], "There is no file absent.csv"),
        (["points.csv", "--size-m", "480", "--split-column", "side"], "no column 'side'; it has id, lon, lat, split"),
        (["bare.csv", "--size-m", "480"], "There is no split to audit: bare.csv has no column split"),
        (["names.csv"], "There is nothing to look for leaks by"),
        (["points.csv"], "points.csv holds points; say how large"),
        (["points.csv", "--size-m", "480", "--buffer-m", "-1"], "A buffer of -1.0 m is no distance"),
        (["points.csv", "--size-m", "480", "--splits", "names.csv"], "No patch of the table is in names.csv"),
        (["points.csv", "--size-m", "480", "--splits", "bare.csv"], "bare.csv has no columns ['split']; it has id, lon, lat"),
        (["points.csv", "--size-m", "480", "--store", "."], "is no patch store"),
        (["points.csv", "--size-m", "480", "--picture", "map.jpg"], "must end in .png"),
        (["points.csv", "--size-m", "480", "--picture", "absent/map.png"], "There is no folder absent"),
        (["places.csv", "--picture", "map.png"], "There is no map to draw: places.csv has no window ids"),
    ],
)
def test_bad_input_is_refused_with_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from mining_platform import cli, consoles

    table = pd.read_csv(points(tmp_path / "points.csv", leak=False), dtype=str)
    table.drop(columns="split").to_csv(tmp_path / "bare.csv", index=False)
    pd.DataFrame({"id": ["a", "b"], "split": ["train", "test"]}).to_csv(tmp_path / "names.csv", index=False)
    pd.DataFrame({"id": ["a", "b"], "place": ["x", "x"], "split": ["train", "test"]}).to_csv(tmp_path / "places.csv", index=False)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("sys.argv", ["mining-platform", "leakage", *arguments])
    monkeypatch.setattr(cli, "errors", consoles.Console(stderr=True, highlight=False, width=500))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before
