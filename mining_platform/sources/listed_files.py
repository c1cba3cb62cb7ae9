"""What a listing states of a file, held against the file at hand (STAC file extension, https://stac-extensions.github.io/file)."""

import hashlib
from pathlib import Path

_SHA2_256 = "1220"  # multihash prefix: sha2-256, 32 bytes


def multihash(path: Path) -> str:
    """The sha2-256 of a file as a multihash in hex."""
    with path.open("rb") as file:
        return _SHA2_256 + hashlib.file_digest(file, "sha256").hexdigest()


def problem_of_file(path: Path, size: int | None, checksum: str) -> str | None:
    """What is wrong with a file that was listed with a size and a multihash, where those are stated; None if nothing.

    Multihashes other than sha2-256 are not looked at.
    """
    if not path.is_file():
        return "is absent"
    found = path.stat().st_size
    if size is not None and found != size:
        return f"has {found} bytes where {size} were listed"
    if checksum.startswith(_SHA2_256) and checksum != multihash(path):
        return "has another sha2-256 than was listed"
    return None
