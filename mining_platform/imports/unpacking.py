"""Archives of packages, unpacked where they can do no harm: regular files only, inside the folder, and not more than is sane."""

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from mining_platform.imports.findings import PatchImportError
from mining_platform.patch_table_files import TEXT_SUFFIXES

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_FILES = 500_000  # the largest layout has three files a patch
MAX_BYTES = 200 * 2**30
MAX_INFLATION = 1_100  # bytes of content for one of the archive: DEFLATE cannot give more than 1,032
MAX_HEADER_BYTES = 2**20
"""Of a tar's extended header, which holds long names and attributes, and is read whole before its member is known."""
_COPY_BYTES = 2**20
_BROKEN = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, lzma.LZMAError),
    *(EOFError, IndexError, NotImplementedError, RuntimeError, ValueError),
)
"""What reading an archive raises that is cut, altered or locked; IndexError by zipfile for a member without a name, ValueError
by tarfile for a map of holes that is none."""


@contextmanager
def opened_folder(place: Path) -> Iterator[Path]:
    """The folder itself, or for the body that of an unpacked archive; PatchImportError where it is neither.

    A single folder at the top of an archive is gone into where it holds a table: others are part of a layout.
    """
    text = str(place)
    if "://" in text or text.startswith("/vsi"):
        raise PatchImportError(f"{text} is no folder on disk. Fetch it first, and name the folder or archive.")
    if place.is_dir():
        yield place
        return
    if not place.is_file() or not text.lower().endswith(ARCHIVE_SUFFIXES):
        raise PatchImportError(f"{text} is neither a folder nor an archive ({', '.join(ARCHIVE_SUFFIXES)}). Name one.")
    with TemporaryDirectory(prefix="mining-platform-import-") as made:
        try:
            (_unzip if text.lower().endswith(".zip") else _untar)(place, Path(made))
        except PatchImportError:
            raise
        except _BROKEN as error:
            raise PatchImportError(f"{place.name} is no whole archive ({' '.join(str(error).split())}). Fetch it anew.") from None
        except OSError as error:
            raise PatchImportError(
                f"{place.name} cannot be unpacked ({error.strerror or error}). Unpack it by hand and name the folder."
            ) from None
        yield _top(Path(made))


def _top(folder: Path) -> Path:
    inside = [path for path in folder.iterdir() if path.name != "__MACOSX"]
    alone = inside[0] if len(inside) == 1 and inside[0].is_dir() else None
    return alone if alone and any(path.suffix.lower() in TEXT_SUFFIXES for path in alone.iterdir()) else folder


def _unzip(archive: Path, out: Path) -> None:
    room = _Room(archive)
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if member.is_dir():
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise PatchImportError(
                    f"{archive.name} holds {member.filename}, which is no regular file. Pack it without links."
                )
            with opened.open(member) as content:
                room.put(content, out, member.filename)


class _Member(tarfile.TarInfo):
    """A header as it lies in the archive, refused before what it announces is read."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        """See TarInfo; ReadError for a size that is negative, and for an extended header that no archive needs."""
        found = super().frombuf(buf, encoding, errors)
        if found.size < 0 or (found.type in _EXTENDED and found.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header announces {found.size} bytes")
        return found


_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def _untar(archive: Path, out: Path) -> None:
    room = _Room(archive)
    with tarfile.open(archive, mode="r:*", tarinfo=_Member) as opened:
        for member in opened:
            if member.size < 0:  # said by an extended header: the next member would be looked for before this one
                raise tarfile.ReadError(f"{member.name} has {member.size} bytes")
            if member.isdir():
                continue
            content = opened.extractfile(member) if member.isreg() else None
            if content is None:
                raise PatchImportError(f"{archive.name} holds {member.name}, which is no regular file. Pack it without links.")
            room.put(content, out, member.name)


class _Room:
    """What may still come out of an archive, counted by what really comes and not by what its headers say."""

    def __init__(self, archive: Path) -> None:
        self._name = archive.name
        self._bytes = min(MAX_BYTES, archive.stat().st_size * MAX_INFLATION)
        self._files = MAX_FILES

    def put(self, content: IO[bytes], out: Path, name: str) -> None:
        """Write a member below `out`; PatchImportError for a name that leads out of it or is there already."""
        parts = PurePosixPath(name.replace("\\", "/"))
        if not parts.parts or not name.isprintable():
            raise PatchImportError(f"{self._name} holds {name!a}, which is no name of a file. Pack it anew.")
        if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
            raise PatchImportError(f"{self._name} holds {name!r}, which leads out of its folder. Do not use this archive.")
        target = out.joinpath(*parts.parts)
        if target.exists() or self._files == 0:
            what = f"{name} twice" if target.exists() else f"more than {MAX_FILES} files"
            raise PatchImportError(f"{self._name} holds {what}. Unpack it by hand and name the folder.")
        target.parent.mkdir(parents=True, exist_ok=True)
        self._files -= 1
        with target.open("xb") as file:
            while part := content.read(_COPY_BYTES):
                self._bytes -= len(part)
                if self._bytes < 0 or len(part) > shutil.disk_usage(out).free:
                    raise PatchImportError(f"{self._name} unpacks to more than there is room for. Unpack it by hand.")
                file.write(part)
