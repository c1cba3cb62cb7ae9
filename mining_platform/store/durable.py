"""Writing that survives a kill and a power cut: what is named is whole and on the disk.

A file's content reaches the disk with fsync of the file, its name with fsync of the directory.
A rename is atomic, so a reader sees the old or the new content, never a mixture.
"""

import os
import secrets
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TEMPORARY_PREFIX = "tmp-"
UNFINISHED_PREFIX = "unfinished-"
"""Of work that an interrupted writer left to be resumed."""
READ_ONLY, WRITABLE = 0o444, 0o644
_SYNC_THREADS = 4  # the file system commits concurrent fsyncs together


def temporary_in(directory: Path) -> Path:
    """A fresh name in a directory that `sweep` recognises as a leftover."""
    return directory / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"


def sync(path: Path) -> None:
    """Bring a file's content, or a directory's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(directory: Path) -> None:
    """Make a directory and its missing parents, each durably; an existing one is left as it is."""
    if directory.is_dir():
        return
    make_directory(directory.parent)
    directory.mkdir(exist_ok=True)
    sync(directory.parent)


def write(path: Path, content: bytes) -> None:
    """Put a small file in place at once, replacing the one before; on failure nothing changes."""
    temporary = temporary_in(path.parent)
    try:
        temporary.write_bytes(content)
        sync(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def freeze(directory: Path, files: list[str], directories: list[str]) -> None:
    """Make the listed files read-only and bring them, all directories and the top to the disk."""

    def settle(relative: str) -> None:
        path = directory / relative
        path.chmod(READ_ONLY)
        sync(path)

    with ThreadPoolExecutor(_SYNC_THREADS) as pool:
        list(pool.map(settle, files))
    for relative in [*directories, ""]:
        sync(directory / relative)


def prune(directory: Path) -> None:
    """Remove the empty directories below a directory: they hold no content, so they are part of none."""
    for parent, _, _ in os.walk(directory, topdown=False):
        if Path(parent) != directory and not any(Path(parent).iterdir()):
            Path(parent).rmdir()


def thaw(directory: Path) -> None:
    """Make the files of a tree writable again, and remove what could never be published: links and special files."""
    for path in list(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            path.unlink()
        elif path.is_file():
            path.chmod(WRITABLE)


def sweep(directory: Path, spared: str | None = None) -> None:
    """Remove what dead writers left in a directory, but for unfinished work of the name `spared`; under the lease only."""
    if not directory.is_dir():
        return
    for path in directory.iterdir():
        if path.name.startswith((TEMPORARY_PREFIX, UNFINISHED_PREFIX)) and path.name != spared:
            remove(path)


def remove(path: Path) -> None:
    """Remove a file or a tree; what resists (an orphaned child still writes there) is left to the next sweep."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
