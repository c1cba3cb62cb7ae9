"""The record sets of `croissant.json`: which fields a record has, and from which table and file each comes.

What the reader mlcroissant 1.1 does shapes them:

1. It joins two sources a record set. So `table` joins the rows with the splits, `images` joins those with the images, `patches`
   those with the labels; each kind of file has a record set of its own as well, which streams.
2. It turns `image/png` into RGB and scales `image/tiff` to 8 bits, which changes class codes and digital numbers. So labels and
   stacks are told as `text/plain` as well, which it hands over byte by byte; a label is then opened as an image of its own
   values, and a stack stays the bytes of its GeoTIFF.
3. It guesses types in CSV. So rows come from manifest.parquet, where the range 000 stays a text.
4. A data set object that was read once may be spent: open the file again for each record set.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mining_platform.manifests import SPLITS
from mining_platform.packages.columns import column
from mining_platform.packages.contents import MANIFEST_PARQUET, Contents, FileKind

TABLE, IMAGES, PATCHES, SPLIT_NAMES = "table", "images", "patches", "splits"
FIELDS = (
    *("patch_id", "split", "range", "is_mining", "share", "region", "year", "lon", "lat"),
    *("epsg", "minx", "miny", "maxx", "maxy", "west", "south", "east", "north", "simulated"),
)
"""Columns of the manifest in the records of `images` and `patches`; those of `table` are all but the footprint."""
_TYPES = {"string": "sc:Text", "integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean"}
_SPLIT_URLS = {"train": "cr:TrainingSplit", "val": "cr:ValidationSplit", "test": "cr:TestSplit"}
_PNG, _BYTES = "image/png", "text/plain"

Entity = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """How a kind of file is read."""

    media_types: tuple[str, ...]
    """Readers take the first that they know."""
    data_type: str
    note: str


def reading_of(kind: FileKind) -> Reading:
    """How a kind of file is read so that its values stay what they are; pictures become RGB, which they are."""
    if kind.channels and kind.media_type == _PNG:
        return Reading((_PNG,), "sc:ImageObject", "Read as RGB.")
    media_types = (_BYTES, _PNG) if kind.media_type == _PNG else (kind.media_type, _BYTES)
    if not kind.channels:
        return Reading(media_types, "sc:ImageObject", "Read as an image of its class values.")
    return Reading(media_types, "sc:Text", "Read as the bytes of a GeoTIFF.")


def record_sets(contents: Contents) -> Iterator[Entity]:
    """Record sets `splits`, `table`, `images`, `patches`, and `<kind>_files` of each kind of file."""
    kinds = {kind.column: kind for kind in contents.kinds}
    image, label = kinds["image_path"], kinds["label_path"]
    names = [name for name in contents.table.columns if name != "geometry"]
    carried = [name for name in FIELDS if name in names]
    yield _splits()
    yield _record_set(TABLE, "All columns of each patch.", [_column_field(name) for name in names])
    yield _record_set(
        IMAGES,
        "Each patch with its image.",
        [*(_carried(IMAGES, name, TABLE) for name in (*carried, label.column)), *_file_fields(IMAGES, image, TABLE)],
    )
    known = [_carried(PATCHES, name, IMAGES) for name in (*carried, image.column)]
    content = {**_content_field(PATCHES, image), "source": {"field": {"@id": f"{IMAGES}/{_name(image)}"}}}
    fields = [*known, content, *_file_fields(PATCHES, label, IMAGES)]
    yield _record_set(PATCHES, "Each patch with its image and its label.", fields)
    for kind in contents.kinds:
        name = f"{_name(kind)}_files"
        yield _record_set(name, f"{kind.title} by path.", _file_fields(name, kind, None), key=kind.column)


def files_id(kind: FileKind) -> str:
    """Id of the set of all files of a kind: `image_path` -> `image-files`."""
    return f"{_name(kind)}-files"


def _record_set(name: str, description: str, fields: list[Entity], *, key: str = "patch_id") -> Entity:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": description,
        "key": {"@id": f"{name}/{key}"},
        "field": fields,
    }


def _splits() -> Entity:
    fields: list[Entity] = [
        {"@type": "cr:Field", "@id": f"{SPLIT_NAMES}/name", "name": f"{SPLIT_NAMES}/name", "dataType": "sc:Text"},
        {"@type": "cr:Field", "@id": f"{SPLIT_NAMES}/url", "name": f"{SPLIT_NAMES}/url", "dataType": ["sc:URL", "cr:Split"]},
    ]
    rows = [{f"{SPLIT_NAMES}/name": name, f"{SPLIT_NAMES}/url": _SPLIT_URLS.get(name, "")} for name in SPLITS]
    described = _record_set(SPLIT_NAMES, "Sides of the split; buffer is on none.", fields, key="name")
    return {**described, "dataType": "cr:Split", "data": rows}


def _column_field(name: str) -> Entity:
    """A column of the manifest, in the record set `table`."""
    source = {"fileObject": {"@id": MANIFEST_PARQUET}, "extract": {"column": name}}
    reference = {"references": {"field": {"@id": f"{SPLIT_NAMES}/name"}}} if name == "split" else {}
    return {**_described(TABLE, name), "source": source, **reference}


def _carried(record_set: str, name: str, source: str) -> Entity:
    """A column that another record set has already."""
    return {**_described(record_set, name), "source": {"field": {"@id": f"{source}/{name}"}}}


def _described(record_set: str, name: str) -> Entity:
    row = column(name)
    types = [_TYPES[row.type], "cr:Split"] if name == "split" else _TYPES[row.type]
    unit = f" Unit: {row.unit}." if row.unit else ""
    return _field(record_set, name, types, row.description + unit)


def _file_fields(record_set: str, kind: FileKind, joined: str | None) -> list[Entity]:
    """Path and content of a file; with `joined`, the path leads to the row of that record set."""
    reference = {"references": {"field": {"@id": f"{joined}/{kind.column}"}}} if joined else {}
    files = {"fileSet": {"@id": files_id(kind)}}
    path = {**files, "extract": {"fileProperty": "fullpath"}, "transform": {"regex": "^(.*)$"}}
    return [
        {**_described(record_set, kind.column), "source": path, **reference},
        {**_content_field(record_set, kind), "source": {**files, "extract": {"fileProperty": "content"}}},
    ]


def _content_field(record_set: str, kind: FileKind) -> Entity:
    reading = reading_of(kind)
    return _field(record_set, _name(kind), reading.data_type, f"{kind.title}. {kind.description}. {reading.note}")


def _field(record_set: str, name: str, data_type: str | list[str], description: str) -> Entity:
    name = f"{record_set}/{name}"
    return {"@type": "cr:Field", "@id": name, "name": name, "description": description, "dataType": data_type}


def _name(kind: FileKind) -> str:
    """`image_path` -> `image`."""
    return kind.column.removesuffix("_path")
