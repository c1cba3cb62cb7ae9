"""Whether a published partition is still what it would become today, and if not, why: inputs, code or configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from mining_platform.artifacts import ArtifactError, Ref, StoreUnreachable, current_digest, freshness, records
from mining_platform.clouds.s2cloudless_model import ModelMissing
from mining_platform.lineage import LineageError
from mining_platform.models.base_weights import WeightsError
from mining_platform.pipeline import PartitionError, Platform, Step, inputs_now
from mining_platform.regions import RegionError
from mining_platform.sources.offline import OfflineBeside, OfflineMaps, OfflineScenes
from mining_platform.sources.protocol import NotAskedError, SourceError

UNTOLD = (SourceError, RegionError, PartitionError, ArtifactError, LineageError, ModelMissing, WeightsError)
"""Why it cannot be told of a partition whether it is fresh, or what it takes: the same keeps it from being made."""


UNASKED = "its service was not asked"


@dataclass(frozen=True)
class Planned:
    """One partition of a plan and why it needs to be made; no reasons means fresh."""

    ref: Ref
    reasons: tuple[str, ...]
    problem: str | None = None
    """Why it cannot be made as things stand, such as a missing source."""

    @property
    def state(self) -> str:
        """`fresh`, `missing`, `stale`, `cannot`, or `not asked`: fresh but for what only a service knows."""
        if self.problem:
            return "cannot"
        if not self.reasons:
            return "fresh"
        if self.reasons == (UNASKED,):
            return "not asked"
        return "missing" if "not made yet" in self.reasons else "stale"


def offline(platform: Platform) -> Platform:
    """The installation as it plans without asking any service: what only a service knows is then told as not asked."""
    return replace(
        platform,
        scenes=OfflineScenes(platform.scenes),
        land_covers=OfflineMaps(platform.land_covers),
        beside=OfflineBeside(platform.beside),
    )


def assess(platform: Platform, steps: Mapping[str, Step], ref: Ref) -> Planned:
    """Whether a partition is fresh, and if not, why: input, code or configuration."""
    step = steps[ref.asset]
    try:
        return Planned(ref, _told(platform, step, step.check_key(ref.partition, platform.regions)))
    except UNTOLD as error:
        return Planned(ref, () if is_published(platform, ref) else ("not made yet",), str(error))


def _told(platform: Platform, step: Step, key: str) -> tuple[str, ...]:
    """Reasons to make a partition; where only a service knows its configuration, those at hand and that it was not asked."""
    ref, inputs = Ref(step.asset, key), inputs_now(platform, step, key)
    reasons = partial(freshness, platform.artifacts, ref, inputs=inputs, code_version=step.version)
    published = is_published(platform, ref)
    try:
        config = step.config(platform, key)
        return reasons(config=config if published else {})  # there is nothing to hold it against, but a source may refuse
    except NotAskedError:
        if not published:
            return ("not made yet", UNASKED)
        return (*reasons(config=dict(records(platform.artifacts, ref)[-1].configuration)), UNASKED)


def is_published(platform: Platform, ref: Ref) -> bool:
    """Whether a partition has a current version whose pointer can be read; StoreUnreachable where that cannot be known."""
    try:
        return current_digest(platform.artifacts, ref) is not None
    except StoreUnreachable:
        raise
    except ArtifactError:
        return False
