"""An audit as JSON: the whole of it for machines, and the part of it that equal content always gives."""

from collections import Counter
from typing import Any

from mining_platform.audits.nodes import Node, name_of
from mining_platform.audits.sources import experiment_of, reviews_of, scene_ids_of, seed_of, sources_of
from mining_platform.audits.walk import ORDER, Audit
from mining_platform.lineage import Input, Record

FORMAT = "mining-platform audit 1"
SHALLOW = "Names, sizes, manifests, facts and records were compared; no other content was hashed. --deep hashes every byte."
DEEP = "Every byte was hashed (BLAKE3) and compared with what was published."


def summary(audit: Audit) -> str:
    """The verdict of the whole, in a sentence or two."""
    counts = Counter(audit.verdicts.values())
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict]) or "nothing to audit"
    head = f"BROKEN: {counted(len(audit.breaks), 'break')}" if audit.breaks else "WHOLE: no break was found"
    return f"{head}. {counted(len(audit.nodes), 'version')}: {told}. {DEEP if audit.deep else SHALLOW}"


def counted(number: int, thing: str) -> str:
    """`1 break`, `2 breaks`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def audit_json(audit: Audit) -> dict[str, Any]:
    """The whole audit: verdicts, breaks and notes, and each version with its production, sources and inputs."""
    return {
        "format": FORMAT,
        "verdict": audit.verdict,
        "summary": summary(audit),
        "deep": audit.deep,
        "roots": [version_json(root) for root in audit.roots],
        "breaks": audit.breaks,
        "events": None if audit.crossed is None else list(audit.crossed),
        "nodes": [_node_json(audit, node) for node in audit.nodes.values()],
    }


def settled_json(audit: Audit) -> dict[str, Any]:
    """What an audit says of content alone, see `settled.settled`."""
    return {
        "format": FORMAT,
        "deep": audit.deep,
        "roots": [version_json(root) for root in audit.roots],
        "nodes": [content_json(node) for node in audit.nodes.values()],
    }


def version_json(version: Input) -> dict[str, str]:
    """Asset, partition and digest."""
    return {"asset": version.asset, "partition": version.partition, "digest": version.digest}


def content_json(node: Node) -> dict[str, Any]:
    """A version with what decided its content."""
    record = node.record
    told: dict[str, Any] = {
        **version_json(node.version),
        "files": len(node.files),
        "bytes": node.bytes,
        "simulated": bool(node.facts.get("simulated")),
        "code_version": record.code_version if record else None,
        "configuration": dict(record.configuration) if record else None,
        "packages": dict(record.packages) if record else {},
        "inputs": [version_json(each) for each in node.inputs],
        "sources": sources_of(node),
        "scenes": scene_ids_of(node),
        "reviews": reviews_of(node),
        "experiment": experiment_of(node),
        "seed": seed_of(node),
    }
    return {key: value for key, value in told.items() if value not in ({}, []) or key == "inputs"}


def _node_json(audit: Audit, node: Node) -> dict[str, Any]:
    return {
        **content_json(node),
        "name": name_of(node.version),
        "verdict": audit.verdicts[node.version],
        "current": node.is_current,
        "breaks": list(node.breaks),
        "since": list(node.since),
        "notes": list(node.notes),
        "productions": node.productions,
        "facts": dict(node.facts),
        "record": production_json(node.record) if node.record else None,
    }


def production_json(record: Record) -> dict[str, Any]:
    """When, by which run, program and machine a version was made, and the hash that seals that."""
    return {
        "number": record.number,
        "hash": record.hash,
        "previous": record.previous,
        "run_id": record.run_id,
        "started": record.started,
        "finished": record.finished,
        "git_commit": record.git_commit,
        "git_dirty": record.git_dirty,
        "python": record.python,
        "platform": record.platform,
        "processor": record.processor,
    }
