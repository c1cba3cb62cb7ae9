"""A package as one file: zip and tar.gz whose bytes depend on the files alone, not on times, owners or the order of a disk."""

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the first that zip knows
MODE = 0o644
PACKED = frozenset({".png", ".tif", ".parquet"})
"""Suffixes of files that are compressed already."""
TAR_LEVEL = 1  # most of a package is compressed already


def write_zip(package: Path, out: Path) -> None:
    """All files of a package under a folder of its name, in order of their paths."""
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name in _names(package):
            entry = zipfile.ZipInfo(f"{package.name}/{name}", ZIP_TIME)
            entry.compress_type = zipfile.ZIP_STORED if Path(name).suffix in PACKED else zipfile.ZIP_DEFLATED
            entry.external_attr = MODE << 16
            entry.create_system = 3  # Unix, on whichever system it is written
            entry.file_size = (package / name).stat().st_size
            with (package / name).open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target)


def write_tar(package: Path, out: Path) -> None:
    """All files of a package under a folder of its name, in order of their paths, as tar.gz (POSIX pax)."""
    with (
        out.open("wb") as raw,
        gzip.GzipFile("", "wb", TAR_LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in _names(package):
            entry = tarfile.TarInfo(f"{package.name}/{name}")
            entry.size, entry.mode = (package / name).stat().st_size, MODE
            with (package / name).open("rb") as source:
                archive.addfile(entry, source)


ARCHIVES: dict[str, Callable[[Path, Path], None]] = {".zip": write_zip, ".tar.gz": write_tar}
"""Writers by suffix."""


def _names(package: Path) -> Iterator[str]:
    return iter(sorted(path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()))
