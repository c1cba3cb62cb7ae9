import re
from dataclasses import replace

import pytest

from mining_platform import profiles
from mining_platform.compositing.recipes import RECIPES as MOSAIC_RECIPES
from mining_platform.datasets import DATASETS
from mining_platform.experiments import EXPERIMENTS, Experiment, experiment
from mining_platform.graph import build_steps
from mining_platform.models.registry import MODELS, build_model
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
    whole = profiles.profile(EXPERIMENTS["asgm-2"].profile).channels
    lacking = {
        channel
        for row in EXPERIMENTS.values()
        if row.id.startswith("asgm-2-no-")
        for channel in set(whole) - set(profiles.profile(row.profile).channels)
    }
    assert lacking == {channel for channel in whole if channel.startswith("OSM-")}
    assert len(lacking) == 5


THE_TEN = (  # context, patch, negatives, weighting, parameters: table 1 of Dissing and Kalo, and SPEC.md, section 3
    ("no", 256, "curated", "none", 986_977),
    ("yes", 256, "curated", "none", 988_417),
    ("no", 48, "curated", "none", 116_577),
    ("yes", 48, "curated", "none", 118_017),
    ("no", 256, "curated", "balanced", 986_977),
    ("yes", 256, "curated", "balanced", 988_417),
    ("no", 256, "grid", "none", 986_977),
    ("yes", 256, "grid", "none", 988_417),
    ("no", 256, "grid", "balanced", 986_977),
    ("yes", 256, "grid", "balanced", 988_417),
)


@pytest.mark.parametrize("number", range(1, 11))
def test_the_ten_experiments_of_the_third_document_are_rows_on_real_and_on_simulated_points(number: int) -> None:
    row, simulated = EXPERIMENTS[f"asgm-{number}"], EXPERIMENTS[f"sim-asgm-{number}"]
    dataset, channels = DATASETS[row.dataset], profiles.profile(row.profile).channels
    context = "yes" if sum(channel.startswith("OSM-") for channel in channels) == 5 else "no"
    negatives = (set(dataset.quotas) - {"mining"}).pop()
    network = build_model(row.model, len(channels), dataset.px)
    parameters = sum(values.numel() for values in network.parameters())
    assert (context, dataset.px, negatives, row.weighting, parameters) == THE_TEN[number - 1]
    assert replace(simulated, id=row.id, dataset=row.dataset) == row
    assert simulated.dataset == f"sim_{row.dataset}"


def test_the_experiments_of_the_third_document_train_as_it_says() -> None:
    rows = [row for row in EXPERIMENTS.values() if re.fullmatch(r"(sim-)?asgm-.*", row.id)]
    told = {(r.loss, r.augmentation, r.epochs, r.batch_size, r.learning_rate, r.schedule, r.model) for r in rows}
    assert told == {("bce", "document", 160, 16, 3e-4, "constant", "asgm-cnn")}
    assert len(rows) == 2 * (10 + 5)


def test_the_real_datasets_of_the_third_document_have_its_numbers() -> None:
    curated, random = DATASETS["asgm_256"], DATASETS["asgm_256_random"]
    assert dict(curated.quotas) == {"mining": 156, "curated": 323}
    assert dict(random.quotas) == {"mining": 156, "grid": 780}
    assert (curated.split.method, curated.split.eps_m, curated.split.min_samples) == ("cluster", 3_000, 1)
    assert dict(curated.split.fractions) == {"train": 0.7, "val": 0.15, "test": 0.15}
    assert (curated.max_masked_share, curated.max_masked_share_other) == (0.1, 0.6)
    region = load_regions()["bolivar"]
    assert region.scenes is not None
    assert MOSAIC_RECIPES[region.scenes.recipe].clouds == "cloud-score-plus"


def test_a_row_alone_makes_a_new_experiment_with_its_partitions_and_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS["sim-cnn"], id="mine", seed=1))
    steps = build_steps(load_regions())
    assert {"mine|2023", "mine|2024"} <= set(steps["model"].keys)
    assert {"mine|2023", "mine|2024"} <= set(steps["evaluation"].keys)
    assert steps["model"].resumable
    assert not steps["evaluation"].resumable
