"""Sites that people drew, as a dataset's row describes their file; `sites.py` reads them."""

from dataclasses import dataclass
from pathlib import Path

from mining_platform.file_terms import UNKNOWN_TERMS, FileTerms
from mining_platform.regions import YEAR_PLACEHOLDER, expand


@dataclass(frozen=True)
class SitesFile:
    """A file of polygons of mining, each of a named site."""

    href: str
    """KML, KMZ, GeoJSON or GeoPackage; `{year}` stands for the year, `${MINING_PLATFORM_...}` for that variable."""
    site_field: str = ""
    """Property that names a polygon's site; empty: `site`, else `name`."""
    aliases: str = ""
    """CSV with the columns alias and site, of sites that have several names; empty for none."""
    conditions: tuple[str, ...] = ()
    """Conditions on the polygons' properties, such as `class=mining`; all hold."""
    terms: FileTerms = UNKNOWN_TERMS

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return Path(self.href).name

    def path_of(self, year: int) -> Path:
        """The year's file on disk, which may be absent."""
        return Path(expand(self.href).replace(YEAR_PLACEHOLDER, str(year)))

    @property
    def aliases_path(self) -> Path | None:
        """The table of aliases on disk, which may be absent; None where none is named."""
        return Path(expand(self.aliases)) if self.aliases else None
