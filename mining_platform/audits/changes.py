"""What changed between two releases: which inputs differ and why, told by cause, and the areas that are restated by it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.audits.nodes import Node
from mining_platform.audits.sides import Key, Side, paired
from mining_platform.audits.sources import scene_ids_of
from mining_platform.lineage import Record
from mining_platform.store import digests

CAUSES: Mapping[str, str] = {
    "label collection": "the maps are of another collection",
    "land-cover file": "a map of the same collection has other content",
    "scenes": "other scenes, or other versions of them",
    "reviews": "people decided otherwise",
    "outside files": "points, polygons or territories have other content",
    "model": "the experiment is another",
    "deployed model": "other models are deployed",
    "code": "the code of the asset is another version",
    "configuration": "settings of the dataset, recipe or grid are others",
    "inputs": "one of them has partitions that the other has not",
    "program": "equal inputs, code and settings, but other packages, Python, commit or processor",
    "unexplained": "nothing that is recorded differs: the production is not reproducible",
}
"""Where a difference begins, in words."""
DEPLOYED = ("deployed_model", "outlined_by")
"""Places of the configuration of `detections` that name models."""

Pair = tuple[Node | None, Node | None]
"""What corresponds on two sides; None where one has no such partition."""
Pairs = Mapping[Key, Pair]


@dataclass(frozen=True)
class Change:
    """A partition whose content differs for a reason of its own, not of its inputs."""

    key: Key
    cause: str
    detail: str


@dataclass(frozen=True)
class Restated:
    """A region's area of mining on both sides."""

    region: str
    before_ha: float | None
    """None where the side has no map of it."""
    after_ha: float | None
    causes: tuple[str, ...]
    """Of the differences in what is made of this region."""


def changes_between(before: Side, after: Side) -> list[Change]:
    """The differences that have a cause of their own, in order of CAUSES; empty where both rest on the same."""
    return changes_of(paired(before, after))


def changes_of(pairs: Pairs) -> list[Change]:
    """The same of pairs; partitions that one side has only because other models are deployed there are no difference."""
    found = [change for key, (left, right) in pairs.items() for change in _own_changes(key, left, right, pairs)]
    brought = _brought(pairs, [change.key for change in found if change.cause == "deployed model"])
    own = [change for change in found if change.cause != "inputs" or change.key not in brought]
    return sorted(own, key=lambda change: (list(CAUSES).index(change.cause), change.key))


def _brought(pairs: Pairs, first: Sequence[Key]) -> set[Key]:
    """Partitions of one side alone that some rest on, directly or through others of that side alone."""
    alone = {node.version: key for key, sides in pairs.items() if None in sides for node in sides if node}
    found: set[Key] = set()
    waiting = list(first)
    while waiting:
        inputs = [each for node in pairs[waiting.pop()] if node for each in node.inputs]
        fresh = {alone[each] for each in inputs if each in alone} - found
        found |= fresh
        waiting += fresh
    return found


def _own_changes(key: Key, left: Node | None, right: Node | None, pairs: Pairs) -> Iterator[Change]:
    if left is None or right is None:
        side = "the first" if right is None else "the second"
        yield Change(key, "reviews" if key[0].endswith("/reviews") else "inputs", f"only {side} has it")
        return
    if left.version.digest == right.version.digest or left.record is None or right.record is None:
        return
    own = [*_configured(key, left.record, right.record), *_coded(key, left.record, right.record)]
    scenes = _scene_difference(left, right)
    if own or _inputs_differ(left.record, right.record, pairs):
        yield from own
        return
    if scenes:
        yield Change(key, "scenes", scenes)
        return
    program = _program_difference(left.record, right.record)
    yield Change(key, "program", program) if program else Change(key, "unexplained", CAUSES["unexplained"])


def _inputs_differ(left: Record, right: Record, pairs: Pairs) -> bool:
    """Whether the two rest on other versions, by the pairs of what corresponds."""
    partner = {a.version: b.version for a, b in pairs.values() if a is not None and b is not None}
    mine = [partner.get(each) for each in left.inputs]
    return len(left.inputs) != len(right.inputs) or any(
        other is None or other not in right.inputs or other.digest != each.digest
        for each, other in zip(left.inputs, mine, strict=True)
    )


def _coded(key: Key, left: Record, right: Record) -> Iterator[Change]:
    if left.code_version != right.code_version:
        yield Change(key, "code", f"code version {left.code_version} -> {right.code_version}")


def _configured(key: Key, left: Record, right: Record) -> Iterator[Change]:
    """One change a cause, with all places of the two configurations that belong to it."""
    old, new = left.configuration, right.configuration
    by_cause: dict[str, list[str]] = defaultdict(list)
    for name in sorted(old.keys() | new.keys()):
        for path, values in _differing(old.get(name), new.get(name), name):
            by_cause[_cause(key[0], path)].append(values)
    yield from (Change(key, cause, "; ".join(details)) for cause, details in by_cause.items())


