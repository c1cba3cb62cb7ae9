"""The summary of experiments: scores, the published table beside ours, paired differences, and what is not made."""

import io
import re
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from mining_platform.evaluations.comparisons import compare
from mining_platform.evaluations.patch_scores import evaluate
from mining_platform.experiment_figures import summary_figures
from mining_platform.experiment_pages import matrices, summary_files
from mining_platform.experiment_summaries import Evaluated, Summary, class_rows, same_patches, summarised
from mining_platform.experiment_trials import Trial, trial_settings
from mining_platform.experiments import EXPERIMENTS
from tests.mining_platform.prediction_tables import SIX, noisy

ROWS = [
    replace(EXPERIMENTS["sim-cnn"], id=name)
    for name in ("sim-asgm-1", "sim-asgm-2", "sim-asgm-2-no-highway", "sim-asgm-2-no-waterway", "sim-asgm-9")
]
PIXELS = replace(EXPERIMENTS["sim-smallmines-unet"], id="sim-pixels")


def evaluated(predictions: pd.DataFrame, threshold: float = 0.5, **facts: Any) -> Evaluated:
    """As the asset has it, with a baseline that finds nothing and one that finds all."""
    told = evaluate(predictions, threshold, seed=7, resamples=200) | {"simulated": True}
    told["baselines"] = {"always_no": {"f1": None}, "ndvi": {"f1": 0.25}, "band_means": {"f1": 0.75}}
    return Evaluated(told | facts, predictions, "d" * 64)


def swapped(predictions: pd.DataFrame, patch_id: str, score: float) -> pd.DataFrame:
    """The same patches, one of them with another score."""
    return predictions.assign(score=predictions["score"].where(predictions["patch_id"] != patch_id, score))


TWO = SIX.assign(cluster=["a", "a", "b", "b", "c", "c"])
FOUND_ALL = swapped(TWO, "w0_2024", 0.6)  # the mine that TWO misses is found
SEGMENTED = Evaluated(
    {
        "simulated": True,
        "task": "segmentation",
        "threshold": 0.4,
        "patches": 3,
        "pixels": 40,
        "mean_iou": 0.5,
        "classes": {
            "other": {"pixels": 30, "predicted_pixels": 28, "iou": 0.7, "precision": 0.9, "recall": 0.8, "f1": 0.82},
            "mining": {"pixels": 10, "predicted_pixels": 12, "iou": 0.3, "precision": 0.4, "recall": 0.5, "f1": 0.46},
        },
        "bootstrap": {"by_cluster": {"units": 2, "iou": {"mining": {"low": 0.1, "high": 0.4}, "other": None}}},
    },
    pd.DataFrame({"patch_id": ["a", "b", "c"], "is_mining": [True, False, True], "mining_px": [6, 0, 4], "called_px": [7, 1, 4]}),
    "e" * 64,
)


@pytest.fixture(scope="module")
def summary() -> Summary:
    found = {
        "sim-asgm-2": evaluated(FOUND_ALL),
        "sim-asgm-2-no-highway": evaluated(TWO, **trial_settings(Trial(epochs=2, max_patches=48))),
        "sim-asgm-9": evaluated(noisy(3)),
        "sim-pixels": SEGMENTED,
    }
    return summarised(2024, [*ROWS, PIXELS], found, resamples=200)


