"""An audit for a terminal: the verdict, what is broken, what changed since, and the raw inputs."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.audits.json_form import summary
from mining_platform.audits.nodes import Node
from mining_platform.audits.sources import scene_ids_of, sources_of
from mining_platform.audits.walk import ORDER, Audit

MOST_LINES = 12  # of a kind; the JSON form has all
IDENTITY_KEYS = (
    *("source", "collection", "href", "year", "band", "blake3", "bytes", "etag", "last_modified"),
    *("updated", "provider", "items", "file", "date"),
)
"""What identifies an outside source, as far as the source tells it."""


def audit_lines(audit: Audit) -> Iterator[str]:
    """Lines of plain text."""
    yield summary(audit)
    yield from _listed("Broken", audit.breaks, all_of_them=True)
    yield from _listed("Events", [] if audit.crossed is None else list(audit.crossed))
    yield from _listed("Changed since", _by_text(audit, "since"))
    yield from _listed("Notes", _by_text(audit, "notes"))
    yield from _listed("Raw inputs", [line for node in audit.nodes.values() for line in raw_lines(node)])


def _listed(heading: str, lines: list[str], *, all_of_them: bool = False) -> Iterator[str]:
    if not lines:
        return
    yield ""
    yield f"{heading}:"
    shown = lines if all_of_them else lines[:MOST_LINES]
    yield from (f"  {line}" for line in shown)
    if len(shown) < len(lines):
        yield f"  and {len(lines) - len(shown)} more; --format json has all"


def _by_text(audit: Audit, field: str) -> list[str]:
    """What is told of several versions said once: `rests on simulated data: 68 versions`."""
    by_text: dict[str, list[Ref]] = defaultdict(list)
    for node in audit.nodes.values():
        for text in getattr(node, field):
            by_text[text].append(node.ref)
    return [f"{refs[0] if len(refs) == 1 else f'{len(refs)} versions'}: {text}" for text, refs in sorted(by_text.items())]


def asset_rows(audit: Audit) -> list[dict[str, Any]]:
    """A row an asset: how many versions there are, by verdict, and their bytes."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for version, node in audit.nodes.items():
        rows[version.asset].update({"versions": 1, "bytes": node.bytes, audit.verdicts[version]: 1})
    shown = [verdict for verdict in ORDER if any(row[verdict] for row in rows.values())]
    return [
        {
            "asset": asset,
            "versions": row["versions"],
            **{verdict: row[verdict] for verdict in shown},
            "MB": f"{row['bytes'] / 1e6:.1f}",
        }
        for asset, row in sorted(rows.items())
    ]


def raw_lines(node: Node) -> list[str]:
    """What a version read from outside, a line a source; and how many scenes it holds."""
    lines = [f"{node.ref}: {identity}" for identity in identities(node)]
    scenes = scene_ids_of(node)
    return [*lines, *([f"{node.ref}: {len(scenes)} scenes, {scenes[0]} to {scenes[-1]}"] if scenes else [])]


def identities(node: Node) -> list[str]:
    """The outside sources of a version, each told by what identifies it, the richest telling of each once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for told in sources_of(node).values():
        for row in told if isinstance(told, list) else [told]:
            if isinstance(row, dict):
                known = {key: row[key] for key in IDENTITY_KEYS if row.get(key) is not None}
                found.setdefault((known.get("source"), known.get("collection"), known.get("href")), {}).update(known)
    return [", ".join(f"{key} {value}" for key, value in row.items()) for row in found.values() if row]
