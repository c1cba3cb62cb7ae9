"""The one door through which a package is described: for archives, for programs that load data, and for people."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mining_platform.packages.citation import CITATION_CFF, citation_cff
from mining_platform.packages.columns import data_dictionary
from mining_platform.packages.contents import MANIFEST_PARQUET, Contents
from mining_platform.packages.croissant import CROISSANT, croissant
from mining_platform.packages.data_package import DATA_PACKAGE, columns_of, data_package
from mining_platform.packages.ro_crate import RO_CRATE, ro_crate
from mining_platform.packages.stac_records import COLLECTION_JSON, STAC_FOLDER, collection, items

DATA_DICTIONARY = "DATA_DICTIONARY.md"


def write_descriptions(out: Path, contents: Contents) -> None:
    """Write `datapackage.json`, `croissant.json`, `ro-crate-metadata.json`, `stac/`, CITATION.cff and DATA_DICTIONARY.md.

    All data files, the tables of `contents.tables` and manifest.parquet are in `out` already. Equal contents give equal bytes.
    KeyError for a column without a description, ValueError for a release without authors and for patch ids that cannot be the
    names of files.
    """
    if not contents.release.authors:
        raise ValueError(f"The release of {contents.release.dataset} has no authors, so nobody can be cited. Give at least one.")
    _write_json(out / DATA_PACKAGE, data_package(out, contents))
    _write_json(out / CROISSANT, croissant(out, contents))
    (out / DATA_DICTIONARY).write_text("\n".join(_dictionary(out, contents)), encoding="utf-8")
    (out / CITATION_CFF).write_text(citation_cff(contents), encoding="utf-8")
    _write_stac(out, contents)
    _write_json(out / RO_CRATE, ro_crate(out, contents))


def _write_stac(out: Path, contents: Contents) -> None:
    folder = out / STAC_FOLDER
    (folder / "items").mkdir(parents=True, exist_ok=True)
    _write_json(folder / COLLECTION_JSON, collection(contents))
    for path, item in items(out, contents):
        _write_json(folder / path, item, indent=None)  # Python's compiled encoder, which is for thousands, does not indent


def _dictionary(out: Path, contents: Contents) -> Iterator[str]:
    yield "# Data dictionary\n"
    yield "An empty cell is a missing value.\n"
    for table in contents.tables:
        yield f"## {table.path}\n\n{table.description}\n"
        yield data_dictionary(columns_of(out / table.path))
    yield f"## {MANIFEST_PARQUET}\n\nThe columns of the patches as above, and their footprints.\n"
    yield data_dictionary(["geometry"])


def _write_json(path: Path, content: dict[str, Any], *, indent: int | None = 1) -> None:
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
