"""Experiments are rows: dataset, model, channels, loss, weighting, augmentation, epochs and seed of each.

A new experiment is one row of `EXPERIMENTS`. An experiment is trained once for each release (year) of its dataset.
"""

from collections.abc import Iterator
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
    weights: str
    """What a pretrained model starts from, named as `base_weights` has it; empty for models that are trained from scratch."""
    prompts: Literal["none", "label-boxes"]
    """Row of training_prompts.PROMPTS, told to a prompted model in training; validation and test tell it nothing."""
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
    weights="",
    prompts="none",
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
_SIM_OUTLINES = replace(
    _SIM_UNET, id="sim-unet", dataset="sim_ranges", model="small-unet", profile="s2-12", epochs=5, patience=5, learning_rate=3e-3
)
_SIM_SITES = replace(_SIM_UNET, id="sim-sites-unet", dataset="sim_landsat_sites", profile="landsat-7")
_SIM_SAM = replace(
    _SIM_SITES,
    id="sim-sites-sam-decoder",
    model="sam-decoder",
    weights="random:7",  # no weights of Segment Anything: the rows show that adapters train, and no more
    prompts="label-boxes",
    epochs=24,
    patience=12,
    learning_rate=3e-3,
)
_ASGM_2 = replace(  # as Dissing and Kalo train: SPEC.md, section 3
    _SIM_CNN,
    id="asgm-2",
    dataset="asgm_256",
    model="asgm-cnn",
    profile="s2-12+osm-5",
    weighting="none",
    augmentation="document",
    epochs=160,
    patience=20,  # the document stops early and does not say when
    learning_rate=3e-4,
    schedule="constant",
)
_WITHOUT_OSM = "s2-12"
_ASGM_TEN: tuple[tuple[str, str, Literal["balanced", "none"]], ...] = (
    (_WITHOUT_OSM, "asgm_256", "none"),
    (_ASGM_2.profile, "asgm_256", "none"),
    (_WITHOUT_OSM, "asgm_48", "none"),
    (_ASGM_2.profile, "asgm_48", "none"),
    (_WITHOUT_OSM, "asgm_256", "balanced"),
    (_ASGM_2.profile, "asgm_256", "balanced"),
    (_WITHOUT_OSM, "asgm_256_random", "none"),
    (_ASGM_2.profile, "asgm_256_random", "none"),
    (_WITHOUT_OSM, "asgm_256_random", "balanced"),
    (_ASGM_2.profile, "asgm_256_random", "balanced"),
)
"""Channels, dataset and weighting of the experiments 1 to 10 of Dissing and Kalo, table 1."""


def _asgm() -> Iterator[Experiment]:
    """The ten experiments, and the second without each key of OpenStreetMap: the layer ablation of figure 3."""
    for number, (profile, dataset, weighting) in enumerate(_ASGM_TEN, 1):
        yield replace(_ASGM_2, id=f"asgm-{number}", dataset=dataset, profile=profile, weighting=weighting)
    for key in OSM_KEYS:
        yield replace(_ASGM_2, id=f"asgm-2-no-{key}", profile=f"s2-12+osm-no-{key}")


def _simulated(row: Experiment) -> Experiment:
    return replace(row, id=f"sim-{row.id}", dataset=f"sim_{row.dataset}")


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
        _SIM_OUTLINES,
        _SIM_SITES,
        _SIM_SAM,
        replace(_SIM_SAM, id="sim-sites-sam-lora", model="sam-lora-decoder"),
        replace(_ASGM_2, id="sim-context", dataset="sim_context", epochs=40, patience=10),
        *_asgm(),
        *map(_simulated, _asgm()),
        replace(_SIM_CNN, id="lourenco-painted-cnn", dataset="lourenco_painted"),
        replace(_SIM_CNN, id="trombetas-cnn", dataset="trombetas_polygons", epochs=60, patience=15),
        replace(_SIM_CNN, id="ranges-cnn", dataset="ranges", epochs=40, batch_size=32, learning_rate=1e-3),
    )
}

YEARLY = ("sim-cnn", "sim-cnn-48", "lourenco-painted-cnn", "trombetas-cnn", "ranges-cnn")
"""Experiments that the yearly refresh trains anew; the others are studies or deployed as they are, and made by name."""


def experiment(experiment_id: str) -> Experiment:
    """The row of an experiment; KeyError with the known ids and the remedy otherwise."""
    try:
        return EXPERIMENTS[experiment_id]
    except KeyError:
        raise KeyError(
            f"Unknown experiment {experiment_id!r}; known: {', '.join(EXPERIMENTS)}. Add a row in mining_platform/experiments.py."
        ) from None
