"""The data of an annual report as files for everyone: stable names, licence and citation beside them.

GeoJSON (RFC 7946), GeoPackage 1.3, GeoParquet, COG and CSV, all in EPSG:4326 but for the COGs, which keep their region's grid.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd

from mining_platform.annual_reports.compared import compared_table, missed_places
from mining_platform.annual_reports.contents import Contents
from mining_platform.labels.mapbiomas import SIMULATED_MARK
from mining_platform.territories import COLUMNS as TERRITORY_COLUMNS

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
    tables = {
        f"mining-new-{year}": (_places(contents, "new"), f"new in {year}"),
        f"mining-all-{year}": (everything, f"found from {contents.first_year} to {year}"),
    }
    files = [each for name, (table, about) in tables.items() for each in _written(table, folder, name, about)]
    for region in contents.regions:
        name = f"first-year-{region.id}-{year}.tif"
        shutil.copyfile(region.first_years, folder / name)
        files.append(Download(name, f"COG: year in which each cell was first found, {region.name}"))
    name = f"territories-{year}.csv"
    contents.territories.to_csv(folder / name, index=False, lineterminator="\n", float_format="%.4f")
    files.append(Download(name, f"CSV: {', '.join(TERRITORY_COLUMNS)} and hectares of mining"))
    files += _compared(contents, folder) if contents.compared else []
    (folder / "LICENCE.txt").write_text(_licence(contents), encoding="utf-8")
    (folder / "CITATION.txt").write_text(_citation(contents), encoding="utf-8")
    return (*files, Download("LICENCE.txt", "terms and sources"), Download("CITATION.txt", "how to cite"))


def _compared(contents: Contents, folder: Path) -> list[Download]:
    year = contents.year
    table = f"comparison-{year}.csv"
    compared_table(contents).to_csv(folder / table, index=False, lineterminator="\n", float_format="%.4f")
    files = [Download(table, "CSV: hectares and places beside other systems', by region and system")]
    for side, name, about in (
        ("only_ours", f"only-ours-{year}", "places that another system lacks"),
        ("only_theirs", f"only-others-{year}", "places of other systems that are lacking here"),
    ):
        files += _written(missed_places(contents, side), folder, name, about)
    for each in contents.compared:
        name = f"agreement-{each.region}-{each.row['id']}-{year}.tif"
        shutil.copyfile(each.agreement, folder / name)
        files.append(Download(name, f"COG: 0 neither, 1 both, 2 only ours, 3 only {each.row['name']}, {each.region}"))
    return files


def _places(contents: Contents, name: str) -> gpd.GeoDataFrame:
    """Places of all regions, PLACES_COLUMNS and geometry; `is_large` where a place is published as one."""
    parts = []
    for region in contents.regions:
        table: gpd.GeoDataFrame = getattr(region, name)
        parts.append(table.rename(columns={"change_id": "place_id"}).assign(region=region.id))
    table = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
    return table.sort_values(["region", "place_id"], ignore_index=True)[[*PLACES_COLUMNS, "geometry"]]


def _written(table: gpd.GeoDataFrame, folder: Path, name: str, about: str) -> Iterator[Download]:
    named = table.set_index("place_id", drop=False)
    text = named.to_json(to_wgs84=False, show_bbox=False, drop_id=False)
    (folder / f"{name}.geojson").write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n", encoding="utf-8")
    yield Download(f"{name}.geojson", f"GeoJSON: {about}")
    _write_geopackage(table, folder / f"{name}.gpkg", name)
    yield Download(f"{name}.gpkg", f"GeoPackage: {about}")
    table.to_parquet(folder / f"{name}.parquet", index=False)
    yield Download(f"{name}.parquet", f"GeoParquet: {about}")


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
    return f"{SIMULATED_MARK}.\n" if contents.simulated != "none" else ""


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
