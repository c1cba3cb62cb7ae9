import re
from dataclasses import replace

import pytest

from mining_platform import profiles
from mining_platform.datasets import DATASETS
from mining_platform.experiments import EXPERIMENTS, Experiment, experiment
from mining_platform.graph import build_steps
from mining_platform.models.registry import MODELS
from mining_platform.patch_augmentation import AUGMENTATIONS
from mining_platform.region_files import load_regions
from mining_platform.training_losses import LOSSES

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


@ROWS
def test_an_experiments_loss_is_of_the_task_of_its_model(row: Experiment) -> None:
    assert LOSSES[row.loss].task == MODELS[row.model].task
    assert row.augmentation in AUGMENTATIONS


def test_each_ablation_lacks_one_key_of_openstreetmap_and_nothing_else() -> None:
    whole = profiles.profile(EXPERIMENTS["sim-context-4"].profile).channels
    lacking = {
        channel
        for row in EXPERIMENTS.values()
        if row.id.startswith("sim-context-4-no-")
        for channel in set(whole) - set(profiles.profile(row.profile).channels)
    }
    assert lacking == {channel for channel in whole if channel.startswith("OSM-")}
    assert len(lacking) == 5


def test_a_row_alone_makes_a_new_experiment_with_its_partitions_and_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS["sim-cnn"], id="mine", seed=1))
    steps = build_steps(load_regions())
    assert {"mine|2023", "mine|2024"} <= set(steps["model"].keys)
    assert {"mine|2023", "mine|2024"} <= set(steps["evaluation"].keys)
    assert steps["model"].resumable
    assert not steps["evaluation"].resumable
