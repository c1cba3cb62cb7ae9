"""The decisions in force on detections as a table with their outlines, and the ground that they take away or confirm by year."""

from collections.abc import Iterable, Sequence

import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

from mining_platform.artifacts import Artifact
from mining_platform.reviews.detection_decisions import CONFIRM, REJECT, DetectionEntry, standing
from mining_platform.reviews.tables import REVIEWS_FILE

DETECTION_REVIEW_TYPES = {
    **dict.fromkeys(("asset", "detection_id", "region"), "str"),
    "year": "int64",
    "decision": "str",
    "also_later": "bool",
    **dict.fromkeys(("reviewer", "reason", "time", "seen"), "str"),
    "number": "int64",
}
"""Columns of the decisions in force, as in `detection_decisions.DetectionEntry`; beside them `geometry`, EPSG:4326."""


def detection_review_table(entries: Iterable[DetectionEntry]) -> gpd.GeoDataFrame:
    """Decisions in force as a table: DETECTION_REVIEW_TYPES and geometry, a row an outline and year, by year and number."""
    kept = standing(entries)
    rows = [[getattr(entry, name) for name in DETECTION_REVIEW_TYPES] for entry in kept]
    table = pd.DataFrame(rows, columns=list(DETECTION_REVIEW_TYPES)).astype(DETECTION_REVIEW_TYPES)
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries([entry.shape for entry in kept], crs=4326), crs=4326)


def read_detection_reviews(artifacts: Iterable[Artifact]) -> gpd.GeoDataFrame:
    """The published decisions on several years of a region in one table; without rows where there are none."""
    tables = [gpd.read_parquet(artifact.path / REVIEWS_FILE) for artifact in artifacts]
    whole = gpd.GeoDataFrame(pd.concat(tables, ignore_index=True), crs=4326) if tables else detection_review_table([])
    return whole.sort_values(["year", "number"], ignore_index=True)


def rejected_outlines(reviews: gpd.GeoDataFrame, years: Sequence[int]) -> dict[int, list[BaseGeometry]]:
    """By year, the ground of false alarms, in the CRS of `reviews`, which has DETECTION_REVIEW_TYPES of one region.

    A reject holds in its own year and, if it says so, in all later ones. Of decisions on the same ground the one on the later
    year stands, of one year the one that was taken down last; so a confirmed year ends what an earlier one said of later years.
    """
    return {year: _ground(_said_of(reviews, year), REJECT) for year in years}


def confirmed_outlines(reviews: gpd.GeoDataFrame, years: Sequence[int]) -> dict[int, list[BaseGeometry]]:
    """By year, the ground in which people saw mining that year; arguments and order as in `rejected_outlines`."""
    return {year: _ground(reviews[reviews["year"] == year], CONFIRM) for year in years}


def _said_of(reviews: gpd.GeoDataFrame, year: int) -> gpd.GeoDataFrame:
    """The decisions that may hold in a year."""
    earlier = (reviews["year"] < year) & (reviews["also_later"] | (reviews["decision"] == CONFIRM))
    return reviews[(reviews["year"] == year) | earlier]


def _ground(decisions: gpd.GeoDataFrame, wanted: str) -> list[BaseGeometry]:
    """What is left of the outlines of one decision after later ones of the other kind have taken theirs away."""
    ground: list[BaseGeometry] = []
    for row in decisions.sort_values(["year", "number"]).itertuples():
        if row.decision == wanted:
            ground.append(row.geometry)
        else:
            left = [each.difference(row.geometry) if each.intersects(row.geometry) else each for each in ground]
            ground = [each for each in left if not each.is_empty]
    return ground
