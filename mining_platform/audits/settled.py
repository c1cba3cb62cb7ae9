"""The part of an audit that content alone decides, which can itself be published as content."""

from dataclasses import replace

from mining_platform.audits.nodes import SIMULATED, Node
from mining_platform.audits.walk import Audit, verdicts_of
from mining_platform.lineage import Record


def settled(audit: Audit) -> Audit:
    """Without what a whole audit says of the present and of the makings: equal content gives an equal one, whoever made it.

    Left out are times, runs, commits and machines of the productions, and what became of the versions since.
    """
    nodes = {version: _settled_node(node) for version, node in audit.nodes.items()}
    return replace(audit, nodes=nodes, verdicts=verdicts_of(nodes), crossed=None)


def _settled_node(node: Node) -> Node:
    notes = tuple(text for text in node.notes if text == SIMULATED)
    record = _settled_record(node.record) if node.record else None
    return replace(node, record=record, is_current=True, productions=1, since=(), notes=notes)


def _settled_record(record: Record) -> Record:
    return replace(
        record,
        number=1,
        previous="",
        hash="",
        run_id="",
        started="",
        finished="",
        git_commit=None,
        git_dirty=None,
        platform="",
        processor="",
    )
