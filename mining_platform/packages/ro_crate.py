"""`ro-crate-metadata.json`: the package as a research object, with what it was made from and by what.

RO-Crate 1.1, https://w3id.org/ro/crate/1.1. Patches are thousands of files, so a folder of each kind is named and not each file.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mining_platform.packages import citation
from mining_platform.packages.contents import MANIFEST_PARQUET, Contents, FileKind, Release
from mining_platform.packages.credits import licence_of

RO_CRATE = "ro-crate-metadata.json"
SOFTWARE = "#mining-platform"
_CONTEXT, _PROFILE = "https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/crate/1.1"
_ACTION, _UNKNOWN_TERMS = "#export", "#terms"
_OTHER_FILES = {
    "README.md": ("Card of the data set", "text/markdown"),
    "DATA_DICTIONARY.md": ("Meaning of every column", "text/markdown"),
    "CITATION.cff": ("How to cite, Citation File Format", "text/yaml"),
    "datapackage.json": ("Frictionless Data Package: schemas of the tables", "application/json"),
    "croissant.json": ("Croissant: how to load the records", "application/ld+json"),
    "stac/collection.json": ("STAC collection, with an item a patch", "application/json"),
    "checksums.txt": ("BLAKE3 of every file", "text/plain"),
}

Entity = dict[str, Any]


def ro_crate(out: Path, contents: Contents) -> dict[str, Any]:
    """Content of ro-crate-metadata.json for a package whose tables are written."""
    release = contents.release
    parts = [*_tables(out, contents), *_folders(contents), *_other_files()]
    inputs = list(_inputs(release))
    authors = [_author(name) for name in release.authors]
    sources = [_source(release, number) for number in range(len(release.credits))]
    graph = [
        {"@id": RO_CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": _PROFILE}},
        _root(contents, parts, authors, sources),
        *parts,
        *authors,
        *sources,
        _terms(release),
        _software(release),
        _action(inputs),
        *inputs,
        *(_digest(digest) for digest in sorted({digest for _, _, digest in release.inputs})),
    ]
    return {"@context": _CONTEXT, "@graph": list({entity["@id"]: entity for entity in graph}.values())}


def _root(contents: Contents, parts: list[Entity], authors: list[Entity], sources: list[Entity]) -> Entity:
    release = contents.release
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": citation.title(release),
        "description": citation.abstract(contents),
        "keywords": ", ".join(citation.keywords(release)),
        "datePublished": release.date,
        "version": release.version,
        "license": {"@id": _terms(release)["@id"]},
        "author": _references(authors),
        "isBasedOn": _references(sources),
        "hasPart": _references(parts),
        "mentions": {"@id": _ACTION},
    }


def _references(entities: list[Entity]) -> list[dict[str, str]]:
    return [{"@id": name} for name in dict.fromkeys(entity["@id"] for entity in entities)]


def _tables(out: Path, contents: Contents) -> Iterator[Entity]:
    for table in contents.tables:
        yield _file(table.path, table.title, "text/csv", description=table.description, size=(out / table.path).stat().st_size)
    parquet = out / MANIFEST_PARQUET
    if parquet.exists():
        note = "The patches with their footprints, GeoParquet."
        yield _file(MANIFEST_PARQUET, "Patches", "application/vnd.apache.parquet", description=note, size=parquet.stat().st_size)


def _other_files() -> Iterator[Entity]:
    for path, (title, media_type) in _OTHER_FILES.items():
        yield _file(path, title, media_type)


def _file(path: str, title: str, media_type: str, *, description: str = "", size: int | None = None) -> Entity:
    told = {"name": title, "description": description, "encodingFormat": media_type, "contentSize": str(size or "")}
    return {"@id": quote(path), "@type": "File", **{name: value for name, value in told.items() if value}}


def _folders(contents: Contents) -> Iterator[Entity]:
    for kind in contents.kinds:
        counts = Counter(_folder(str(path), kind.pattern) for path in contents.table[kind.column])
        for folder, count in sorted(counts.items()):
            yield {
                "@id": quote(folder),
                "@type": "Dataset",
                "name": f"{kind.title}: {count} files",
                "description": f"{kind.description}. {count} files {kind.pattern}, {_pixels(kind)}.",
                "encodingFormat": kind.media_type,
                "size": str(count),
            }


def _folder(path: str, pattern: str) -> str:
    """Folder that holds all files of a kind, down to the last folder that its pattern names: `images/`, `train/labels/`."""
    named = [place for place, part in enumerate(pattern.split("/")[:-1]) if "*" not in part]
    return "/".join(path.split("/")[: max(named, default=0) + 1]) + "/"


def _pixels(kind: FileKind) -> str:
    nodata = "" if kind.nodata is None else f", no data {kind.nodata:g}"
    scale = "" if kind.scale is None else f", reflectance = {kind.scale:g} x value"
    return f"{kind.dtype}{nodata}{scale}"


def _author(name: str) -> Entity:
    names = citation.person(name)
    told = {"@type": "Person", "familyName": names[0], "givenName": names[1]} if names else {"@type": "Organization"}
    return {"@id": f"#author-{quote(name, safe='')}", **told, "name": name}


def _source(release: Release, number: int) -> Entity:
    credit = release.credits[number]
    told = {"name": credit.line, "creditText": credit.text, "url": credit.url, "license": credit.licence_url}
    return {"@id": f"#source-{number + 1}", "@type": "CreativeWork", **{key: value for key, value in told.items() if value}}


def _terms(release: Release) -> Entity:
    licence, url = licence_of(release.credits)
    if url:
        return {"@id": url, "@type": "CreativeWork", "name": licence, "identifier": licence}
    note = "The terms of a source are not known by an identifier; see README.md and ask the authors of the labels."
    return {"@id": _UNKNOWN_TERMS, "@type": "CreativeWork", "name": "Terms of the sources", "description": note}


def _software(release: Release) -> Entity:
    return {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "mining-platform",
        "version": release.code_version,
        "softwareVersion": release.code_version,
    }


def _action(inputs: list[Entity]) -> Entity:
    return {
        "@id": _ACTION,
        "@type": "CreateAction",
        "name": "Export of the package from published artifacts",
        "instrument": {"@id": SOFTWARE},
        "object": _references(inputs),
        "result": {"@id": "./"},
    }


def _inputs(release: Release) -> Iterator[Entity]:
    """The artifacts that the package rests on, each with the digest of its content."""
    for asset, partition, digest in release.inputs:
        yield {
            "@id": f"#artifact/{quote(f'{asset}/{partition}/{digest}')}",
            "@type": "CreativeWork",
            "name": f"{asset} {partition}",
            "version": digest,
            "identifier": {"@id": _digest(digest)["@id"]},
        }


def _digest(digest: str) -> Entity:
    return {"@id": f"#digest-{quote(digest)}", "@type": "PropertyValue", "propertyID": "content digest", "value": digest}
