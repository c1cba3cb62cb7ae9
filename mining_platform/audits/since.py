"""What changed since a version was made: code, configuration, outside sources and declared inputs, as the graph has them now."""

from collections.abc import Iterator, Mapping

from mining_platform import lineage
from mining_platform.artifacts import Ref
from mining_platform.audits.walk import Since
from mining_platform.lineage_changes import changes
from mining_platform.pipeline import Platform, Step, inputs_now
from mining_platform.sources.protocol import NotAskedError
from mining_platform.staleness import UNASKED, UNTOLD, offline
from mining_platform.store import digests


def changed_since(platform: Platform, steps: Mapping[str, Step]) -> Since:
    """For `walk.audit`: the differences that make `status` call a partition stale. No service is asked."""
    asked = offline(platform)

    def since(ref: Ref, record: lineage.Record) -> tuple[str, ...]:
        step = steps.get(ref.asset)
        if step is None or step.external:
            return ()
        if ref.partition not in step.keys:
            return ("the partition is not declared any more",)
        try:
            return tuple(_differences(asked, step, ref, record))
        except UNTOLD as error:
            return (f"whether it changed is not known: {error}",)

    return since


def _differences(platform: Platform, step: Step, ref: Ref, record: lineage.Record) -> Iterator[str]:
    before = {Ref(each.asset, each.partition) for each in record.inputs}
    now = set(inputs_now(platform, step, ref.partition))
    yield from (f"input {each} is new" for each in sorted(now - before))
    yield from (f"input {each} is no longer used" for each in sorted(before - now))
    try:
        config = digests.canonical_json(step.config(platform, ref.partition), f"The configuration of {ref}")
    except NotAskedError:
        config = digests.spelled(record.configuration)
        yield f"whether its source changed is not known: {UNASKED}"
    yield from changes(record, inputs=record.inputs, code_version=step.version, configuration=config)
