"""What a version says of raw inputs: outside files and services, scenes, reviews, experiments and seeds.

All of it is in configurations and facts; this is where an audit knows their names.
"""

from collections.abc import Mapping
from typing import Any

from mining_platform.audits.nodes import Node

OUTSIDE_KEYS = ("source", "outside", "points", "territories")
"""Parts of a configuration that tell of what comes from outside: sources, their fingerprints (digest, ETag, bytes)."""


def sources_of(node: Node) -> dict[str, Any]:
    """Outside files and services that a version itself read, as configuration and facts identify them; {} for derived ones."""
    configuration: Mapping[str, Any] = node.record.configuration if node.record else {}
    told = {key: configuration[key] for key in OUTSIDE_KEYS if configuration.get(key)}
    read = {"read": node.facts["source"]} if isinstance(node.facts.get("source"), dict) else {}
    return {**told, **read}


def scene_ids_of(node: Node) -> list[str]:
    """Ids of the scenes whose pixels a version holds, sorted."""
    scenes = node.facts.get("scenes")
    if not isinstance(scenes, list):
        return []
    ids = (scene.get("scene_id") or scene.get("id") if isinstance(scene, Mapping) else scene for scene in scenes)
    return sorted(str(each) for each in ids if each)


def reviews_of(node: Node) -> dict[str, Any]:
    """How many decisions of people a version is of, and the hash of the log's last line; {} for all else."""
    if node.record is None or not node.version.asset.endswith("/reviews"):
        return {}
    return {key: node.record.configuration[key] for key in ("decisions", "last") if key in node.record.configuration}


def experiment_of(node: Node) -> dict[str, Any]:
    """The experiment's row that a model was trained by, seed and all; {} for all else."""
    row = node.record.configuration.get("experiment") if node.record else None
    return dict(row) if isinstance(row, Mapping) else {}


def seed_of(node: Node) -> int | None:
    """The seed of whatever was drawn; None where nothing says."""
    configuration: Mapping[str, Any] = node.record.configuration if node.record else {}
    seed = configuration.get("seed", experiment_of(node).get("seed"))
    return int(seed) if isinstance(seed, int) else None
