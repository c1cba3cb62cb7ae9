"""The log of decisions on the windows of a dataset; see `chains`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mining_platform.pipeline import Platform
from mining_platform.reviews import chains, log_places
from mining_platform.reviews.decisions import Decision
from mining_platform.reviews.log_places import Place


@dataclass(frozen=True)
class Entry(chains.Link, Decision):
    """A decision as taken down."""


DATASET_FORM = chains.Form(Entry, "dataset")


def dataset_log(platform: Platform, dataset_id: str) -> Place:
    """Where the decisions on a dataset are kept."""
    return log_places.place_of(platform, "", dataset_id)


def read_log(place: Place) -> chains.Log[Entry]:
    """As `log_places.read`, the decisions on a dataset."""
    return log_places.read(place, DATASET_FORM)


def append_decisions(place: Place, decisions: Sequence[Decision], now: datetime | None = None) -> list[Entry]:
    """As `log_places.append`, decisions on a dataset."""
    return log_places.append(place, DATASET_FORM, decisions, now)
