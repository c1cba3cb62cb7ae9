"""What partitions of each kind took on this installation: seconds and bytes, by lineage records and manifests.

Time is taken as a fixed part and a part for each unit of `sizes.size_of`, by the median of slopes between pairs (Theil 1950,
Sen 1968), so that single slow runs do not count. Kinds that were never made here have the shipped rates of
`reference_rates.py`, which say on what machine and when they were measured.
"""

import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import TypeVar

from mining_platform.artifacts import ArtifactError, ArtifactStore, Ref, current_digest
from mining_platform.lineage import read_record
from mining_platform.pipeline import Platform, Step
from mining_platform.sizes import kind_of, size_of, stored_size_of
from mining_platform.staleness import UNTOLD
from mining_platform.store.digests import MANIFEST_NAME, read_manifest
from mining_platform.store.refs import version_key
from mining_platform.store.versions import (
    POINTER_NAME,
    partition_directory,
    read_pointer,
    records_directory,
    version_directory,
)

K = TypeVar("K", bound=Hashable)
NEWEST = 20
"""Partitions of an asset that count: those that were made last."""
UNLIKE = 1.5
"""Sizes of a pair differ by at least this factor, else its slope is noise."""


@dataclass(frozen=True)
class Line:
    """fixed + slope x size."""

    fixed: float
    slope: float

    def at(self, size: float) -> float:
        """The value at a size."""
        return self.fixed + self.slope * size


@dataclass(frozen=True)
class Rate:
    """What partitions of a kind take."""

    kind: str
    """An asset, or as `sizes.kind_of`."""
    unit: str
    """Of sizes; empty where they do not count."""
    seconds: Line
    bytes: Line
    """Bytes that are published, by `sizes.stored_size_of`."""
    count: int
    """Partitions that it was measured on."""
    largest: float
    """Size of the largest of them."""
    reference: str = ""
    """Machine and day of a shipped rate; empty for one of this installation."""

    def seconds_of(self, size: float) -> float:
        """Seconds of a partition; where time did not grow within the sizes measured, beyond them it is taken to grow alike."""
        beyond = max(1.0, size / self.largest) if self.largest and not self.seconds.slope else 1.0
        return self.seconds.at(size) * beyond


@dataclass(frozen=True)
class Made:
    """One production: how large it was, and what it took."""

    kind: str
    asset: str
    unit: str
    size: float
    stored_size: float
    seconds: float
    bytes: int


@dataclass(frozen=True)
class Rates:
    """Rates by asset and by kind."""

    by_asset: Mapping[tuple[str, str], Rate]
    by_kind: Mapping[str, Rate]

    def of(self, step: Step, key: str) -> Rate | None:
        """The rate for a partition: of its own asset, else of its kind, here or shipped; None where there is none."""
        kind = kind_of(step, key)
        return self.by_asset.get((step.asset, kind)) or self.by_kind.get(kind)


def line(points: Sequence[tuple[float, float]]) -> Line:
    """The line through (size, value) by medians, with a fixed part and slope that are not negative.

    Where no two sizes are unlike, all of the value is taken to grow with the size, which is cautious for larger ones; where no
    size is known, to be fixed.
    """
    sizes, values = [size for size, _ in points], [value for _, value in points]
    if not any(sizes):
        return Line(statistics.median(values), 0.0)
    pairs = [(a, b) for a, b in combinations(sorted(points), 2) if b[0] >= UNLIKE * max(a[0], 1e-9)]
    if not pairs:
        return Line(0.0, statistics.median(value / size for size, value in points if size))
    slope = max(0.0, statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs))
    return Line(max(0.0, statistics.median(value - slope * size for size, value in points)), slope)


def rate(kind: str, made: Sequence[Made], reference: str = "") -> Rate:
    """The rate of productions of one kind, at least one."""
    unit, largest = made[0].unit, max(each.size for each in made)
    seconds = line([(each.size, each.seconds) for each in made])
    size = line([(each.stored_size, float(each.bytes)) for each in made])
    return Rate(kind, unit, seconds, size, len(made), largest, reference)


def rates(platform: Platform, steps: Mapping[str, Step], shipped: Mapping[str, Rate]) -> Rates:
    """The rates of an installation, with shipped ones for kinds that it never made."""
    made = measured(platform, steps)
    by_asset = {pair: rate(pair[1], each) for pair, each in _grouped(made, lambda one: (one.asset, one.kind)).items()}
    by_kind = {kind: rate(kind, each) for kind, each in _grouped(made, lambda one: one.kind).items()}
    return Rates(by_asset, {**shipped, **by_kind})


def _grouped(made: Iterable[Made], key: Callable[[Made], K]) -> dict[K, list[Made]]:
    groups: dict[K, list[Made]] = {}
    for one in made:
        groups.setdefault(key(one), []).append(one)
    return groups


def measured(platform: Platform, steps: Mapping[str, Step]) -> list[Made]:
    """The newest productions of every asset, of partitions that are declared; records that cannot be read are left out."""
    found = (_made(platform, step, key) for step in steps.values() if not step.external for key in _newest(platform, step))
    return [one for one in found if one is not None]


def _newest(platform: Platform, step: Step) -> list[str]:
    """Keys of the partitions that were published last."""
    folder = partition_directory(platform.artifacts, Ref(step.asset)).parent
    found = [(path.stat().st_mtime_ns, path.parent.name) for path in folder.glob(f"@*/{POINTER_NAME}")]
    keys, declared = [name.removeprefix("@").replace("+", "|") for _, name in sorted(found)], set(step.keys)
    return [key for key in keys if key in declared][-NEWEST:]


def _made(platform: Platform, step: Step, key: str) -> Made | None:
    ref = Ref(step.asset, key)
    try:
        pointer = read_pointer(platform.artifacts, ref)
        size = size_of(platform, step, key) or (0.0, "")
        if pointer is None:
            return None
        record = read_record(records_directory(platform.artifacts, ref), pointer.record)
    except UNTOLD:
        return None
    seconds = (datetime.fromisoformat(record.finished) - datetime.fromisoformat(record.started)).total_seconds()
    stored, size_bytes = stored_size_of(platform, step, key), published_bytes(platform.artifacts, ref) or 0
    return Made(kind_of(step, key), step.asset, size[1], size[0], stored, seconds, size_bytes)


def published_bytes(store: ArtifactStore, ref: Ref) -> int | None:
    """Bytes of the current version by its manifest, which an object store is asked for where it is not on this disk.

    None where there is none, or none that can be read.
    """
    try:
        digest = current_digest(store, ref)
        content = _manifest(store, ref, digest) if digest else b""
        return sum(entry.size for entry in read_manifest(content)) if content else None
    except (ArtifactError, OSError, ValueError):
        return None


def _manifest(store: ArtifactStore, ref: Ref, digest: str) -> bytes:
    path = version_directory(store, ref, digest) / MANIFEST_NAME
    if store.remote is None or path.is_file():
        return path.read_bytes()
    kept = store.remote.get(f"{version_key(ref, digest)}/{MANIFEST_NAME}")
    return kept.content if kept else b""
