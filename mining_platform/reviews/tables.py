"""The decisions in force as a table, which samples, quotas, patches and manifests rest on."""

from collections.abc import Iterable

import pandas as pd

from mining_platform.artifacts import Artifact
from mining_platform.reviews.logs import Entry

REVIEWS_FILE = "reviews.parquet"
REVIEW_TYPES = {
    **dict.fromkeys(("window_id", "region"), "str"),
    "year": "int64",
    **dict.fromkeys(("decision", "range", "reviewer", "reason", "time", "seen"), "str"),
    "number": "int64",
}
"""Columns of the decisions in force, as in `decisions.Decision` and `logs.Entry`."""


def in_force(entries: Iterable[Entry]) -> list[Entry]:
    """The newest decision on each window and year, in order of year and window id."""
    newest = {(entry.year, entry.window_id): entry for entry in entries}
    return [newest[key] for key in sorted(newest)]


def review_table(entries: Iterable[Entry]) -> pd.DataFrame:
    """Decisions in force as a table: REVIEW_TYPES, one row a window and year, in order of year and window id."""
    rows = [[getattr(entry, name) for name in REVIEW_TYPES] for entry in in_force(entries)]
    return pd.DataFrame(rows, columns=list(REVIEW_TYPES)).astype(REVIEW_TYPES)


def read_reviews(artifacts: Iterable[Artifact]) -> pd.DataFrame:
    """The published decisions of several regions and years in one table; without rows where there are none."""
    tables = [pd.read_parquet(artifact.path / REVIEWS_FILE) for artifact in artifacts]
    return pd.concat([review_table([]), *tables], ignore_index=True).astype(REVIEW_TYPES)
