"""The command `import` as a person uses it: folders and archives of others, and releases exported by the line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from mining_platform import patches
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact
from mining_platform.cli import app
from mining_platform.consoles import CommandError
from mining_platform.imports.findings import PatchImportError
from tests.conftest import ROOT, Installation, Line, small_regions
from tests.mining_platform.import_folders import imported, write_labelled, write_smallmines, write_splits


@pytest.fixture
def home(tmp_path: Path) -> Installation:
    """An empty installation."""
    return Installation(tmp_path / "home", small_regions(tmp_path / "regions.geojson"))


def take(home: Installation, folder: Path, *options: str, code: int = 0) -> dict[str, Any]:
    printed = home.run("import", str(folder), *options, "--json", code=code)
    return json.loads(printed[printed.index("{") : printed.rindex("}") + 1])


def store_of(told: dict[str, Any], ref: str) -> Path:
    return Path(next(each["path"] for each in told["versions"] if each["ref"] == ref))


def test_an_archive_of_others_is_imported_once_and_dagster_knows_of_it(home: Installation, tmp_path: Path) -> None:
    folder = write_smallmines(tmp_path / "SmallMinesDS", {1: {2016: 3, 2022: 5}, 2: {2016: 9, 2022: 20}})
    write_splits(folder / "splits_2016.csv", [("IMG_0001_2016", 4.8, "train"), ("IMG_0002_2016", 14.3, "test")])
    archive = tmp_path / "SmallMinesDS.tar.gz"
    subprocess.run(["tar", "-czf", str(archive), "-C", str(tmp_path), "SmallMinesDS"], check=True)
    printed = home.run("import", str(archive), "--layout", "smallmines", "--region", "ashanti")
    assert "imported/patches@smallminesds|ashanti|2016" in printed
    assert "2 patches have no published split: IMG_GH_0001_2022, IMG_GH_0002_2022" in printed
    again = take(home, archive, "--layout", "smallmines", "--region", "ashanti")
    assert [each["skipped"] for each in again["versions"]] == [True] * 4
    assert [each["kind"] for each in again["findings"]] == ["no split"]
    known = subprocess.run(
        [sys.executable, "-c", _KNOWN], cwd=ROOT, env=home.environment, capture_output=True, text=True, check=True
    ).stdout
    digests = {each["ref"]: each["digest"] for each in again["versions"]}
    assert json.loads(known.splitlines()[-1]) == {
        "partitions": ["smallminesds|ashanti|2016", "smallminesds|ashanti|2022"],
        "digest": digests["imported/patches@smallminesds|ashanti|2016"],
    }


_KNOWN = """
import json
from assets_defs.instances import opened_instance
from assets_defs.runner import known_digest
from mining_platform.artifacts import Ref
with opened_instance() as instance:
    keys = sorted(instance.get_dynamic_partitions("imported_patches"))
    print(json.dumps({"partitions": keys, "digest": known_digest(instance, Ref("imported/patches", keys[0]))}))
"""


def test_refusals_say_what_where_and_how_to_mend_and_leave_nothing(home: Installation, tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "wild", label=["mining", "maybe", "other", "other"])
    printed = home.run("import", str(folder), "--layout", "labelled-folder", "--region", "r", "--channels", "rgb", code=2)
    assert "1 rows with an unknown label: p1 (line 3)" in printed
    assert "--leave-out-bad-rows" in printed
    assert "Traceback" not in printed
    assert not list(home.home.glob("artifacts/imported/**/current.json"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layout", "folders"], r"There is no layout 'folders'"),
        (["--keep", "clouds"], r"--keep knows constant, nonpositive, duplicates, units; not clouds"),
        (["--region", "No Region"], r"'No Region' is no region id"),
        (["--name", "A name"], r"'A name' is no name of an import"),
        (["--offset", "-0.2"], r"--offset goes with --scale"),
        (["--scale", "0"], r"--scale 0 is no scale"),
        (["--column", "depth=x"], r"write MEANING=NAME"),
        (["--channels", "B4"], r"B4 are no channels"),
    ],
)
def test_options_that_mean_nothing_are_refused_before_anything_is_opened(
    tmp_path: Path, options: list[str], message: str
) -> None:
    given = ["import", str(tmp_path), "--layout", "labelled-folder", *options]
    with pytest.raises((CommandError, PatchImportError), match=message):
        app(given, standalone_mode=False)


@pytest.mark.slow
def test_the_table_of_an_import_goes_into_the_commands_split_and_leakage(home: Installation, tmp_path: Path) -> None:
    folder = write_smallmines(tmp_path / "small", {1: {2016: 3, 2022: 5}, 2: {2016: 9, 2022: 20}})
    for year, sides in ((2016, ("train", "test")), (2022, ("test", "test"))):
        write_splits(folder / f"splits_{year}.csv", [(f"IMG_{tile}_{year}", 10, side) for tile, side in enumerate(sides, 1)])
    told = take(home, folder, "--layout", "smallmines", "--region", "ashanti")
    tables = [str(store_of(told, f"imported/manifest@small|{year}") / "manifest.parquet") for year in (2016, 2022)]
    report = home.run("leakage", *tables, "--json", code=1)
    assert json.loads(report[report.index("{") :])["same_place_other_year"] == 1
    home.run("split", *tables, "--method", "paired", "--fractions", "50,50", "--out", str(tmp_path / "splits.csv"))
    assert len(pd.read_csv(tmp_path / "splits.csv")) == 4


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["proportion-ranges", "smallmines", "sites"])
def test_a_release_of_the_line_comes_back_as_it_was(line: Line, tmp_path: Path, layout: str) -> None:
    bands = ["--bands"] if layout == "proportion-ranges" else []
    out, store = tmp_path / "released", ArtifactStore(tmp_path / "artifacts")
    line.installation.run("export", "--dataset", "sim_ranges", "--year", "2024", "--out", str(out), "--layout", layout, *bands)
    imported(out, store, layout, name="released", region="")
    (version,) = line.installation.home.glob("artifacts/sim_ranges/manifest/@2024/versions/*/manifest.parquet")
    before = gpd.read_parquet(version).set_index("patch_id")
    made = open_artifact(store, Ref("imported/manifest", "released|2024"))
    table = gpd.read_parquet(made.path / "manifest.parquet").set_index("patch_id")
    kept = before[~before["dropped"]]
    kept = kept[kept["split"] != "buffer"] if layout == "sites" else kept
    pd.testing.assert_frame_equal(
        pd.DataFrame(table.drop(columns="store_row")), pd.DataFrame(kept.loc[table.index].drop(columns="store_row"))
    )
    assert set(table.index) == set(kept.index)
    assert made.facts["simulated"]
    for region, rows in kept.groupby("region"):
        (old,) = line.installation.home.glob(f"artifacts/sim_ranges/patches/@{region}+2024/versions/*")
        new = open_artifact(store, Ref("imported/patches", f"released|{region}|2024")).path
        ours, theirs = rows["store_row"].tolist(), table.loc[rows.index, "store_row"].tolist()
        assert np.array_equal(patches.read_images(old, ours), patches.read_images(new, theirs))
        assert np.array_equal(patches.read_labels(old, ours), patches.read_labels(new, theirs))
