import re

import pytest

from mining_platform import profiles
from mining_platform.datasets import DATASETS
from mining_platform.experiments import EXPERIMENTS, Experiment, experiment
from mining_platform.models.registry import MODELS

ROWS = pytest.mark.parametrize("row", EXPERIMENTS.values(), ids=list(EXPERIMENTS))


@ROWS
def test_an_experiment_names_a_dataset_a_model_and_a_profile_that_exist(row: Experiment) -> None:
    assert row.dataset in DATASETS
    assert row.model in MODELS
    assert row.profile in profiles.PROFILES


@ROWS
def test_an_experiment_sees_only_channels_that_its_dataset_holds(row: Experiment) -> None:
    held = profiles.profile(DATASETS[row.dataset].profile).channels
    assert set(profiles.profile(row.profile).channels) <= set(held)


@ROWS
def test_an_experiment_id_is_a_partition_key(row: Experiment) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,64}", row.id)


@ROWS
def test_an_experiment_fits_the_patches_of_its_dataset(row: Experiment) -> None:
    assert DATASETS[row.dataset].px >= MODELS[row.model].min_px
    assert 0 < row.validation_share < 1
    assert row.patience <= row.epochs


def test_an_unknown_experiment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"Unknown experiment 'nope'; known: sim-cnn, .*experiments\.py"):
        experiment("nope")
