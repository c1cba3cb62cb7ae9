"""`croissant.json`: how a program loads the patches with their images and labels, for machine learning.

Croissant 1.0, https://docs.mlcommons.org/croissant/docs/croissant-spec.html, with its vocabulary for responsible AI. The records
are in croissant_records.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mining_platform.packages import citation
from mining_platform.packages.contents import MANIFEST_PARQUET, Contents, FileKind, Release
from mining_platform.packages.credits import licence_of
from mining_platform.packages.croissant_records import Entity, files_id, reading_of, record_sets

CROISSANT = "croissant.json"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{name: f"cr:{name}" for name in ("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty")},
    **{name: f"cr:{name}" for name in ("fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5")},
    **{name: f"cr:{name}" for name in ("parentField", "path", "recordSet", "references", "regex", "repeated", "replace")},
    **{name: f"cr:{name}" for name in ("samplingRate", "separator", "source", "subField", "transform")},
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
}


def croissant(out: Path, contents: Contents) -> Entity:
    """Content of croissant.json for a package whose tables and manifest.parquet are written."""
    release = contents.release
    _, licence_url = licence_of(release.credits)
    return {
        "@context": dict(sorted(_CONTEXT.items())),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": citation.title(release),
        "description": citation.abstract(contents),
        "keywords": citation.keywords(release),
        "license": licence_url or "The terms of the sources, see README.md",
        "citeAs": citation.bibtex(release),
        "creator": [_creator(author) for author in release.authors],
        "datePublished": release.date,
        "version": semantic_version(release),
        **_responsible_ai(release),
        "distribution": [*_file_objects(out, contents), *map(_file_set, contents.kinds)],
        "recordSet": list(record_sets(contents)),
    }


def semantic_version(release: Release) -> str:
    """The version in the form MAJOR.MINOR.PATCH+BUILD that Croissant asks for: `2024.0.0+2024.1f3a90c2`."""
    return f"{max(release.years)}.0.0+{release.version}"


def _creator(author: str) -> Entity:
    return {"@type": "sc:Person" if citation.person(author) else "sc:Organization", "name": author}


def _responsible_ai(release: Release) -> Entity:
    """What users have to know of how the data came to be, in the terms of Croissant RAI 1.0."""
    collection = (
        "Windows were found on a land-cover map, or around people's points, by their share of mining, and drawn by range of "
        "share and by region; images are cut from yearly composites of clear satellite observations, labels from the map."
    )
    limits = [
        "Labels are those of a map made by classifiers, or of polygons that people drew, not of visits to the ground.",
        "An image is a composite of a year; what changed within the year is blended.",
    ]
    biases = [
        "Patches are drawn by ranges of mining share, so they are no random sample of the land: their numbers do not tell how "
        "common mining is, and rates of error on them are not those on a map.",
        "Small mines, and mines under cloud or of kinds that the map misses, are under-represented.",
    ]
    simulated = [citation.SIMULATED_NOTE] if release.simulated else []
    caveat = [f"The label is not mining itself: {release.recipe.caveat}."] if release.recipe.caveat else []
    return {
        "rai:dataCollection": " ".join([*simulated, collection]),
        "rai:dataLimitations": [*simulated, *caveat, *limits],
        "rai:dataBiases": biases,
        "rai:dataCollectionTimeFrame": [f"{min(release.years)}-01-01", f"{max(release.years)}-12-31"],
    }


def _file_objects(out: Path, contents: Contents) -> Iterator[Entity]:
    for table in contents.tables:
        yield _file_object(out, table.path, "text/csv", f"{table.title}. {table.description}")
    yield _file_object(out, MANIFEST_PARQUET, "application/x-parquet", "The patches with their footprints, GeoParquet.")


def _file_object(out: Path, path: str, media_type: str, description: str) -> Entity:
    content = (out / path).read_bytes()
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "description": description,
        "contentUrl": path,
        "contentSize": f"{len(content)} B",
        "encodingFormat": media_type,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _file_set(kind: FileKind) -> Entity:
    reading = reading_of(kind)
    return {
        "@type": "cr:FileSet",
        "@id": files_id(kind),
        "name": files_id(kind),
        "description": f"{kind.title}. {kind.description}. {reading.note}",
        "encodingFormat": list(reading.media_types),
        "includes": kind.pattern,
    }
