"""Stages of the group `lineage`: the yearly audit."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Artifact, Ref
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.json_form import settled_json
from mining_platform.audits.settled import settled
from mining_platform.audits.text_form import raw_lines
from mining_platform.audits.walk import audit, require_whole
from mining_platform.lineage import Input
from mining_platform.pipeline import Platform
from mining_platform.stages.files import AUDIT_FILE, AUDIT_PAGE


def audit_year(platform: Platform, _key: str, inputs: Mapping[Ref, Artifact], out: Path) -> dict[str, Any]:
    """`audit.json` and `audit.html`: all that the inputs rest on, every byte hashed; AuditError where anything is broken.

    They tell what content alone decides, so that equal inputs give equal bytes: times, runs, commits and machines are in
    the records, and `mining-platform audit` shows them.
    """
    roots = [Input(ref.asset, ref.partition, artifact.digest) for ref, artifact in inputs.items()]
    told = settled(require_whole(audit(platform.artifacts, roots, deep=True)))
    (out / AUDIT_FILE).write_text(json.dumps(settled_json(told), indent=1, sort_keys=True, allow_nan=False) + "\n")
    (out / AUDIT_PAGE).write_text(audit_html(told, is_settled=True), encoding="utf-8")
    nodes = list(told.nodes.values())
    return {
        "versions": len(nodes),
        "assets": sorted({node.version.asset for node in nodes}),
        "audited": [str(Ref(root.asset, root.partition)) for root in told.roots],
        "bytes": sum(node.bytes for node in nodes),
        "raw_inputs": [line for node in nodes for line in raw_lines(node)],
    }
