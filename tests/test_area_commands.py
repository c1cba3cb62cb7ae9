"""The commands `area sample` and `area estimate`, as a person runs them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from tests.mining_platform.test_area_estimates import OLOFSSON_COUNTS, OLOFSSON_HA, OLOFSSON_PIXELS, olofsson_sample

NAMES = list(OLOFSSON_PIXELS)
SCORES = np.linspace(0, 1, 400).reshape(20, 20)


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["area", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return " ".join((str(done.exception) if expected else done.output).split())


def told(*arguments: object) -> dict[str, Any]:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    """A map of 20 x 20 cells of 100 m, scores rising from 0 to 1, its first row without any."""
    path = tmp_path / "probability.tif"
    scores = SCORES.astype(np.float32).copy()
    scores[0] = np.nan
    shape = {"driver": "GTiff", "count": 1, "height": 20, "width": 20, "dtype": "float32", "nodata": np.nan}
    with rasterio.open(path, "w", crs="EPSG:32722", transform=Affine(100, 0, 500_000, 0, -100, 9_800_000), **shape) as file:
        file.write(scores, 1)
    return path


@pytest.fixture
def drawn(map_file: Path) -> Path:
    out = map_file.with_name("sample.csv")
    options = ("--strata", "0.5,0.8", "--n", "100", "--least", "20", "--seed", "3", "--threshold", "0.8", "--out", out)
    assert told("sample", map_file, *options)["drawn"] == 100
    return out


def reviewed(path: Path, change: Any = lambda table: table) -> Path:
    """The sample with the truth filled in: mining is where the score is above 0.7."""
    table = pd.read_csv(path)
    scores = pd.Series(
        {f"32722_{500_000 + 100 * j}_{9_800_000 - 100 * i}_100": SCORES[i, j] for i, j in np.ndindex(SCORES.shape)}
    )
    table["share"] = (table["window_id"].map(scores) > 0.7).astype(int)
    change(table).to_csv(path, index=False)
    return path


def test_every_window_of_the_sample_tells_how_likely_it_was_drawn(drawn: Path) -> None:
    table = pd.read_csv(drawn)
    assert table["stratum"].value_counts().to_dict().keys() == {"below 0.5", "0.5 to 0.8", "0.8 and above"}
    counts = table.groupby("stratum")["window_id"].transform("size")
    assert np.allclose(table["inclusion_probability"], counts / table["stratum_windows"])
    assert set(table["window_area_m2"]) == {10_000}
    assert table["share"].isna().all()
    assert "score" not in table  # a reviewer who sees it looks for what it says
    assert table["stratum_windows"].groupby(table["stratum"]).first().sum() == 380  # the first row of the map has no score


def test_a_reviewed_sample_gives_the_area_and_an_interval_that_holds_the_truth(drawn: Path) -> None:
    facts = told("estimate", reviewed(drawn))
    true_ha = float((SCORES[1:] > 0.7).sum())  # a cell is a hectare
    assert facts["low_ha"] < true_ha < facts["high_ha"]
    assert facts["area_ha"] == pytest.approx(true_ha, rel=0.15)
    assert facts["accuracy"]["users"]["value"] == 1  # all that is called mining from 0.8 on is mining
    assert facts["accuracy"]["producers"]["low"] < 80 / true_ha < facts["accuracy"]["producers"]["high"]


def test_the_same_seed_draws_the_same_windows(map_file: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        run("sample", map_file, "--strata", "0.5", "--n", "60", "--least", "20", "--seed", "5", "--out", tmp_path / f"{name}.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def published_accuracy(reference: str) -> list[float]:
    """User's accuracy, its standard error, producer's and its: Olofsson et al. 2014, equations 6 and 7, from their table 8."""
    j, sizes, n = NAMES.index(reference), np.array(list(OLOFSSON_PIXELS.values())), OLOFSSON_COUNTS.sum(axis=1)
    found = OLOFSSON_COUNTS[:, j] / n
    users, total = found[j], (sizes * found).sum()
    producers = sizes[j] * users / total
    spread = sizes**2 * found * (1 - found) / (n - 1)
    others = np.delete(spread, j).sum()
    variance = (spread[j] * (1 - producers) ** 2 + producers**2 * others) / total**2
    return [users, (users * (1 - users) / (n[j] - 1)) ** 0.5, producers, variance**0.5]


@pytest.mark.parametrize("reference", NAMES)
def test_the_published_example_comes_out_of_the_command(tmp_path: Path, reference: str) -> None:
    sample = olofsson_sample(reference)
    sample.assign(mapped_mining=sample["stratum"] == reference).to_csv(tmp_path / "olofsson.csv", index=False)
    facts = told("estimate", tmp_path / "olofsson.csv", "--window-m", "30")
    assert facts["area_ha"] == pytest.approx(OLOFSSON_HA[reference][0], abs=0.5)
    assert (facts["high_ha"] - facts["low_ha"]) / 2 == pytest.approx(OLOFSSON_HA[reference][1], rel=2e-4)
    found = [facts["accuracy"][name][part] for name in ("users", "producers") for part in ("value", "standard_error")]
    assert found == pytest.approx(published_accuracy(reference), rel=1e-3)  # there without the finite correction
    assert "only their numbers in each stratum were checked" in facts["notes"][0]


def test_a_table_of_all_windows_is_sampled_by_a_column_of_its_own(tmp_path: Path) -> None:
    names = np.repeat(list(OLOFSSON_PIXELS), 50)
    pd.DataFrame({"window_id": [f"w{row}" for row in range(200)], "kind": names}).to_csv(tmp_path / "windows.csv", index=False)
    options = (
        "--strata",
        "kind",
        "--n",
        "40",
        "--least",
        "5",
        "--seed",
        "1",
        "--window-m",
        "30",
        "--out",
        tmp_path / "sample.csv",
    )
    assert {
        row["stratum"]: row["drawn"] for row in told("sample", tmp_path / "windows.csv", *options)["strata"]
    } == dict.fromkeys(OLOFSSON_PIXELS, 10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table.drop(columns="inclusion_probability"),
            "has no inclusion_probability. An area with an interval needs",
        ),
        (lambda table: table.iloc[1:], "windows were drawn"),
        (lambda table: table[table["stratum"] != "below 0.5"], "The sample is not the one that was drawn"),
        (
            lambda table: table.replace(table["window_id"][0], "32722_500100_9799900_100x"),
            "The sample is not the one that was drawn",
        ),
        (lambda table: table.assign(share=""), "100 windows have no share from 0 to 1"),
        (lambda table: table.drop(columns="window_area_m2"), "Name their side by --window-m"),
    ],
)
def test_what_is_no_whole_probability_sample_is_refused(drawn: Path, change: Any, message: str) -> None:
    assert message in run("estimate", reviewed(drawn, change), code=2)


def test_a_sample_that_cannot_be_drawn_is_refused(map_file: Path, tmp_path: Path) -> None:
    base = ("--n", "60", "--seed", "1", "--out", tmp_path / "out.csv")
    assert "a map has no columns" in run("sample", map_file, "--strata", "kind", *base, code=2)
    assert "from low to high" in run("sample", map_file, "--strata", "0.7,0.2", *base, code=2)
    assert "cannot be shared over strata" in run("sample", map_file, "--strata", "0.2,0.7", *base, code=2)
    pd.DataFrame({"window_id": ["a"], "score": [0.5]}).to_csv(tmp_path / "table.csv", index=False)
    assert "by --window-m" in run("sample", tmp_path / "table.csv", "--strata", "0.5", *base, code=2)
    assert not (tmp_path / "out.csv").exists()
