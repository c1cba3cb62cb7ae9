"""Small trials: any experiment with fewer epochs and patches, to see in a minute that it runs.

A trial goes the way of the full experiment: it is part of the configuration of `model` and `evaluation`, so that lineage shows
it, the digest differs, and what was made by it is stale as soon as full settings are asked for.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from mining_platform.evaluations.review_samples import allocation
from mining_platform.experiments import Experiment
from mining_platform.splits.hashes import unit_hash

if TYPE_CHECKING:
    import geopandas as gpd

TRIAL_VARIABLE = "MINING_PLATFORM_TRIAL"
"""Environment variable with the limits of an installation's experiments, such as `epochs=2,max_patches=48`; empty: none."""
SIDES = ("train", "val", "test")
LEAST = 4
"""Patches of each class and split that a trial keeps, or all where there are fewer: a model and a score need both classes."""
LEAST_PATCHES = LEAST * 2 * len(SIDES)
_SPELLING = f"Write {TRIAL_VARIABLE}=epochs=2,max_patches=48, or one of the two."


class TrialError(ValueError):
    """Limits that cannot be kept or understood."""


@dataclass(frozen=True)
class Trial:
    """Limits to every experiment."""

    epochs: int | None = None
    """Most epochs of each network; None leaves those of the experiment."""
    max_patches: int | None = None
    """Most patches over all splits; None leaves all."""

    def __post_init__(self) -> None:
        """TrialError where a limit is too small to train and score by, or there is none."""
        if self.epochs is None and self.max_patches is None:
            raise TrialError(f"A trial needs a limit of epochs or patches. {_SPELLING}")
        if self.epochs is not None and self.epochs < 1:
            raise TrialError(f"A trial of {self.epochs} epochs trains nothing. Ask for 1 or more.")
        if self.max_patches is not None and self.max_patches < LEAST_PATCHES:
            raise TrialError(
                f"{self.max_patches} patches are too few for {LEAST} of each class in {', '.join(SIDES)}. "
                f"Ask for {LEAST_PATCHES} or more."
            )

    @property
    def words(self) -> str:
        """`small trial: 48 patches, 2 epochs`, as cards, figures and pages say it."""
        limits = ((self.max_patches, "patches"), (self.epochs, "epoch" if self.epochs == 1 else "epochs"))
        return f"small trial: {', '.join(f'{limit} {name}' for limit, name in limits if limit is not None)}"


def read_trial(text: str) -> Trial | None:
    """`epochs=2,max_patches=48` as a trial, None of an empty text; TrialError with the spelling otherwise."""
    limits: dict[str, int] = {}
    for part in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = part.partition("=")
        if name not in ("epochs", "max_patches") or not number.isdecimal():
            raise TrialError(f"{TRIAL_VARIABLE} holds {part!r}, which is no limit. {_SPELLING}")
        limits[name] = int(number)
    return Trial(**limits) if limits else None


def trial_of_environment() -> Trial | None:
    """The limits that this environment sets."""
    return read_trial(os.environ.get(TRIAL_VARIABLE, ""))


def put_into_environment(trial: Trial | None) -> None:
    """Let sessions that are opened from here on, and processes started, keep these limits, or none."""
    limits = {name: limit for name, limit in asdict(trial).items() if limit is not None} if trial else {}
    os.environ[TRIAL_VARIABLE] = ",".join(f"{name}={limit}" for name, limit in limits.items())


def trial_settings(trial: Trial | None) -> dict[str, Any]:
    """What a configuration or facts say of a trial: `trial` and its limits; nothing of full settings."""
    return {"trial": asdict(trial)} if trial else {}


def trial_in(settings: Mapping[str, Any]) -> Trial | None:
    """The trial that a configuration or facts tell of, None of full settings."""
    return Trial(**settings["trial"]) if settings.get("trial") else None


def trial_note(trial: Trial | None) -> str:
    """What the title of a figure adds, led by ` · `; empty of full settings."""
    return f" · {trial.words}" if trial else ""


def shortened(row: Experiment, trial: Trial | None) -> Experiment:
    """The experiment with the epochs of the trial at most."""
    return row if trial is None or trial.epochs is None else replace(row, epochs=min(row.epochs, trial.epochs))


def drawn(manifest: "gpd.GeoDataFrame", trial: Trial | None) -> "gpd.GeoDataFrame":
    """The rows of a patch table (patch_id, split, is_mining, dropped) that a trial keeps, in their order.

    Of each split and class its share, LEAST at least, in the order of a hash of the patch id: the same patches for every
    experiment on them, and those of a smaller trial among those of a larger one.
    """
    if trial is None or trial.max_patches is None:
        return manifest
    usable = manifest[~manifest["dropped"] & manifest["split"].isin(SIDES)]
    stratum = usable["split"].astype(str) + " " + usable["is_mining"].astype(bool).astype(str)
    sizes = stratum.value_counts().sort_index().to_dict()
    kept = allocation(sizes, min(trial.max_patches, len(usable)), least=LEAST)
    order = usable["patch_id"].map(lambda patch_id: unit_hash(f"trial:{patch_id}")).rank(method="first")
    place = order.groupby(stratum).rank(method="first")
    return manifest.loc[place.index[place <= stratum.map(kept)].sort_values()]
