"""The data of an annual report as files for everyone: stable names, licence and citation beside them.

GeoJSON (RFC 7946), GeoPackage 1.3, GeoParquet, COG and CSV, all in EPSG:4326 but for the COGs, which keep their region's grid.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import pandas as pd

from mining_platform.annual_reports.compared import compared_table, missed_places
from mining_platform.annual_reports.contents import Contents
from mining_platform.annual_reports.download_words import DOWNLOAD_WORDS
from mining_platform.labels.mapbiomas import SIMULATED_MARK

FOLDER = "downloads"
UP_TO_YEAR = "up_to_year"
"""Column of places of all years so far in place of `year`: the last of them."""
PLACES_COLUMNS = ("place_id", "region", "year", "area_ha", "is_large", "reviewed", "simulated")
GEOPACKAGE_DATE = "2000-01-01T00:00:00Z"  # of last change, which is kept out: equal data shall give equal bytes


@dataclass(frozen=True)
class Download:
    """A file to take away."""

    name: str
    about: str
    """Key of `download_words.DOWNLOAD_WORDS`."""
    format: str = ""
    """Such as GeoPackage; empty of texts."""
    told: Mapping[str, str] = field(default_factory=dict)
    """What its words are filled in with."""

    def about_in(self, language: str) -> str:
        """What it is, in a language of the report."""
        words = DOWNLOAD_WORDS[language][self.about].format(**self.told)
        return f"{self.format}: {words}" if self.format else words


def write_downloads(contents: Contents, out: Path) -> tuple[Download, ...]:
    """Write the files into `out/downloads`, and what they are; places of all regions lie in one table, by region and id.

    `mining-new-<year>` and `mining-all-<year>` as .geojson, .gpkg and .parquet; `first-year-<region>-<year>.tif`;
    `territories-<year>.csv`; LICENCE.txt and CITATION.txt. Where there are comparisons also `comparison-<year>.csv`,
    `only-ours-<year>` and `only-others-<year>` as .geojson, .gpkg and .parquet, and `agreement-<region>-<system>-<year>.tif`.
    """
    folder = out / FOLDER
    folder.mkdir()
    year = contents.year
    everything = _places(contents, "cumulative").rename(columns={"year": UP_TO_YEAR})
    years = {"first": str(contents.first_year), "year": str(year)}
    files = [
        *_written(_places(contents, "new"), folder, f"mining-new-{year}", "new", years),
        *_written(everything, folder, f"mining-all-{year}", "all", years),
    ]
    for region in contents.regions:
        name = f"first-year-{region.id}-{year}.tif"
        shutil.copyfile(region.first_years, folder / name)
        files.append(Download(name, "first_years", "COG", {"region": region.name}))
    name = f"territories-{year}.csv"
    contents.territories.to_csv(folder / name, index=False, lineterminator="\n", float_format="%.4f")
    files.append(Download(name, "territories", "CSV", years))
    files += _compared(contents, folder) if contents.compared else []
    (folder / "LICENCE.txt").write_text(_licence(contents), encoding="utf-8")
    (folder / "CITATION.txt").write_text(_citation(contents), encoding="utf-8")
    return (*files, Download("LICENCE.txt", "licence"), Download("CITATION.txt", "citation"))


def _compared(contents: Contents, folder: Path) -> list[Download]:
    year = contents.year
    table = f"comparison-{year}.csv"
    compared_table(contents).to_csv(folder / table, index=False, lineterminator="\n", float_format="%.4f")
    files = [Download(table, "comparison", "CSV")]
    for side, name in (("only_ours", f"only-ours-{year}"), ("only_theirs", f"only-others-{year}")):
        files += _written(missed_places(contents, side), folder, name, side, {})
    for each in contents.compared:
        name = f"agreement-{each.region}-{each.row['id']}-{year}.tif"
        shutil.copyfile(each.agreement, folder / name)
        files.append(Download(name, "agreement", "COG", {"system": each.row["name"], "region": each.region}))
    return files


def _places(contents: Contents, name: str) -> gpd.GeoDataFrame:
    """Places of all regions, PLACES_COLUMNS and geometry; `is_large` where a place is published as one."""
    parts = []
    for region in contents.regions:
        table: gpd.GeoDataFrame = getattr(region, name)
        parts.append(table.rename(columns={"change_id": "place_id"}).assign(region=region.id))
    table = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
    return table.sort_values(["region", "place_id"], ignore_index=True)[[*PLACES_COLUMNS, "geometry"]]


def _written(table: gpd.GeoDataFrame, folder: Path, name: str, about: str, told: Mapping[str, str]) -> Iterator[Download]:
    named = table.set_index("place_id", drop=False)
    text = named.to_json(to_wgs84=False, show_bbox=False, drop_id=False)
    (folder / f"{name}.geojson").write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n", encoding="utf-8")
    yield Download(f"{name}.geojson", about, "GeoJSON", told)
    _write_geopackage(table, folder / f"{name}.gpkg", name)
    yield Download(f"{name}.gpkg", about, "GeoPackage", told)
    table.to_parquet(folder / f"{name}.parquet", index=False)
    yield Download(f"{name}.parquet", about, "GeoParquet", told)


def _write_geopackage(table: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """OGR_CURRENT_DATE: https://gdal.org/en/stable/drivers/vector/gpkg.html."""
    import pyogrio

    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": GEOPACKAGE_DATE})
    try:
        table.to_file(path, driver="GPKG", layer=layer, engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _marked(contents: Contents) -> str:
    return f"{SIMULATED_MARK}.\n" if contents.simulated else ""


def _licence(contents: Contents) -> str:
    name, address = contents.licence
    told = f"These files come under {name}, {address}" if name else "The terms of some sources are not known: ask their authors"
    return f"{_marked(contents)}{told}.\n\nThey rest on:\n" + "".join(f"- {line}\n" for line in contents.credits)


def _citation(contents: Contents) -> str:
    regions = "; ".join(region.name for region in contents.regions)
    return (
        f"{_marked(contents)}New mining in {contents.year} ({regions}). Made with mining-platform. Rests on: "
        + " ".join(contents.credits)
        + "\n"
    )
