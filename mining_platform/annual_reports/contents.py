"""What an annual report tells: plain values, read from published artifacts by the stage that makes it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform.evaluations.intervals import Z_95


@dataclass(frozen=True)
class RegionYear:
    """One region's mining in the report's year."""

    id: str
    name: str
    epsg: int
    simulated: bool
    source: str
    """One of regions.MONITORING_SOURCES."""
    mapped_by: str
    """The model's partition, or the collection of the map."""
    cell_m: float
    """Side of the cells that mining is told by, metres."""
    bounds: tuple[float, float, float, float]
    """West, south, east, north of its outline, degrees."""
    facts: Mapping[str, Any]
    """`changes.json`."""
    new: gpd.GeoDataFrame
    cumulative: gpd.GeoDataFrame
    """`change_polygons.COLUMNS` and geometry, EPSG:4326."""
    first_years: Path
    """`first_year.tif`."""
    mosaics: Mapping[int, Path] = field(default_factory=dict)
    """`mosaic.zarr` of the report's year and of the one before, where there is one."""
    area: Mapping[str, Any] | None = None
    """`area.json` of the year: the area that people estimated from a reviewed sample; None where nobody did."""
    outlined_by: str = ""
    """Partition of the model that outlines what the first one finds; empty where none does."""
    squares_without_outline: int = 0
    """Squares that the first model found and in which the second outlined nothing."""

    is_first_map: bool = False
    """Whether it is mapped for the first time while others were followed before: nothing of it counts as new."""

    @property
    def found_ha(self) -> float:
        """Hectares found in the report's year."""
        return float(self.facts["found_ha"][str(self.facts["year"])])

    @property
    def new_ha(self) -> float:
        """Hectares that count as new in the report's year."""
        return 0.0 if self.is_first_map else float(self.facts["new_ha"])

    @property
    def new_places(self) -> int:
        """Places that count as new and are larger than the region's least area."""
        return 0 if self.is_first_map else int(self.facts["new_polygons"])

    @property
    def first_year(self) -> int:
        """The first year of its detections."""
        return int(self.facts["years"][0])

    @property
    def year_before(self) -> int | None:
        """The last year before the report's in which it was mapped; None where there is none."""
        years = self.facts["years"]
        return int(years[-2]) if len(years) > 1 else None


@dataclass(frozen=True)
class Accuracy:
    """How well a deployed model did on test patches; None where a score is not defined."""

    name: str
    positives: int | None
    negatives: int | None
    """Test patches with mining, and without; None of a model that is scored by pixel."""
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None
    f1_low: float | None
    f1_high: float | None
    curve_png: bytes
    """Recall by mining share; empty where there is none."""
    pixels: int = 0
    """Labelled pixels of the test patches, where scores are of pixels; else 0."""


@dataclass(frozen=True)
class RestatedYear:
    """A region's mining of a year that the last release told otherwise; None where it is not in one of them."""

    region: str
    year: int
    before_ha: float | None
    after_ha: float | None
    causes: tuple[str, ...]
    """Keys of `audits.changes.CAUSES`."""


@dataclass(frozen=True)
class ComparedSystem:
    """One region's detections of the report's year beside another system's."""

    region: str
    """The region's id."""
    row: Mapping[str, Any]
    """A system of `comparison.json`."""
    agreement: Path
    """Its map of agreement, as `comparisons.agreement_maps` writes it."""
    only_ours: gpd.GeoDataFrame
    only_theirs: gpd.GeoDataFrame
    """`comparisons.places.COLUMNS` and geometry, EPSG:4326."""


@dataclass(frozen=True)
class Contents:
    """A whole report."""

    year: int
    regions: tuple[RegionYear, ...]
    """Sorted by id; at least one."""
    left_out: tuple[str, ...]
    """Names of monitored regions whose maps are not there."""
    territories: pd.DataFrame
    """As `territories.hectares_by_territory` gives it, with mining_ha and new_ha."""
    outlines: gpd.GeoDataFrame
    """The territories' polygons."""
    models: tuple[Accuracy, ...]
    restated: tuple[RestatedYear, ...] | None
    """None in a first release."""
    credits: tuple[str, ...]
    licence: tuple[str, str]
    """SPDX identifier and address."""
    compared: tuple[ComparedSystem, ...] = ()
    """By region and system."""
    not_compared: tuple[tuple[str, str, str], ...] = ()
    """Region id, a system's name, and why it tells nothing of the year, one of `comparisons.systems.REASONS`."""
    ended: tuple[tuple[str, int], ...] = ()
    """Names of regions that were followed before and not in this year, and the last year in which they were."""
    left_out_simulated: tuple[str, ...] = ()
    """Names of simulated regions of the year, which are not told beside real ones."""
    unknown_before: tuple[str, ...] = ()
    """Ids of regions whose numbers of the last release nothing tells any more."""
    kept: Mapping[str, Any] = field(default_factory=dict)
    """Facts that outlast the last release, see `previous.Since`."""

    @property
    def first_year(self) -> int:
        """First year of any region's detections."""
        return min(region.first_year for region in self.regions)

    @property
    def simulated(self) -> bool:
        """Whether anything is simulated."""
        return any(region.simulated for region in self.regions)

    @property
    def new_ha(self) -> float:
        """Hectares that count as new over the regions."""
        return sum(region.new_ha for region in self.regions)

    @property
    def new_places(self) -> int:
        """Places that count as new over the regions."""
        return sum(region.new_places for region in self.regions)

    @property
    def estimated(self) -> tuple[float, float, float] | None:
        """Hectares of mining in the year and their 95 % interval, over all regions; None unless each was estimated.

        Regions are sampled by themselves, so that their variances add up (Cochran 1977, section 5.3).
        """
        areas = [region.area for region in self.regions if region.area]
        if len(areas) != len(self.regions):
            return None
        hectares = sum(float(area["area_ha"]) for area in areas)
        error = Z_95 * math.hypot(*(float(area["standard_error_ha"]) for area in areas))
        return hectares, max(hectares - error, 0.0), min(hectares + error, sum(float(area["ground_ha"]) for area in areas))

    def total(self, name: str) -> float:
        """Sum of a fact of `changes.json` over the regions."""
        return float(sum(region.facts[name] for region in self.regions))
