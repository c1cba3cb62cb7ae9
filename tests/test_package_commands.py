"""`export` and `verify` as a person uses them, on the line's releases."""

import json
import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest

from mining_platform import package_commands
from tests.conftest import Installation, Line

LAYOUTS = ("proportion-ranges", "smallmines", "sites")


def export(home: Installation, out: Path, *options: str, year: str = "2024", code: int = 0) -> str:
    return home.run("export", "--dataset", "sim_ranges", "--year", year, "--out", str(out), *options, code=code)


@pytest.fixture(scope="module")
def exported(line: Line, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The release of 2024 in each layout."""
    folder = tmp_path_factory.mktemp("exported")
    for layout in LAYOUTS:
        bands = ["--bands"] if layout == "proportion-ranges" else []
        export(line.installation, folder / layout, "--layout", layout, *bands)
    return {layout: folder / layout for layout in LAYOUTS}


def verified(home: Installation, folder: Path, code: int = 0) -> dict[str, Any]:
    printed = home.run("verify", str(folder), "--json", code=code)
    return json.loads(printed[printed.index("{") : printed.rindex("}") + 1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_verifies(line: Line, exported: dict[str, Path], layout: str) -> None:
    found = verified(line.installation, exported[layout])
    assert found["whole"]
    assert found["problems"] == []
    assert found["recomputed"] == found["patches"] > 20
    assert "SIMULATED" in (exported[layout] / "README.md").read_text()


def test_the_asset_package_and_an_export_are_the_same_bytes_and_verify(line: Line, tmp_path: Path) -> None:
    export(line.installation, tmp_path / "again")
    (pointer,) = line.installation.home.glob("artifacts/sim_ranges/package/@2024/current.json")
    version = pointer.parent / "versions" / json.loads(pointer.read_text())["digest"]
    assert (version / "package" / "checksums.txt").read_bytes() == (tmp_path / "again" / "checksums.txt").read_bytes()
    found = verified(line.installation, version)
    assert found["whole"]
    assert found["recomputed"] > 20
    assert (version / "preview.png").exists()


def test_a_damaged_store_is_named_by_verify_and_never_read(line: Line, tmp_path: Path) -> None:
    (pointer,) = line.installation.home.glob("artifacts/sim_ranges/patches/@sim-serra+2024/current.json")
    digest = json.loads(pointer.read_text())["digest"]
    copy = tmp_path / digest
    shutil.copytree(pointer.parent / "versions" / digest, copy)
    shard = next(
        path for path in sorted((copy / "patches.zarr" / "image").rglob("*")) if path.is_file() and path.name != "zarr.json"
    )
    shard.chmod(0o644)
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 4
    shard.write_bytes(content)
    (copy / "patches.zarr" / "label" / "zarr.json").unlink()
    found = verified(line.installation, copy, code=1)
    named = {each["file"]: each["problem"] for each in found["problems"]}
    assert named["patches.zarr/label/zarr.json"] == "is missing"
    shutil.copy(pointer.parent / "versions" / digest / "patches.zarr" / "label" / "zarr.json", copy / "patches.zarr" / "label")
    found = verified(line.installation, copy, code=1)
    assert [each["file"] for each in found["problems"]] == [shard.relative_to(copy).as_posix()]


@pytest.mark.slow
def test_archives_lie_beside_the_folder_and_are_the_same_bytes_twice(line: Line, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        printed = export(line.installation, tmp_path / folder / "release", "--zip", "--tar", "--layout", "sites")
        assert "release.tar.gz" in printed
    for suffix in (".zip", ".tar.gz"):
        first, second = ((tmp_path / folder / f"release{suffix}").read_bytes() for folder in ("one", "two"))
        assert first == second
    shutil.unpack_archive(tmp_path / "one" / "release.tar.gz", tmp_path / "unpacked", filter="data")
    assert verified(line.installation, tmp_path / "unpacked" / "release")["whole"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["release", "release.tar.gz", "release.zip"]


@pytest.mark.slow
def test_two_years_make_one_package_in_which_a_tile_is_the_same_ground(line: Line, tmp_path: Path) -> None:
    export(line.installation, tmp_path / "both", "--layout", "smallmines", year="2023-2024")
    export(line.installation, tmp_path / "again", "--layout", "smallmines", year="2024,2023,2024")
    assert (tmp_path / "again" / "checksums.txt").read_bytes() == (tmp_path / "both" / "checksums.txt").read_bytes()
    table = gpd.read_parquet(tmp_path / "both" / "manifest.parquet")
    assert set(table["year"]) == {2023, 2024}
    assert (table.groupby("tile")["window_id"].nunique() == 1).all()
    assert verified(line.installation, tmp_path / "both")["whole"]


def test_authors_and_date_are_those_given(line: Line, tmp_path: Path) -> None:
    export(line.installation, tmp_path / "p", "--author", "Souza, Maria", "--author", "A Newsroom", "--date", "20260304")
    citation = (tmp_path / "p" / "CITATION.cff").read_text()
    assert "Souza" in citation
    assert "A Newsroom" in citation
    assert "2026-03-04" in citation


@pytest.mark.parametrize(
    ("options", "year", "message"),
    [
        (("--layout", "folders"), "2024", "Unknown layout 'folders'"),
        (("--layout", "sites", "--bands"), "2024", "--bands is for the layout proportion-ranges"),
        (("--date", "yesterday"), "2024", "'yesterday' is no day"),
        (("--author", " "), "2024", "An --author has no name"),
        ((), "2019", "was never made"),
        ((), "", "Name a year"),
        (("--layout", "sites"), "2023,2024", "holds one year"),
    ],
)
def test_what_cannot_be_exported_is_told_and_leaves_nothing(
    line: Line, tmp_path: Path, options: tuple[str, ...], year: str, message: str
) -> None:
    printed = export(line.installation, tmp_path / "out", *options, year=year, code=2)
    assert message in printed
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_touched(line: Line, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert "is there already" in export(line.installation, tmp_path, code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_export_that_comes_second_fails_and_touches_no_file_of_the_first(tmp_path: Path) -> None:
    for folder, text in ((tmp_path, "first"), (tmp_path / "beside", "second")):
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "README.md").write_text(text)
        (folder / "out.zip").write_text(text)
    with pytest.raises(OSError, match="not empty"):
        package_commands._put(tmp_path / "beside", tmp_path / "out", [".zip"])
    assert (tmp_path / "out.zip").read_text() == (tmp_path / "out" / "README.md").read_text() == "first"


def test_a_folder_that_is_no_package_is_told(line: Line, tmp_path: Path) -> None:
    assert "is no package" in line.installation.run("verify", str(tmp_path), code=2)


def test_a_damaged_package_is_told_with_its_files_and_exit_code_1(line: Line, exported: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(exported["sites"], tmp_path / "copy"))
    picture = sorted(copy.rglob("rgb/*/*.png"))[3]
    picture.write_bytes(picture.read_bytes()[:100])
    printed = line.installation.run("verify", str(copy), code=1)
    assert picture.relative_to(copy).as_posix() in printed
    assert "not whole" in printed
