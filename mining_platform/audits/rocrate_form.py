"""An audit as RO-Crate metadata: each production a CreateAction with its objects, result and instrument.

RO-Crate 1.1, https://w3id.org/ro/crate/1.1; the shape of an action is that of the Process Run Crate profile,
https://w3id.org/ro/wfrun/process. The crate holds no files: versions are named by their digests.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from mining_platform.artifacts import Ref
from mining_platform.audits.json_form import summary
from mining_platform.audits.nodes import Node
from mining_platform.audits.sources import sources_of
from mining_platform.audits.walk import VERDICTS, Audit
from mining_platform.lineage import Input
from mining_platform.store import digests

RO_CRATE = "ro-crate-metadata.json"
_CONTEXT, _CRATE, _PROCESS = (
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/crate/1.1",
    "https://w3id.org/ro/wfrun/process/0.5",
)
_TERMS = "#terms"

Entity = dict[str, Any]


def audit_crate(audit: Audit) -> dict[str, Any]:
    """Content of ro-crate-metadata.json."""
    nodes = list(audit.nodes.values())
    versions = [_version(audit, node) for node in nodes]
    actions = [action for node in nodes for action in _action(node)]
    sources = [source for node in nodes for source in _sources(node)]
    software = [_software(text) for text in sorted({_program(node) for node in nodes if node.record})]
    graph = [
        {"@id": RO_CRATE, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": _CRATE}},
        _root(audit, nodes, versions, actions),
        {"@id": _PROCESS, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        {
            "@id": _TERMS,
            "@type": "CreativeWork",
            "name": "See the packages",
            "description": "The terms of the data are in the packages.",
        },
        *versions,
        *actions,
        *sources,
        *software,
    ]
    return {"@context": _CONTEXT, "@graph": list({entity["@id"]: entity for entity in graph}.values())}


def _root(audit: Audit, nodes: list[Node], versions: list[Entity], actions: list[Entity]) -> Entity:
    made = [node.record.finished for node in nodes if node.record]
    names = ", ".join(str(Ref(root.asset, root.partition)) for root in audit.roots)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Lineage audit of {names}",
        "description": summary(audit),
        "datePublished": max(made, default="1970-01-01"),  # of the newest version in it: an audit tells no time of its own
        "license": {"@id": _TERMS},
        "conformsTo": {"@id": _PROCESS},
        "mentions": [{"@id": entity["@id"]} for entity in (*actions, *versions)],
    }


def version_id(version: Input) -> str:
    """Name of a version in the crate; packages name their inputs the same way."""
    return f"#artifact/{quote(f'{version.asset}/{version.partition}/{version.digest}')}"


def _version(audit: Audit, node: Node) -> Entity:
    verdict = audit.verdicts[node.version]
    return {
        "@id": version_id(node.version),
        "@type": "CreativeWork",
        "name": str(node.ref),
        "version": node.version.digest,
        "creativeWorkStatus": verdict,
        "description": "; ".join(node.breaks) or VERDICTS[verdict],
    }


def _action(node: Node) -> Iterator[Entity]:
    record = node.record
    if record is None:
        return
    configuration = digests.canonical_json(record.configuration, "configuration").decode().strip()
    yield {
        "@id": f"#production/{quote(f'{record.asset}/{record.partition}/{record.digest}')}",
        "@type": "CreateAction",
        "name": f"Production of {node.ref}",
        "description": f"Run {record.run_id or 'without id'}, record {record.hash}, configuration {configuration}",
        "startTime": record.started,
        "endTime": record.finished,
        "instrument": {"@id": _software_id(_program(node))},
        "object": [{"@id": name} for name in [*map(version_id, record.inputs), *(each["@id"] for each in _sources(node))]],
        "result": {"@id": version_id(node.version)},
    }


def _sources(node: Node) -> Iterator[Entity]:
    for kind, told in sources_of(node).items():
        spelled = digests.canonical_json(told, kind)
        name = f"#source/{digests.digest_of(spelled)[:32]}"
        yield {"@id": name, "@type": "CreativeWork", "name": kind, "description": spelled.decode().strip()}


def _program(node: Node) -> str:
    """The program that made a version, in words: equal words, one program."""
    record = node.record
    if record is None:
        return ""
    dirty = " with changed files" if record.git_dirty else ""
    packages = ", ".join(f"{name} {version}" for name, version in sorted(record.packages.items()))
    return f"mining-platform, commit {record.git_commit or 'unknown'}{dirty}, Python {record.python}, {packages}"


def _software_id(program: str) -> str:
    return f"#software/{digests.digest_of(program.encode())[:32]}"


def _software(program: str) -> Entity:
    return {"@id": _software_id(program), "@type": "SoftwareApplication", "name": "mining-platform", "description": program}
