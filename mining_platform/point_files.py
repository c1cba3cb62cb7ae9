"""Points that people named, as a dataset's row describes their file; `points.py` reads them."""

from dataclasses import dataclass
from pathlib import Path

from mining_platform.file_terms import UNKNOWN_TERMS, FileTerms


@dataclass(frozen=True)
class PointsFile:
    """A file of curated points, mining and not."""

    href: str
    """GeoJSON of points, or CSV with lon and lat (degrees) or geometry (WKT); `${MINING_PLATFORM_...}` stands for that
    variable."""
    class_column: str
    mining: tuple[str, ...]
    """Values of the class column that are mining."""
    other: tuple[str, ...]
    """Values that are not mining: curated negatives."""
    id_column: str = ""
    """Names of the points, each once a year; empty: a point is named by its coordinates."""
    year_column: str = ""
    """Year or date (YYYY-…) for which a point holds; empty, or an empty value: for every year."""
    terms: FileTerms = UNKNOWN_TERMS

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return Path(self.href).name
