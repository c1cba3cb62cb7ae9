"""`datapackage.json`: the tables with their schemas, and what a program needs to read the package again.

Frictionless Data Package and Table Schema, version 1, https://specs.frictionlessdata.io. The property `mining-platform` is this
project's own: what `verify` and `import` read.
"""

import csv
import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mining_platform.packages import citation
from mining_platform.packages.columns import column
from mining_platform.packages.contents import MANIFEST_PARQUET, Contents, Release, TableFile
from mining_platform.packages.credits import licence_of

DATA_PACKAGE = "datapackage.json"
OWN_PROPERTY = "mining-platform"
LAYOUT_VERSION = 1


def data_package(out: Path, contents: Contents) -> dict[str, Any]:
    """Content of datapackage.json for a package whose tables are written; KeyError for a column without a description."""
    release = contents.release
    licence, licence_url = licence_of(release.credits)
    licences = [{"name": licence, "path": licence_url}] if licence else None
    sources = [{"title": credit.line, **({"path": credit.url} if credit.url else {})} for credit in release.credits]
    told = {
        "profile": "tabular-data-package",
        "name": release.dataset.lower(),
        "title": citation.title(release),
        "description": citation.abstract(contents),
        "version": release.version,
        "created": f"{release.date}T00:00:00Z",
        "keywords": citation.keywords(release),
        "licenses": licences,
        "contributors": [{"title": author, "role": "author"} for author in release.authors],
        "sources": sources or None,
        "resources": [_resource(out, table) for table in contents.tables],
        OWN_PROPERTY: own_property(contents),
    }
    return {name: value for name, value in told.items() if value is not None}


def own_property(contents: Contents) -> dict[str, Any]:
    """The property `mining-platform`: layout, dataset, channels, recipe, kinds of files, provenance."""
    release = contents.release
    return {
        "layout": release.layout,
        "layout_version": LAYOUT_VERSION,
        "dataset": release.dataset,
        "years": list(release.years),
        "channels": list(release.channels),
        "px": release.px,
        "pixel_m": release.pixel_m,
        "recipe": _recipe(release),
        "profile": release.profile,
        "kinds": [asdict(kind) for kind in contents.kinds],
        "geoparquet": MANIFEST_PARQUET,
        "simulated": release.simulated,
        "code_version": release.code_version,
        "inputs": [dict(zip(("asset", "partition", "digest"), row, strict=True)) for row in release.inputs],
    }


def _recipe(release: Release) -> dict[str, Any]:
    recipe = release.recipe
    return {**asdict(recipe), "mining_codes": sorted(recipe.mining_codes)}


def _resource(out: Path, table: TableFile) -> dict[str, Any]:
    content = (out / table.path).read_bytes()
    return {
        "profile": "tabular-data-resource",
        "name": Path(table.path).stem.lower(),
        "path": table.path,
        "title": table.title,
        "description": table.description,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "schema": table_schema(columns_of(out / table.path), table.key),
    }


def table_schema(names: list[str], key: tuple[str, ...]) -> dict[str, Any]:
    """Table Schema of columns in order; an empty cell is a missing value, and a key that may be empty is no primary key."""
    schema = {"fields": [_field(name) for name in names], "missingValues": [""]}
    filled = key and all(column(name).constraints.get("required") for name in key)
    return {**schema, "primaryKey": list(key)} if filled else schema


def _field(name: str) -> dict[str, Any]:
    row = column(name)
    told = {"name": name, "type": row.type, "unit": row.unit, "description": row.description}
    return {**{key: value for key, value in told.items() if value}, "constraints": dict(row.constraints)}


def columns_of(table: Path) -> list[str]:
    """Names of the columns of a CSV file, from its first line."""
    with table.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))