def row(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (found,) = [each for each in rows if all(each[name] == value for name, value in wanted.items())]
    return found


def test_scores_stand_beside_their_counts(summary: Summary) -> None:
    found = row(summary.experiments, experiment="sim-asgm-2-no-highway")
    assert [found[name] for name in ("tp", "fp", "fn", "tn", "positives", "patches", "prevalence")] == [2, 1, 1, 2, 3, 6, 0.5]
    assert found["precision"] == found["recall"] == found["f1"] == 2 / 3
    assert (found["interval_by"], found["interval_units"]) == ("cluster", 3)
    assert (found["data"], found["trial"]) == ("SIMULATED", "small trial: 48 patches, 2 epochs")
    assert (found["baseline"], found["baseline_f1"]) == ("band_means", 0.75)


def test_an_experiment_without_an_evaluation_is_named_as_not_made(summary: Summary) -> None:
    states = {each["experiment"]: each["state"] for each in summary.experiments}
    assert {name for name, state in states.items() if state == "not made"} == {"sim-asgm-1", "sim-asgm-2-no-waterway"}
    assert row(summary.experiments, experiment="sim-asgm-1")["f1"] is None
    page = summary_files(summary)["summary.html"].decode()
    named = page[page.index("Not made: ") : page.index("<h2>")]
    assert re.findall(r">(sim-[a-z0-9-]+)<", named) == ["sim-asgm-1", "sim-asgm-2-no-waterway"]


def test_an_ablation_is_the_paired_difference_to_its_base(summary: Summary) -> None:
    found = row(summary.ablations, without="highway")
    told = compare(TWO, FOUND_ALL, (0.5, 0.5), seed=7, resamples=200)["scores"]["f1"]
    assert (found["f1_first"], found["f1_second"]) == (2 / 3, 6 / 7)
    assert found["f1_difference"] == 2 / 3 - 6 / 7
    assert (found["f1_cluster_low"], found["f1_cluster_high"]) == (told["by_cluster"]["low"], told["by_cluster"]["high"])
    assert (found["only_first_right"], found["only_second_right"], found["published_f1"]) == (0, 1, 0.587)
    assert row(summary.ablations, without="waterway") | {"state": "not made", "f1_difference": None} == row(
        summary.ablations, without="waterway"
    )


def test_only_experiments_on_the_same_patches_with_the_same_classes_are_compared(summary: Summary) -> None:
    assert [(each["first"], each["second"]) for each in summary.comparisons] == [("sim-asgm-2-no-highway", "sim-asgm-2")]
    other_class = TWO.assign(is_mining=~TWO["is_mining"])
    tables = {"a": evaluated(TWO), "b": evaluated(FOUND_ALL), "c": Evaluated({}, other_class, ""), "d": evaluated(noisy(1))}
    assert same_patches(tables) == [("a", "b")]


def test_the_published_row_stands_beside_ours_and_what_differs_is_told(summary: Summary) -> None:
    found = row(summary.documents, number=2)
    assert (found["f1"], found["ours_f1"], found["ours"], found["ours_positives"]) == (0.923, 6 / 7, "sim-asgm-2", 3)
    assert found["differs"] == ("SIMULATED ground (sim-igarape sim-serra); year 2024; 3 test patches with mining, not 20")
    assert row(summary.documents, number=1)["ours_state"] == "not made"
    assert row(summary.documents, number=7)["ours_state"] == "no such experiment of this year"
    assert [each["number"] for each in summary.documents] == list(range(1, 11))


def test_classes_of_pixels_have_their_iou_and_their_pixels(summary: Summary) -> None:
    mining = row(summary.segmentations, **{"class": "mining"})
    assert [mining[name] for name in ("iou", "iou_low", "iou_high", "pixels", "interval_units")] == [0.3, 0.1, 0.4, 10, 2]
    assert row(summary.segmentations, **{"class": "other"})["iou_low"] is None
    whole = row(summary.experiments, experiment="sim-pixels")
    assert (whole["task"], whole["positives"], whole["patches"], whole["mean_iou"]) == ("segmentation", 2, 3, 0.5)


def test_a_prompted_model_has_its_scores_with_and_without_prompts_of_the_labels() -> None:
    pointed = {
        **SEGMENTED.facts,
        "prompts": "the whole patch",
        "pointed_at": {**SEGMENTED.facts, "prompts": "boxes of the labels"},
    }
    rows = class_rows("sim-sam", pointed)
    assert [each["prompts"] for each in rows] == ["the whole patch"] * 2 + ["boxes of the labels"] * 2


def test_the_tables_are_written_with_these_numbers(summary: Summary) -> None:
    files = summary_files(summary)
    table = pd.read_csv(io.BytesIO(files["summary.csv"])).set_index("experiment")
    assert table.loc["sim-asgm-2", ["tp", "fp", "fn", "positives"]].tolist() == [3, 1, 0, 3]
    assert table.loc["sim-asgm-1", "state"] == "not made"
    assert pd.read_csv(io.BytesIO(files["comparisons.csv"]))["f1_difference"].tolist() == [2 / 3 - 6 / 7]
    assert {"documents.csv", "ablations.csv", "segmentation.csv", "f1.png", "ablation.png", "iou.png"} <= set(files)
    assert summary_files(summary) == files


def test_the_page_is_self_contained_and_says_simulated_and_what_are_trials(summary: Summary) -> None:
    page = summary_files(summary)["summary.html"].decode()
    assert "SIMULATED DATA: no number on this page says anything of a real place" in page
    assert "small trial: 48 patches, 2 epochs" in page
    assert 'name="viewport"' in page
    assert "http" not in page.replace("https://doi.org", "")
    assert page.count("src=") == page.count('src="data:image/png;base64,') == 3


def test_real_and_simulated_experiments_are_told_apart() -> None:
    found = {"sim-asgm-2": evaluated(FOUND_ALL), "sim-asgm-1": evaluated(noisy(2), simulated=False)}
    page = summary_files(summarised(2024, ROWS, found, resamples=100))["summary.html"].decode()
    assert "PARTLY SIMULATED DATA" in page
    assert page.count('<span class="tag">SIMULATED</span>') == 1


def test_a_year_of_nothing_but_segmentation_has_a_page_too() -> None:
    summary = summarised(2024, [PIXELS], {"sim-pixels": SEGMENTED}, resamples=100)
    assert set(summary_figures(summary)) == {"iou.png"}
    assert "Paired comparison" not in summary_files(summary)["summary.html"].decode()


def test_a_matrix_holds_each_pair_once() -> None:
    tables = {each.id: evaluated(swapped(TWO, "w0_2024", score)) for each, score in zip(ROWS[:3], (0.2, 0.6, 0.7), strict=True)}
    (matrix,) = matrices(summarised(2024, ROWS, tables, resamples=100))
    assert matrix["columns"] == ["sim-asgm-1", "sim-asgm-2"]
    cells = {each["name"]: [cell and (cell["first"], cell["second"]) for cell in each["cells"]] for each in matrix["rows"]}
    assert cells == {
        "sim-asgm-2": [("sim-asgm-2", "sim-asgm-1"), None],
        "sim-asgm-2-no-highway": [("sim-asgm-2-no-highway", "sim-asgm-1"), ("sim-asgm-2-no-highway", "sim-asgm-2")],
    }
