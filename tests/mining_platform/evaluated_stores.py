"""Stores with published evaluations of known scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, ArtifactStore, Ref, produce
from mining_platform.evaluations.patch_scores import evaluate
from mining_platform.stages.files import PREDICTIONS_FILE
from tests.mining_platform.prediction_tables import SIX


def put_evaluation(store: ArtifactStore, key: str, *, worse: bool = False, **facts: Any) -> None:
    """Publish the evaluation of `prediction_tables.SIX`: F1 of 2/3, and with `worse` of 2/5."""
    predictions = SIX.assign(score=SIX["score"].where(SIX["patch_id"] != "w1_2024", 0.1)) if worse else SIX

    def compute(_inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
        predictions.to_parquet(out / PREDICTIONS_FILE, index=False)
        told = evaluate(predictions, 0.5, seed=7, resamples=200)
        return {**told, "baselines": {}, "simulated": True, **facts}

    produce(store, Ref("evaluation", key), inputs=(), code_version="1", config={}, compute=compute)
