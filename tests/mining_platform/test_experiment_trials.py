"""Small trials: which patches and epochs they keep, and that they are told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.demo_commands import tried
from mining_platform.experiment_trials import (
    Trial,
    TrialError,
    drawn,
    put_into_environment,
    read_trial,
    shortened,
    trial_in,
    trial_note,
    trial_of_environment,
    trial_settings,
)
from mining_platform.experiments import EXPERIMENTS
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from tests.mining_platform.audited_stores import put

SMALL = Trial(epochs=2, max_patches=48)
KEY = "sim-cnn|2024"


def manifest(**sizes: int) -> Any:
    """A patch table with so many patches by split and class, `train_mining=30`."""
    parts = [
        pd.DataFrame({"patch_id": [f"{name}-{number}" for number in range(size)]}).assign(
            split=name.split("_")[0], is_mining=name.endswith("_mining"), dropped=False
        )
        for name, size in sizes.items()
    ]
    return pd.concat(parts, ignore_index=True)


EVEN = manifest(train_mining=120, train_other=120, val_mining=40, val_other=40, test_mining=40, test_other=40)


def counts(rows: Any) -> dict[tuple[str, bool], int]:
    return rows.groupby(["split", "is_mining"]).size().to_dict()


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    sources: Any = None
    return Platform(
        tmp_path, load_regions(Path(__file__).parents[2] / "regions.geojson"), ArtifactStore(tmp_path), sources, sources
    )


def test_a_trial_keeps_each_split_and_class_in_its_share() -> None:
    wanted = {(split, kind): n for split, n in (("train", 12), ("val", 6), ("test", 6)) for kind in (True, False)}
    assert counts(drawn(EVEN, SMALL)) == wanted


def test_a_rare_class_keeps_at_least_four_or_all_that_there_are() -> None:
    kept = counts(
        drawn(manifest(train_mining=4, train_other=900, val_mining=3, val_other=90, test_mining=9, test_other=90), SMALL)
    )
    assert (kept["train", True], kept["val", True], kept["test", True]) == (4, 3, 4)
    assert sum(kept.values()) == 48


def test_a_smaller_trial_is_part_of_a_larger_one_and_the_order_of_rows_changes_nothing() -> None:
    small, large = drawn(EVEN, SMALL), drawn(EVEN, Trial(max_patches=120))
    assert set(small["patch_id"]) < set(large["patch_id"])
    assert set(drawn(EVEN.sample(frac=1, random_state=3), SMALL)["patch_id"]) == set(small["patch_id"])


def test_dropped_patches_and_those_of_no_split_are_not_drawn() -> None:
    rows = pd.concat([EVEN.assign(dropped=EVEN["patch_id"].str.endswith("1")), manifest(buffer_mining=50)], ignore_index=True)
    kept = drawn(rows, SMALL)
    assert not kept["dropped"].any()
    assert set(kept["split"]) == {"train", "val", "test"}


def test_fewer_patches_than_the_limit_are_all_kept_and_full_settings_change_nothing() -> None:
    few = manifest(train_mining=5, train_other=5, val_mining=2, val_other=2, test_mining=2, test_other=2)
    assert drawn(few, SMALL)["patch_id"].tolist() == few["patch_id"].tolist()
    assert drawn(EVEN, None) is drawn(EVEN, Trial(epochs=2)) is EVEN


def test_epochs_are_limited_and_never_raised() -> None:
    row = EXPERIMENTS["sim-cnn"]
    assert shortened(row, SMALL) == replace(row, epochs=2)
    assert shortened(row, Trial(epochs=500)) == shortened(row, None) == shortened(row, Trial(max_patches=48)) == row


def test_a_trial_says_what_it_is_and_full_settings_say_nothing() -> None:
    assert SMALL.words == "small trial: 48 patches, 2 epochs"
    assert (Trial(epochs=3).words, Trial(epochs=1).words) == ("small trial: 3 epochs", "small trial: 1 epoch")
    assert (trial_note(SMALL), trial_note(None)) == (f" · {SMALL.words}", "")
    assert trial_in(trial_settings(SMALL)) == SMALL
    assert trial_settings(None) == {}


def test_the_environment_carries_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINING_PLATFORM_TRIAL", "")
    assert trial_of_environment() is None
    for trial in (SMALL, Trial(epochs=1), None):
        put_into_environment(trial)
        assert trial_of_environment() == trial


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs=two", "holds 'epochs=two', which is no limit. Write MINING_PLATFORM_TRIAL=epochs=2,max_patches=48"),
        ("patches=48", "which is no limit"),
        ("epochs=0", "trains nothing. Ask for 1 or more"),
        ("max_patches=23", "23 patches are too few for 4 of each class in train, val, test. Ask for 24 or more"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(TrialError, match=message):
        read_trial(text)


@pytest.mark.parametrize("asset", ["model", "evaluation"])
def test_a_trial_is_part_of_the_configuration_and_full_settings_have_none(asset: str, platform: Platform) -> None:
    step = build_steps(platform.regions)[asset]
    full, tried_out = step.config(platform, KEY), step.config(replace(platform, trial=SMALL), KEY)
    assert tried_out == {**full, "trial": {"epochs": 2, "max_patches": 48}}
    assert "trial" not in full


def test_a_trial_does_not_take_the_place_of_a_model_with_full_settings(platform: Platform) -> None:
    full, other = "sim-cnn|2024", "sim-cnn-48|2024"
    put(platform.artifacts, Ref("model", full), config={"experiment": {}})
    put(platform.artifacts, Ref("model", other), config={"experiment": {}, **trial_settings(SMALL)})
    refs = [Ref(asset, key) for asset in ("model", "evaluation") for key in (full, other)] + [Ref("experiment_summary", "2024")]
    assert tried(replace(platform, trial=SMALL), refs) == [refs[1], refs[3], refs[4]]
    assert tried(platform, refs) == refs
