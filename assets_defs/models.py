"""Assets of the group `models`: trained models and their evaluation by experiment and year, and the summary of a year."""

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.results import published
from assets_defs.specs import spec
from mining_platform.pipeline import Platform
from mining_platform.stages import experiments, models


def model_assets() -> list[dg.AssetsDefinition]:
    """`model`, `evaluation` and their yearly summary; none where no experiment's dataset is complete."""
    if "model" not in STEPS:
        return []

    @dg.asset(**spec("model", kinds={"pytorch"}))
    def model(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Classifier trained on the experiment's dataset with its seed: safetensors and a model card."""
        return published(context, platform, models.train_model)

    @dg.asset(**spec("evaluation", kinds={"scikitlearn"}))
    def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Scores on the test split: precision, recall, F1 with interval, PR-AUC and recall per mining range."""
        return published(context, platform, models.evaluate_model)

    @dg.asset(**spec("experiment_summary", kinds={"html"}))
    def experiment_summary(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """All published evaluations of a year beside each other and beside the documents' tables, with paired comparisons."""
        return published(context, platform, experiments.summarise_experiments)

    return [model, evaluation, experiment_summary]


ASSETS = model_assets()
