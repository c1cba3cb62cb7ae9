"""From an address to a store: the installation's own, and those that artifacts are copied from or to."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mining_platform import homes
from mining_platform.store.buckets import PART_BYTES, open_bucket
from mining_platform.store.refs import ArtifactError, ArtifactStore
from mining_platform.store.remote import Kept, Listed, Readable


def own_store() -> ArtifactStore:
    """The installation's artifacts: below `MINING_PLATFORM_HOME`, or in the object store that `MINING_PLATFORM_STORE` names.

    No request is made yet. Raises as `open_bucket`.
    """
    address = os.environ.get(homes.STORE_VARIABLE, "")
    if not address:
        return ArtifactStore(homes.artifacts_root())
    bucket = open_bucket(address)
    return ArtifactStore(homes.copies_root(bucket.place), bucket)


def readable(place: str) -> Readable:
    """A store to read from: the address of a bucket, or a directory of artifacts. Raises as `open_bucket`, ArtifactError."""
    if "://" in place:
        return open_bucket(place)
    if not Path(place).is_dir():
        raise ArtifactError(
            f"{place} is no directory. Name the folder `artifacts` of a home, or a bucket such as s3://name/prefix."
        )
    return Folder(Path(place).absolute())


def writable(place: str, copies: Path) -> ArtifactStore:
    """A store to write to: a bucket, which needs the directory `copies` meanwhile, or a directory, which may not exist yet."""
    return ArtifactStore(copies, open_bucket(place)) if "://" in place else ArtifactStore(Path(place).absolute())


def require_apart(source: Readable, target: ArtifactStore) -> None:
    """ArtifactError where two stores are one, or where one lies below the other and its partitions would be the other's too."""
    there: Readable = target.remote or Folder(target.root)
    steps, others = _steps(source), _steps(there)
    if steps == others:
        raise ArtifactError(f"Source and target are the same, {source.place}: name another target.")
    if others[: len(steps)] == steps:
        raise ArtifactError(f"The target {there.place} lies below the source {source.place}: name a target beside the source.")
    if steps[: len(others)] == others:
        raise ArtifactError(f"The source {source.place} lies below the target {there.place}: name a target beside the source.")


def _steps(store: Readable) -> tuple[str, ...]:
    """The way to a store from the root of the disk, or from the service of a bucket."""
    if isinstance(store, Folder):
        return store.root.resolve().parts
    return tuple(unquote(step) for step in store.place.split("/") if step)


@dataclass(frozen=True)
class Folder:
    """A directory of artifacts, read by keys as a bucket is; see `Readable`."""

    root: Path

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.root)

    def get(self, key: str) -> Kept | None:
        """See `Readable`."""
        path = self._path(key)
        return Kept(path.read_bytes(), {}) if path.is_file() else None

    def chunks(self, key: str, size: int) -> Iterator[bytes] | None:  # noqa: ARG002 - a file has the size that it has
        """See `Readable`."""
        path = self._path(key)
        return _pieces(path) if path.is_file() else None

    def folders(self, prefix: str) -> list[str]:
        """See `Readable`."""
        path = self._path(prefix)
        return sorted(each.name for each in path.iterdir() if each.is_dir() and not each.is_symlink()) if path.is_dir() else []

    def list(self, prefix: str) -> Iterator[Listed]:
        """See `Readable`."""
        for path in sorted(self._path(prefix).rglob("*")):
            if path.is_file():
                yield Listed(path.relative_to(self.root).as_posix(), path.stat().st_size)

    def _path(self, key: str) -> Path:
        path = self.root / key
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise ArtifactError(f"{key} leads out of {self.root}. Remove the symbolic link.")
        return path


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PART_BYTES):
            yield piece
