"""Whether the tables of a package keep their rules, and agree with each other, with the places they name and with its facts."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shapely
from pyproj.exceptions import ProjError

from mining_platform.footprints import centres_deg, reprojected, window_footprints
from mining_platform.manifests import PATCH_TABLE, validate_manifest
from mining_platform.packages.contents import MANIFEST_CSV, MANIFEST_PARQUET
from mining_platform.packages.data_package import DATA_PACKAGE
from mining_platform.packages.layouts import LAYOUTS
from mining_platform.packages.package_facts import PackageFacts

PLACE_ERROR_DEG = 1e-5  # about a metre: between releases of PROJ
SPARE_BYTES = 4096  # of a table written by another program, beside as much again as it should have

Found = Iterator[tuple[str, str]]
"""File and what is wrong with it."""


def read_manifest(package: Path, most_rows: int) -> gpd.GeoDataFrame:
    """The manifest; ValueError where it is no GeoParquet, or claims more rows than the package can have."""
    path = package / MANIFEST_PARQUET
    try:
        if (rows := pq.read_metadata(path).num_rows) > most_rows:
            raise ValueError(f"it claims {rows} rows, the package has {most_rows} files")
        return gpd.read_parquet(path)
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise ValueError(f"{MANIFEST_PARQUET} is no GeoParquet ({type(error).__name__}: {error})") from None


def manifest_problems(package: Path, facts: PackageFacts, table: gpd.GeoDataFrame) -> Found:
    """What is wrong with the manifest."""
    lacking = [name for name in (*PATCH_TABLE.columns, *(kind.column for kind in facts.kinds)) if name not in table]
    if lacking:
        yield MANIFEST_PARQUET, f"lacks the columns {', '.join(lacking)}"
        return
    yield from table_problems(package, MANIFEST_CSV, table.drop(columns="geometry"))
    try:
        validate_manifest(table[list(PATCH_TABLE.columns)])
    except ValueError as error:
        yield MANIFEST_PARQUET, f"breaks its rules: {error}"
        return
    yield from _misplaced(table)
    yield from _other_facts(facts, table)
    for kind in facts.kinds:
        for path in sorted(set(map(str, table.loc[table[kind.column].duplicated(), kind.column]))):
            yield path, f"is of two patches (column {kind.column})"


def table_problems(package: Path, name: str, expected: pd.DataFrame) -> Found:
    """What is wrong with a CSV table that is to hold these rows, compared as text."""
    content = pd.DataFrame(expected).to_csv(index=False, lineterminator="\n")
    try:
        if (package / name).stat().st_size > 2 * len(content.encode()) + SPARE_BYTES:
            yield name, f"is not the table of {MANIFEST_PARQUET}"
            return
        text = pd.read_csv(package / name, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        yield name, f"cannot be read: {str(error).replace(f'{package}/', '')}"
        return
    if not text.equals(pd.read_csv(io.StringIO(content), dtype=str, keep_default_na=False)):
        yield name, f"is not the table of {MANIFEST_PARQUET}"


def following_tables(package: Path, facts: PackageFacts, table: gpd.GeoDataFrame, shares: Mapping[str, float]) -> Found:
    """What is wrong with the tables that follow from the manifest and the shares of its labels."""
    for name, expected in LAYOUTS[facts.layout].tables(table, shares).items():
        yield from table_problems(package, name, expected)


def _misplaced(table: gpd.GeoDataFrame) -> Found:
    """Patches whose degrees are not those of their window."""
    footprints = window_footprints(table["window_id"].tolist())
    expected, centres = np.empty((len(table), 4)), np.empty((len(table), 2))
    try:
        centres[:] = centres_deg(footprints)
        for code in sorted(set(footprints.epsg.tolist())):
            rows = footprints.epsg == code
            expected[rows] = shapely.bounds(reprojected(footprints.geometry[rows], code, 4326))
    except ProjError as error:
        yield MANIFEST_PARQUET, f"names a CRS that is not known: {error}"
        return
    told: Any = np.column_stack([table.bounds.to_numpy(), table[["west", "south", "east", "north", "lon", "lat"]].to_numpy()])
    wrong = (np.abs(told - np.column_stack([expected, expected, centres])) > PLACE_ERROR_DEG).any(axis=1)
    if wrong.any():
        named = table.loc[wrong, "patch_id"].tolist()
        yield MANIFEST_PARQUET, f"has degrees that are not those of the window, in {len(named)} rows, first {named[:3]}"


def _other_facts(facts: PackageFacts, table: gpd.GeoDataFrame) -> Found:
    """Where the description says other than the rows."""
    told: dict[str, set[Any]] = {"recipe": {facts.recipe}, "profile": {facts.profile}, "year": set(facts.years)}
    for name, values in told.items():
        if (found := set(table[name])) != values:
            yield DATA_PACKAGE, f"says {name} {sorted(values)}, {MANIFEST_PARQUET} {sorted(found)}"
    if table["simulated"].any() and not facts.simulated:
        yield DATA_PACKAGE, "does not say that patches are SIMULATED"
