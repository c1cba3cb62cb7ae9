"""The asset `experiment_summary`: what it rests on, when it is chosen, and what it publishes."""

from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, open_artifact, produce
from mining_platform.datasets import DATASETS
from mining_platform.graph import active_experiments, build_steps
from mining_platform.pipeline import Platform, inputs_now
from mining_platform.plans import Selection, select
from mining_platform.region_files import load_regions
from mining_platform.reports import write_report
from mining_platform.stages.experiments import summarise_experiments
from tests.mining_platform.evaluated_stores import put_evaluation

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
SUMMARY = STEPS["experiment_summary"]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    sources: Any = None
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), sources, sources)


def made(platform: Platform) -> Any:
    return produce(
        platform.artifacts,
        Ref(SUMMARY.asset, "2024"),
        inputs=inputs_now(platform, SUMMARY, "2024"),
        code_version=SUMMARY.version,
        config=SUMMARY.config(platform, "2024"),
        compute=lambda inputs, out: summarise_experiments(platform, "2024", inputs, out),
    )


def test_there_is_a_summary_of_every_year_in_which_an_experiment_is_released() -> None:
    years = {year for row in active_experiments(REGIONS) for year in DATASETS[row.dataset].releases}
    assert set(SUMMARY.keys) == set(map(str, years))


def test_it_rests_on_the_evaluations_of_the_year_that_are_published(platform: Platform) -> None:
    put_evaluation(platform.artifacts, "sim-cnn|2024")
    put_evaluation(platform.artifacts, "sim-cnn|2023")
    assert inputs_now(platform, SUMMARY, "2024") == (Ref("evaluation", "sim-cnn|2024"),)


def test_a_new_experiment_makes_it_stale_by_its_configuration(platform: Platform) -> None:
    named = SUMMARY.config(platform, "2024")["experiments"]
    assert named == [row.id for row in active_experiments(REGIONS) if 2024 in DATASETS[row.dataset].releases]


def test_a_selection_of_regions_takes_the_summaries_of_the_years_of_their_experiments(platform: Platform) -> None:
    def years(region: str) -> set[str]:
        chosen = Selection(assets=("experiment_summary",), regions=(region,), upstream=False)
        return {ref.partition for ref in select(platform, STEPS, chosen)}

    assert years("sim-serra") >= {"2023", "2024"}
    assert years("lourenco-painted") == {"2022"}


def test_what_is_published_counts_and_names_what_is_not_made(platform: Platform) -> None:
    put_evaluation(platform.artifacts, "sim-cnn|2024")
    put_evaluation(platform.artifacts, "sim-cnn-48|2024", worse=True)
    facts = made(platform).facts
    assert (facts["evaluated"], facts["pairs"], facts["simulated"], facts["trials"]) == (2, 1, True, [])
    assert {"sim-ensemble-48", "ranges-cnn"} <= set(facts["not_made"])
    assert [row["experiment"] for row in facts["scores"]] == ["sim-cnn", "sim-cnn-48"]
    found = open_artifact(platform.artifacts, Ref(SUMMARY.asset, "2024")).path
    assert {"summary.html", "summary.csv", "comparisons.csv", "documents.csv", "f1.png", "preview.png"} <= {
        path.name for path in found.iterdir()
    }


def test_a_report_links_to_the_summary_beside_it(platform: Platform, tmp_path: Path) -> None:
    put_evaluation(platform.artifacts, "sim-cnn|2024")
    summary = made(platform)
    page = write_report(platform, [summary.ref], tmp_path / "report")
    assert '<a href="experiments-2024.html">2024</a>' in page.read_text()
    assert page.with_name("experiments-2024.html").read_bytes() == (summary.path / "summary.html").read_bytes()
