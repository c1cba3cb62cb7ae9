"""Experiments are rows: dataset, model, channels, loss, weighting, augmentation, epochs and seed of each.

A new experiment is one row of `EXPERIMENTS`. An experiment is trained once for each release (year) of its dataset.
"""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Experiment:
    """One way to train a model on one dataset."""

    id: str
    """`[a-z0-9-]{1,64}`: the experiment's partition key."""
    dataset: str
    """Row of datasets.DATASETS."""
    model: str
    """Row of models.registry.MODELS."""
    profile: str
    """Channels the model sees, a row of profiles.PROFILES and a selection of the dataset's channels."""
    loss: Literal["bce"]
    """`bce`: binary cross-entropy on the logit."""
    weighting: Literal["balanced", "none"]
    """`balanced`: a patch weighs total / (2 * patches of its class)."""
    augmentation: Literal["flips", "none"]
    """`flips`: one of the eight flips and quarter turns of the square, drawn for each patch and epoch."""
    epochs: int
    """Most epochs; the weights kept are those of the epoch with the least validation loss."""
    patience: int
    """Epochs without a lower validation loss after which training stops."""
    batch_size: int
    learning_rate: float
    """Of the Adam optimiser in the first epoch; falls to 0 along a half cosine (Loshchilov & Hutter 2017, SGDR)."""
    validation_share: float
    """Share of the training patches, whole blocks, held out for validation where the dataset has no `val` split."""
    seed: int


_SIM_CNN = Experiment(
    id="sim-cnn",
    dataset="sim_ranges",
    model="small-cnn",
    profile="s2-12",
    loss="bce",
    weighting="balanced",
    augmentation="flips",
    epochs=16,
    patience=6,
    batch_size=16,
    learning_rate=2e-3,
    validation_share=0.2,
    seed=7,
)

EXPERIMENTS: dict[str, Experiment] = {
    experiment.id: experiment
    for experiment in (
        _SIM_CNN,
        replace(_SIM_CNN, id="sim-cnn-48", dataset="sim_ranges_48", epochs=24, patience=8),
        replace(_SIM_CNN, id="lourenco-painted-cnn", dataset="lourenco_painted"),
        replace(_SIM_CNN, id="trombetas-cnn", dataset="trombetas_polygons", epochs=60, patience=15),
        replace(_SIM_CNN, id="ranges-cnn", dataset="ranges", epochs=40, batch_size=32, learning_rate=1e-3),
    )
}


def experiment(experiment_id: str) -> Experiment:
    """The row of an experiment; KeyError with the known ids and the remedy otherwise."""
    try:
        return EXPERIMENTS[experiment_id]
    except KeyError:
        raise KeyError(
            f"Unknown experiment {experiment_id!r}; known: {', '.join(EXPERIMENTS)}. Add a row in mining_platform/experiments.py."
        ) from None
