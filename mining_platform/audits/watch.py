"""Whether what a published audit rests on is still whole: the fact that Dagster's check on `lineage_audit` asks for."""

from mining_platform.artifacts import Artifact
from mining_platform.audits.json_form import counted
from mining_platform.audits.walk import audit
from mining_platform.lineage import Input
from mining_platform.pipeline import Platform
from mining_platform.verdicts import Verdict

MOST_BREAKS = 20  # that the verdict lists


def nothing_it_rests_on_is_broken(platform: Platform, lineage_audit: Artifact) -> Verdict:
    """Every byte and record of what the audit rests on is still what was published."""
    ref = lineage_audit.ref
    found = audit(platform.artifacts, [Input(ref.asset, ref.partition, lineage_audit.digest)], deep=True)
    breaks = found.breaks
    reason = f"{counted(len(breaks), 'break')}, first {breaks[0]}" if breaks else f"{len(found.nodes)} versions are whole"
    return Verdict(not breaks, reason, {"versions": len(found.nodes), "breaks": breaks[:MOST_BREAKS]})
