"""Experiments are rows: dataset, model, channels, loss, weighting, augmentation, epochs and seed of each.

A new experiment is one row of `EXPERIMENTS`. An experiment is trained once for each release (year) of its dataset.
"""

from dataclasses import dataclass, replace
from typing import Literal

from mining_platform.osm_keys import OSM_KEYS


@dataclass(frozen=True)
class Experiment:
    """One way to train a model on one dataset."""

    id: str
    """`[a-z0-9-]{1,64}`: the experiment's partition key."""
    dataset: str
    """Row of datasets.DATASETS; empty for anyone's patches, outside the graph."""
    model: str
    """Row of models.registry.MODELS."""
    profile: str
    """Channels the model sees, a row of profiles.PROFILES and a selection of the dataset's channels; empty for all that
    anyone's patches hold."""
    loss: Literal["bce", "cross-entropy"]
    """Row of training_losses.LOSSES: `bce` on the logit of a patch, `cross-entropy` on the classes of its pixels."""
    weighting: Literal["balanced", "none"]
    """`balanced`: a patch, or pixel, weighs total / (classes * those of its class)."""
    augmentation: Literal["none", "flips", "document"]
    """Row of patch_augmentation.AUGMENTATIONS, drawn for each patch and epoch."""
    epochs: int
    """Most epochs of each member of an ensemble; the weights kept are those of the epoch with the least validation loss."""
    patience: int
    """Epochs without a lower validation loss after which training stops."""
    batch_size: int
    learning_rate: float
    """Of the Adam optimiser in the first epoch."""
    schedule: Literal["cosine", "constant"]
    """`cosine`: the rate falls to 0 along a half cosine over all epochs (Loshchilov & Hutter 2017, SGDR)."""
    validation_share: float
    """Share of the training patches, whole blocks, held out for validation where the dataset has no `val` split."""
    seed: int
    """Members of an ensemble have this and the next ones."""


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
    schedule="cosine",
    validation_share=0.2,
    seed=7,
)
_SIM_UNET = replace(
    _SIM_CNN,
    id="sim-smallmines-unet",
    dataset="sim_smallmines",
    model="unet",
    profile="smallmines-13",
    loss="cross-entropy",
    epochs=6,
    patience=3,
    batch_size=8,
    learning_rate=1e-3,
)
_SIM_CONTEXT = replace(  # as Dissing and Kalo train, but for fewer epochs: SPEC.md, section 3
    _SIM_CNN,
    id="sim-context-4",
    dataset="sim_context",
    model="asgm-cnn",
    profile="s2-12+osm-5",
    weighting="none",
    augmentation="document",
    epochs=40,
    patience=10,
    learning_rate=3e-4,
    schedule="constant",
)

EXPERIMENTS: dict[str, Experiment] = {
    experiment.id: experiment
    for experiment in (
        _SIM_CNN,
        replace(_SIM_CNN, id="sim-cnn-48", dataset="sim_ranges_48", epochs=24, patience=8),
        # As Amazon Mining Watch classifies: six networks on 48 px, averaged.
        replace(
            _SIM_CNN,
            id="sim-ensemble-48",
            dataset="sim_ranges_48",
            model="ensemble-6",
            epochs=4,
            patience=4,
            learning_rate=1e-3,
        ),
        _SIM_UNET,
        replace(_SIM_UNET, id="sim-sites-unet", dataset="sim_landsat_sites", profile="landsat-7"),
        # Experiments 3 and 4 of the ten, and 4 without each key.
        replace(_SIM_CONTEXT, id="sim-context-3", profile="s2-12"),
        _SIM_CONTEXT,
        *(replace(_SIM_CONTEXT, id=f"sim-context-4-no-{key}", profile=f"s2-12+osm-no-{key}") for key in OSM_KEYS),
        replace(_SIM_CNN, id="lourenco-painted-cnn", dataset="lourenco_painted"),
        replace(_SIM_CNN, id="trombetas-cnn", dataset="trombetas_polygons", epochs=60, patience=15),
        replace(_SIM_CNN, id="ranges-cnn", dataset="ranges", epochs=40, batch_size=32, learning_rate=1e-3),
    )
}

YEARLY = ("sim-cnn", "sim-cnn-48", "lourenco-painted-cnn", "trombetas-cnn", "ranges-cnn")
"""Experiments that the yearly refresh trains anew; the others are studies, made by name."""


def experiment(experiment_id: str) -> Experiment:
    """The row of an experiment; KeyError with the known ids and the remedy otherwise."""
    try:
        return EXPERIMENTS[experiment_id]
    except KeyError:
        raise KeyError(
            f"Unknown experiment {experiment_id!r}; known: {', '.join(EXPERIMENTS)}. Add a row in mining_platform/experiments.py."
        ) from None
