"""The log of decisions on the windows of a dataset; see `chains`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mining_platform.reviews import chains
from mining_platform.reviews.decisions import Decision


@dataclass(frozen=True)
class Entry(chains.Link, Decision):
    """A decision as taken down."""


_FORM = chains.Form(Entry, "dataset")


def log_path(home: Path, dataset_id: str) -> Path:
    """Where the decisions on a dataset are kept, below the installation's folder."""
    return home / chains.FOLDER / f"{dataset_id}.jsonl"


def read_log(path: Path) -> chains.Log[Entry]:
    """As `chains.read`, the decisions on a dataset."""
    return chains.read(path, _FORM)


def append_decisions(path: Path, decisions: Sequence[Decision], now: datetime | None = None) -> list[Entry]:
    """As `chains.append`, decisions on a dataset."""
    return chains.append(path, _FORM, decisions, now)
