"""The blobs that an .osm.pbf file consists of, without unpacking any: how large they are, and how large they will be.

https://wiki.openstreetmap.org/wiki/PBF_Format: a length of 4 bytes, a header with the blob's type and size, the blob; all are
protocol buffers, whose numbers are told in https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_HEADER_BYTES, MAX_BLOB_BYTES = 64 * 2**10, 32 * 2**20
"""The format's limits, of a header and of what a blob holds, packed or not."""
HEADER, DATA = "OSMHeader", "OSMData"
_HEAD_BYTES = 32  # of a blob, in which its raw size comes before the packed data
_VARINT, _BYTES = 0, 2
_TYPE_FIELD, _SIZE_FIELD = 1, 3
_RAW_FIELD, _RAW_SIZE_FIELD = 1, 2
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Blob:
    """One blob of a file."""

    kind: str
    """HEADER or DATA; others are skipped by readers."""
    start: int
    """Byte of the file at which its length begins."""
    end: int
    raw_bytes: int
    """Bytes that it unpacks to."""


def blobs(path: Path) -> Iterator[Blob]:
    """The blobs of a file in order; ValueError where they are none, beyond the format's limits or cut off."""
    size, start = path.stat().st_size, 0
    with path.open("rb") as file:
        while start < size:
            file.seek(start)
            length = int.from_bytes(file.read(_LENGTH_BYTES))
            if not 0 < length <= MAX_HEADER_BYTES:
                raise ValueError(f"byte {start}: no blob begins here")
            header = dict(_fields(file.read(length)))
            packed, kind = header.get(_SIZE_FIELD), header.get(_TYPE_FIELD)
            body = start + _LENGTH_BYTES + length
            if not isinstance(packed, int) or not isinstance(kind, bytes) or packed > MAX_BLOB_BYTES:
                raise ValueError(f"byte {start}: no blob begins here")
            if body + packed > size:
                raise ValueError(f"it ends within the blob at byte {start}")
            yield Blob(
                kind.decode(errors="replace"), start, body + packed, _raw_bytes(file.read(min(packed, _HEAD_BYTES)), packed)
            )
            start = body + packed


def _raw_bytes(head: bytes, packed: int) -> int:
    """What a blob unpacks to; unpacked ones are as large as they are, and one that does not say may have all that is allowed."""
    for field, value in _fields(head):
        if field == _RAW_SIZE_FIELD and isinstance(value, int):
            return value
        if field == _RAW_FIELD:
            return packed
    return MAX_BLOB_BYTES


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protocol buffer and their values, up to one of a type that is not expected or that is cut off."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        if tag & 7 not in (_VARINT, _BYTES):
            return
        value, position = _varint(message, position)
        if tag & 7 == _BYTES:
            yield tag >> 3, message[position : position + value]
            position += value
        else:
            yield tag >> 3, value


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """A number in groups of seven bits, the lowest first, and where the next begins."""
    value = shift = 0
    while position < len(message):
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that more follow
            break
    return value, position
