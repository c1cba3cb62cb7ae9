"""The command `evaluate` on anyone's tables, as a person runs it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mining_platform.cli import EXPECTED, app
from mining_platform.evaluations.curves import best_threshold
from mining_platform.evaluations.patch_scores import evaluate as evaluated
from tests.mining_platform.prediction_tables import noisy

COLUMNS = ("--label", "is_mining", "--score", "score")


def run(*arguments: object, code: int = 0) -> str:
    """The command in this process; what it printed, or the line it ends with."""
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    expected = isinstance(done.exception, EXPECTED)
    assert (2 if expected else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return " ".join((str(done.exception) if expected else done.output).split())


def told(*arguments: object) -> dict:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    noisy(1).assign(cluster=[f"c{row % 40}" for row in range(120)]).to_csv(tmp_path / "predictions.csv", index=False)
    return tmp_path / "predictions.csv"


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    rows = noisy(2)
    rows.assign(patch_id=rows["patch_id"] + "_val").to_csv(tmp_path / "validation.csv", index=False)
    return tmp_path / "validation.csv"


def test_the_command_tells_what_the_library_computes(table: Path) -> None:
    facts = told(table, *COLUMNS, "--by", "range", "--threshold", "0.5", "--cluster", "cluster", "--seed", "3")
    expected = evaluated(noisy(1).assign(cluster=[f"c{row % 40}" for row in range(120)]), 0.5, seed=3)
    for name in ("tp", "f1", "pr_auc", "roc_auc", "bootstrap", "f1_bootstrap", "calibration", "recall_by_range", "no_mining"):
        assert facts[name] == pytest.approx(expected[name]) if isinstance(facts[name], float) else facts[name] == expected[name]
    assert facts["notes"] == []


def test_facts_tables_and_figures_are_written_and_nothing_else(table: Path, tmp_path: Path) -> None:
    facts = told(table, *COLUMNS, "--by", "range", "--threshold", "0.5", "--out", tmp_path / "out")
    names = {"evaluation.json", "by_range.csv", "by_range.png", "precision_recall.png", "roc.png", "calibration.png"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert {Path(name).name for name in facts["written"]} == names
    ranges = pd.read_csv(tmp_path / "out" / "by_range.csv", dtype={"range": str})
    assert ranges["patches"].sum() == 120
    assert json.loads((tmp_path / "out" / "evaluation.json").read_text())["tp"] == facts["tp"]


def test_the_same_table_in_another_order_and_format_gives_the_same_bytes(table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).sample(frac=1, random_state=5).to_parquet(tmp_path / "predictions.parquet", index=False)
    for suffix in ("csv", "parquet"):
        run(tmp_path / f"predictions.{suffix}", *COLUMNS, "--by", "range", "--threshold", "0.5", "--out", tmp_path / suffix)
    for path in (tmp_path / "csv").iterdir():
        assert path.read_bytes() == (tmp_path / "parquet" / path.name).read_bytes(), path.name


def test_without_a_threshold_only_what_needs_none_is_told_and_that_is_said(table: Path) -> None:
    facts = told(table, *COLUMNS)
    assert "f1" not in facts
    assert facts["threshold"] is None
    assert facts["notes"][0].startswith("No threshold was given, so only scores that need none are told.")
    assert "No threshold was given" in run(table, *COLUMNS, "--by", "range")


def test_a_threshold_of_the_same_data_is_called_what_it_is(table: Path) -> None:
    facts = told(table, *COLUMNS, "--threshold", "same-data")
    rows = noisy(1)
    assert facts["threshold"] == best_threshold(rows["is_mining"].to_numpy(), rows["score"].to_numpy())
    assert facts["notes"] == [
        "The threshold was chosen on the same patches that are scored: precision, recall and F1 are better than on new patches, "
        "and their intervals do not tell by how much."
    ]


def test_the_threshold_of_a_validation_table_is_applied_once(table: Path, validation: Path) -> None:
    facts = told(table, *COLUMNS, "--validation", validation)
    rows = noisy(2)
    assert facts["threshold"] == best_threshold(rows["is_mining"].to_numpy(), rows["score"].to_numpy())
    assert facts["notes"] == ["The threshold has the greatest F1 on the 120 patches of validation.csv."]


def test_a_validation_table_that_shares_patches_with_the_test_is_refused(table: Path, tmp_path: Path) -> None:
    noisy(1).iloc[:5].to_csv(tmp_path / "leaky.csv", index=False)
    message = run(table, *COLUMNS, "--validation", tmp_path / "leaky.csv", code=2)
    assert "5 patches of" in message
    assert "are scored as well, such as ['w0_2024', 'w1_2024', 'w2_2024']" in message
    assert "Use --threshold same-data to say so" in run(table, *COLUMNS, "--validation", table, code=2)


def test_people_read_counts_intervals_ranges_and_notes(table: Path) -> None:
    text = run(table, *COLUMNS, "--by", "range", "--threshold", "0.5", "--cluster", "cluster")
    assert "120 patches, 62 with mining, 58 without." in text
    assert "separation" in text
    assert "050_060" in text
    for score in ("precision", "recall", "f1", "pr_auc", "roc_auc", "expected_calibration_error", "brier_score"):
        assert score in text


def test_any_column_can_part_the_scores(table: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(table).assign(site=[f"site {row % 3}" for row in range(120)])
    rows.to_csv(tmp_path / "sites.csv", index=False)
    facts = told(tmp_path / "sites.csv", *COLUMNS, "--by", "site", "--threshold", "0.5", "--out", tmp_path / "out")
    assert {name: row["patches"] for name, row in facts["by_group"].items()} == {"site 0": 40, "site 1": 40, "site 2": 40}
    assert sum(row["positives"] for row in facts["by_group"].values()) == facts["positives"]
    assert (tmp_path / "out" / "by_group.csv").is_file()
    assert (tmp_path / "out" / "by_group.png").is_file()


def test_tables_by_other_names_classes_and_folders_of_ranges_are_read(tmp_path: Path) -> None:
    rows = noisy(1)
    theirs = pd.DataFrame(
        {
            "tile": rows["patch_id"],
            "class": rows["is_mining"].map({True: "garimpo", False: "forest"}),
            "p": rows["score"],
            "folder": "range_" + rows["range"],
        }
    )
    theirs.to_csv(tmp_path / "theirs.tsv", sep="\t", index=False)
    options = ["--label", "class", "--score", "p", "--id", "tile", "--positive", "garimpo", "--by", "folder"]
    facts = told(tmp_path / "theirs.tsv", *options, "--threshold", "0.5")
    assert facts["recall_by_range"] == evaluated(rows, 0.5, seed=7)["recall_by_range"]


def test_two_models_are_compared_on_the_same_patches(table: Path, tmp_path: Path) -> None:
    rows = noisy(1)
    rows.assign(score=rows["score"] - 0.1 * rows["is_mining"]).sample(frac=1, random_state=1).to_csv(
        tmp_path / "other.csv", index=False
    )
    options = ["--threshold", "0.5", "--compare", tmp_path / "other.csv", "--compare-threshold", "0.5", "--cluster", "cluster"]
    facts = told(table, *COLUMNS, *options, "--out", tmp_path / "out")["comparison"]
    assert facts["scores"]["recall"]["difference"] > 0
    assert facts["scores"]["recall"]["by_cluster"]["low"] <= facts["scores"]["recall"]["difference"]
    assert json.loads((tmp_path / "out" / "comparison.json").read_text()) == facts
    assert "predictions.csv less other.csv, 120 patches, 62 with mining:" in run(table, *COLUMNS, *options)


def test_two_models_without_thresholds_are_compared_by_their_rankings(table: Path, tmp_path: Path) -> None:
    noisy(1).to_csv(tmp_path / "other.csv", index=False)
    facts = told(table, *COLUMNS, "--threshold", "0.5", "--compare", tmp_path / "other.csv")
    assert list(facts["comparison"]["scores"]) == ["pr_auc", "roc_auc"]
    assert any("compared by PR-AUC and ROC-AUC alone" in note for note in facts["notes"])


def test_tables_that_are_no_pair_are_refused(table: Path, tmp_path: Path) -> None:
    noisy(1).iloc[1:].to_csv(tmp_path / "fewer.csv", index=False)
    assert "1 only in the first, such as ['w0_2024']" in run(table, *COLUMNS, "--compare", tmp_path / "fewer.csv", code=2)
    noisy(1).drop(columns="patch_id").to_csv(tmp_path / "nameless.csv", index=False)
    message = run(table, *COLUMNS, "--compare", tmp_path / "nameless.csv", code=2)
    assert message.endswith("nameless.csv has no column of ids, by which two tables are joined. Name it with --id.")


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"score": "high"}, (), "column score: 120 rows hold no finite number, first row 1 (['high'])"),
        ({"score": np.inf}, (), "column score: 120 rows hold no finite number"),
        ({"is_mining": "2"}, (), "column is_mining holds ['2'], which say neither mining nor not."),
        ({"is_mining": ""}, (), "column is_mining: 120 rows are empty, first row 1"),
        ({"patch_id": "same"}, (), "1 ids stand on more than one row, such as ['same']"),
        ({"is_mining": True}, ("--by", "range"), "patches have a class that contradicts their range"),
        ({}, ("--by", "biome"), "has no column 'biome'; it has patch_id, is_mining, score"),
        ({}, ("--positive", "garimpo"), "column is_mining never is 'garimpo'; it is ['False', 'True']"),
        ({}, ("--threshold", "half"), "'half' is no threshold. Write a number such as 0.5, or same-data."),
        ({}, ("--threshold", "nan"), "'nan' is no threshold"),
        ({"is_mining": False}, ("--threshold", "same-data"), "holds no patch with mining, so no threshold can be chosen"),
        ({}, ("--threshold", "0.5", "--prevalence", "5"), "A prevalence is a share in [0, 1]; got 5"),
        ({}, ("--prevalence", "0.1"), "--prevalence tells the precision at a threshold"),
        ({}, ("--compare-threshold", "0.5"), "are of another model. Name its table with --compare."),
        ({}, ("--out", "no/such/folder"), "There is no folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_clear_sentence(table: Path, change: dict, options: tuple, message: str) -> None:
    pd.read_csv(table).assign(**change).to_csv(table, index=False)
    assert message in run(table, *COLUMNS, *options, code=2)


def test_a_file_that_is_not_there_or_no_table_is_refused(tmp_path: Path) -> None:
    assert "There is no file" in run(tmp_path / "none.csv", *COLUMNS, code=2)
    (tmp_path / "image.tif").write_bytes(b"II")
    assert "is no table of patches" in run(tmp_path / "image.tif", *COLUMNS, code=2)
    (tmp_path / "empty.csv").write_text("patch_id,is_mining,score\n")
    assert "empty.csv has no rows" in run(tmp_path / "empty.csv", *COLUMNS, code=2)


def test_threshold_and_validation_together_are_refused(table: Path, validation: Path) -> None:
    assert "Use one of them" in run(table, *COLUMNS, "--threshold", "0.5", "--validation", validation, code=2)


def test_precision_is_told_for_the_landscape(table: Path) -> None:
    facts = told(table, *COLUMNS, "--threshold", "0.5", "--prevalence", "0.01")
    expected = evaluated(noisy(1), 0.5, seed=7, prevalence=0.01)["precision_at_prevalence"]
    assert facts["precision_at_prevalence"] == pytest.approx(expected)


def test_figures_of_simulated_data_are_marked(table: Path, tmp_path: Path) -> None:
    for name, flag in (("plain", ()), ("marked", ("--simulated",))):
        run(table, *COLUMNS, *flag, "--out", tmp_path / name)
    assert (tmp_path / "plain" / "roc.png").read_bytes() != (tmp_path / "marked" / "roc.png").read_bytes()
    assert json.loads((tmp_path / "marked" / "evaluation.json").read_text())["simulated"] is True


def test_a_name_that_a_spreadsheet_would_run_is_not_written(table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).assign(site="=1+1").to_csv(table, index=False)
    message = run(table, *COLUMNS, "--by", "site", "--out", tmp_path / "out", code=2)
    assert "would be run as a formula" in message
    assert not (tmp_path / "out").exists()
