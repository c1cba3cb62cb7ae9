"""An audit as W3C PROV-JSON: versions are entities, productions are activities, programs and runs are agents.

https://www.w3.org/submissions/prov-json/, terms of https://www.w3.org/TR/prov-dm/.
"""

from collections.abc import Mapping
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.audits.nodes import Node
from mining_platform.audits.sources import sources_of
from mining_platform.audits.walk import Audit
from mining_platform.lineage import Input, Record
from mining_platform.store import digests

PREFIX, NAMESPACE = "mp", "urn:mining-platform:"
SOFTWARE = f"{PREFIX}:software"

Elements = dict[str, dict[str, Any]]


def prov_json(audit: Audit) -> dict[str, Any]:
    """The document: versions, outside sources and productions, and which used, generated and was derived from which."""
    nodes = list(audit.nodes.values())
    made = [(node, node.record) for node in nodes if node.record is not None]
    document: dict[str, Elements] = {
        "entity": {**{entity_id(node.version): _entity(audit, node) for node in nodes}, **_outside(nodes)},
        "activity": {activity_id(node.version): _activity(record) for node, record in made},
        "agent": {SOFTWARE: {"prov:type": _qualified("prov:SoftwareAgent"), "prov:label": "mining-platform"}},
        "wasGeneratedBy": {},
        "used": {},
        "wasDerivedFrom": {},
        "wasAssociatedWith": {},
    }
    for node, record in made:
        _relate(document, node, record)
    return {"prefix": {PREFIX: NAMESPACE}, **{kind: rows for kind, rows in document.items() if rows}}


def entity_id(version: Input) -> str:
    """Qualified name of a version."""
    return f"{PREFIX}:version-{_key(version)}"


def activity_id(version: Input) -> str:
    """Qualified name of the production of a version."""
    return f"{PREFIX}:production-{_key(version)}"


def _key(version: Input) -> str:
    """Versions of two partitions may have one content, so the digest alone names none."""
    return f"{version.asset.replace('/', '.')}.{version.partition.replace('|', '.') or 'all'}.{version.digest}"


def _qualified(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}


def _entity(audit: Audit, node: Node) -> dict[str, Any]:
    return {
        "prov:label": str(node.ref),
        "prov:type": f"{PREFIX}:version",
        f"{PREFIX}:asset": node.version.asset,
        f"{PREFIX}:partition": node.version.partition,
        f"{PREFIX}:blake3": node.version.digest,
        f"{PREFIX}:verdict": audit.verdicts[node.version],
        f"{PREFIX}:simulated": bool(node.facts.get("simulated")),
        **({f"{PREFIX}:break": "; ".join(node.breaks)} if node.breaks else {}),
    }


def _outside(nodes: list[Node]) -> Elements:
    return {source: told for node in nodes for source, told in _sources(node).items()}


def _sources(node: Node) -> Elements:
    """Outside sources of a version by name, which is made of what identifies them."""
    found: Elements = {}
    for kind, told in sources_of(node).items():
        spelled = digests.canonical_json(told, kind)
        name = f"{PREFIX}:source-{digests.digest_of(spelled)[:32]}"
        label = told.get("href") or told.get("source") if isinstance(told, Mapping) else None
        text = spelled.decode().strip()
        found[name] = {"prov:label": str(label or kind), "prov:type": f"{PREFIX}:source", f"{PREFIX}:identity": text}
    return found


def _activity(record: Record) -> dict[str, Any]:
    configuration = digests.canonical_json(record.configuration, "configuration").decode().strip()
    packages = ", ".join(f"{name} {version}" for name, version in sorted(record.packages.items()))
    told = {
        "run": record.run_id,
        "code_version": record.code_version,
        "git_commit": record.git_commit,
        "git_dirty": record.git_dirty,
        "configuration": configuration,
        "packages": packages,
        "python": record.python,
        "platform": record.platform,
        "processor": record.processor,
        "record": record.hash,
    }
    times = {"prov:startTime": record.started, "prov:endTime": record.finished}
    label = f"production of {Ref(record.asset, record.partition)}"
    return {"prov:label": label, **times, **{f"{PREFIX}:{key}": value for key, value in told.items() if value not in (None, "")}}


def _relate(document: Mapping[str, Elements], node: Node, record: Record) -> None:
    entity, activity = entity_id(node.version), activity_id(node.version)

    def add(kind: str, **ends: str) -> None:
        rows = document[kind]
        rows[f"_:{kind}{len(rows) + 1}"] = {f"prov:{name}": value for name, value in ends.items()}

    add("wasGeneratedBy", entity=entity, activity=activity, time=record.finished)
    add("wasAssociatedWith", activity=activity, agent=SOFTWARE)
    for used in [*map(entity_id, record.inputs), *_sources(node)]:
        add("used", activity=activity, entity=used)
        add("wasDerivedFrom", generatedEntity=entity, usedEntity=used, activity=activity)