def _cause(asset: str, path: str) -> str:
    """The cause of a difference at a place of a configuration, such as `outside.blake3` of land_cover."""
    top, _, last = path.partition(".")
    outside = top in ("source", "outside", "points", "territories")
    if asset == "land_cover" and outside:
        return "label collection" if last.endswith("collection") or last == "source" else "land-cover file"
    if asset == "scenes" and outside:
        return "scenes"
    if asset.endswith("/reviews"):
        return "reviews"
    if asset in ("model", "evaluation"):
        return "model"
    if asset == "detections":
        return "deployed model" if path in DEPLOYED else "configuration"
    return "outside files" if outside else "configuration"


def _differing(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:
    """Places where two configurations differ, with both values in words; years of yearly sources play no part."""
    if path.rpartition(".")[2] == "year":
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in sorted(old.keys() | new.keys()):
            yield from _differing(old.get(name), new.get(name), f"{path}.{name}")
    elif digests.canonical_json(old, path) != digests.canonical_json(new, path):
        yield path, f"{path} {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = digests.canonical_json(value, "value").decode().strip().strip('"')
    return text if len(text) <= 40 else f"{text[:24]}…"  # noqa: PLR2004 - characters of a line


def _scene_difference(left: Node, right: Node) -> str:
    old, new = set(scene_ids_of(left)), set(scene_ids_of(right))
    return f"{len(new - old)} scenes more, {len(old - new)} fewer, {len(old & new)} the same" if old != new else ""


def _program_difference(left: Record, right: Record) -> str:
    names = sorted(left.packages.keys() | right.packages.keys())
    versions = [(name, left.packages.get(name, "none"), right.packages.get(name, "none")) for name in names]
    told = [(name, getattr(left, name), getattr(right, name)) for name in ("python", "processor", "git_commit", "git_dirty")]
    return "; ".join(f"{name} {old} -> {new}" for name, old, new in (*versions, *told) if old != new)


def restated(before: Side, after: Side, changes: Sequence[Change]) -> list[Restated]:
    """Hectares of mining in the land-cover maps of both sides, by region, with the causes of what differs there.

    A map that only one side has is told where no map of its region is on both: a side may rest on further years besides.
    """
    from mining_platform.audits.areas import mining_ha

    found = []
    maps = {partition: sides for (asset, partition), sides in paired(before, after).items() if asset == "land_cover"}
    on_both = {partition.split("|")[0] for partition, sides in maps.items() if None not in sides}
    for partition, (left, right) in maps.items():
        region = partition.split("|")[0]
        if region not in on_both or (left is not None and right is not None):
            causes = {change.cause for change in changes if change.key[1].split("|")[0] == region}
            ordered = tuple(cause for cause in CAUSES if cause in causes)
            found.append(Restated(region, mining_ha(left, region), mining_ha(right, region), ordered))
    return found


def release_counts(side: Side) -> dict[str, dict[str, int]]:
    """Patches, and those with mining, of each manifest that a side rests on."""
    return {
        str(Ref(version.asset, version.partition)): {name: int(node.facts[name]) for name in ("patches", "mining", "dropped")}
        for version, node in side.audit.nodes.items()
        if version.asset.endswith("/manifest") and {"patches", "mining", "dropped"} <= node.facts.keys()
    }


def program_versions(side: Side) -> dict[str, list[str]]:
    """Every package, Python and commit that something on a side was made with, each with all its versions, sorted."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in (node.record for node in side.audit.nodes.values() if node.record is not None):
        told = {**record.packages, "python": record.python, "git commit": record.git_commit or "none"}
        for name, version in told.items():
            found[name].add(version)
    return {name: sorted(versions) for name, versions in sorted(found.items())}


def changes_json(before: Side, after: Side) -> dict[str, Any]:
    """The comparison for machines and for the command's text."""
    found = changes_between(before, after)
    return {
        "before": before.name,
        "after": after.name,
        "changes": [
            {"asset": change.key[0], "partition": change.key[1], "cause": change.cause, "detail": change.detail}
            for change in found
        ],
        "regions": [
            {
                "region": row.region,
                "before_ha": row.before_ha,
                "after_ha": row.after_ha,
                "causes": list(row.causes),
            }
            for row in restated(before, after, found)
        ],
        "programs": _differing_programs(program_versions(before), program_versions(after)),
        "breaks": [*before.audit.breaks, *after.audit.breaks],
        "releases": {"before": release_counts(before), "after": release_counts(after)},
    }


def _differing_programs(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """What the two sides were made with where it is not the same; whether it changed any content, the causes tell."""
    names = sorted(old.keys() | new.keys())
    return [
        {"program": name, "before": old.get(name, []), "after": new.get(name, [])}
        for name in names
        if old.get(name) != new.get(name)
    ]
