"""An audit as one self-contained page: the verdict, a graph of the assets, and every version with its making and picture."""

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.audits.json_form import summary
from mining_platform.audits.layering import BOX_H, BOX_W, Drawing, drawn
from mining_platform.audits.nodes import Node
from mining_platform.audits.sources import experiment_of, reviews_of, scene_ids_of, seed_of
from mining_platform.audits.text_form import identities
from mining_platform.audits.walk import ORDER, VERDICTS, Audit, Verdict
from mining_platform.figures import thumbnail_jpeg
from mining_platform.lineage import Input
from mining_platform.stages.files import PREVIEW_FILE
from mining_platform.store.digests import digest_of

TEMPLATES = Path(__file__).parents[1] / "templates"
PICTURE_PX = 260  # width on the page
MOST_PICTURES = 6  # of an asset; a page of a thousand partitions stays one that a browser opens
MARGIN = 8  # pixels around the drawing
LABELS: dict[Verdict, str] = {
    "whole": "whole",
    "superseded": "superseded",
    "stale": "changed since",
    "unsound": "rests on broken",
    "broken": "broken",
}


@dataclass(frozen=True)
class Row:
    """One version on the page."""

    node: Node
    verdict: Verdict
    label: str
    anchor: str
    inputs: tuple[tuple[str, str, str], ...]
    """Name, digest and anchor of each."""
    sources: tuple[str, ...]
    scenes: tuple[str, ...]
    told: tuple[tuple[str, str], ...]
    """Names and words: experiment, seed, reviews."""
    picture: str
    """base64 of a JPEG, empty where there is none."""


@dataclass(frozen=True)
class Group:
    """All versions of an asset."""

    asset: str
    anchor: str
    worst: Verdict
    label: str
    counts: str
    rows: tuple[Row, ...]


def audit_html(audit: Audit, *, is_settled: bool = False, subject: str = "") -> str:
    """The page. `is_settled`: the audit is settled, and no making is told. `subject`: what else rests on the roots, in words."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    groups = groups_of(audit)
    simulated = [bool(node.facts.get("simulated")) for node in audit.nodes.values()]
    return environment.get_template("audit.html").render(
        audit=audit,
        summary=summary(audit),
        roots=[str(Ref(root.asset, root.partition)) for root in audit.roots],
        groups=groups,
        graph=graph_of(audit, groups),
        environments=environments_of(audit),
        verdict_words=VERDICTS,
        labels=LABELS,
        settled=is_settled,
        subject=subject,
        simulated=simulated,
    )


def groups_of(audit: Audit) -> list[Group]:
    """Assets in the order of the graph, each with its versions, broken ones first."""
    by_asset: dict[str, list[Node]] = {}
    for node in audit.nodes.values():
        by_asset.setdefault(node.version.asset, []).append(node)
    layout = drawn(by_asset, edges_of(audit))
    return [_group(audit, box.name, by_asset[box.name]) for box in layout.boxes]


def edges_of(audit: Audit) -> set[tuple[str, str]]:
    """Which asset rests on which: (upper, lower)."""
    pairs = {(each.asset, version.asset) for version, node in audit.nodes.items() for each in node.inputs}
    return {(upper, lower) for upper, lower in pairs if upper != lower}


def _group(audit: Audit, asset: str, nodes: Sequence[Node]) -> Group:
    found = sorted(nodes, key=lambda node: (-ORDER.index(audit.verdicts[node.version]), node.version))
    counts = Counter(audit.verdicts[node.version] for node in nodes)
    pictured = {node.version for node in [node for node in found if PREVIEW_FILE in node.files][:MOST_PICTURES]}
    return Group(
        asset=asset,
        anchor=_anchor(asset),
        worst=audit.verdicts[found[0].version],
        label=LABELS[audit.verdicts[found[0].version]],
        counts=", ".join(f"{counts[verdict]} {LABELS[verdict]}" for verdict in reversed(ORDER) if counts[verdict]),
        rows=tuple(_row(audit, node, with_picture=node.version in pictured) for node in found),
    )


def _row(audit: Audit, node: Node, *, with_picture: bool) -> Row:
    verdict = audit.verdicts[node.version]
    return Row(
        node=node,
        verdict=verdict,
        label=LABELS[verdict],
        anchor=anchor_of(node.version),
        inputs=tuple((str(Ref(each.asset, each.partition)), each.digest, anchor_of(each)) for each in node.inputs),
        sources=tuple(identities(node)),
        scenes=tuple(scene_ids_of(node)),
        told=tuple(_told(node)),
        picture=_picture(node) if with_picture else "",
    )


def _told(node: Node) -> list[tuple[str, str]]:
    experiment, seed, reviews = experiment_of(node), seed_of(node), reviews_of(node)
    told = [("experiment", ", ".join(f"{key} {value}" for key, value in experiment.items()))] if experiment else []
    told += [("seed", str(seed))] if seed is not None else []
    return told + ([("reviews", ", ".join(f"{key} {value}" for key, value in reviews.items()))] if reviews else [])


def _picture(node: Node) -> str:
    """The version's preview, small; none where it is not what was published, byte for byte."""
    try:
        png = (node.directory / PREVIEW_FILE).read_bytes()
    except OSError:
        return ""
    if digest_of(png) != node.files[PREVIEW_FILE].blake3:
        return ""
    return base64.b64encode(thumbnail_jpeg(png, PICTURE_PX)).decode()


def anchor_of(version: Input) -> str:
    """Of a version on the page."""
    return f"{_anchor(version.asset)}--{version.partition.replace('|', '-')}-{version.digest[:12]}"


def _anchor(asset: str) -> str:
    return asset.replace("/", "-")


def graph_of(audit: Audit, groups: Sequence[Group]) -> dict[str, Any]:
    """Boxes and lines of the drawing, as the page's SVG takes them."""
    layout: Drawing = drawn([group.asset for group in groups], edges_of(audit))
    by_asset = {group.asset: group for group in groups}
    boxes = [
        {"group": by_asset[box.name], "x": box.x - BOX_W / 2 + MARGIN, "y": box.y - BOX_H / 2 + MARGIN} for box in layout.boxes
    ]
    return {
        "boxes": boxes,
        "paths": [_path(line) for line in layout.lines],
        "width": layout.width + 2 * MARGIN,
        "height": layout.height + 2 * MARGIN,
        "box_w": BOX_W,
        "box_h": BOX_H,
    }


def _path(line: Sequence[tuple[float, float]]) -> str:
    """A smooth SVG path that leaves and enters every point vertically."""
    (x, y), *points = [(px + MARGIN, py + MARGIN) for px, py in line]
    parts = [f"M{x:g} {y:g}"]
    for px, py in points:
        middle = (y + py) / 2
        parts.append(f"C{x:g} {middle:g} {px:g} {middle:g} {px:g} {py:g}")
        x, y = px, py
    return " ".join(parts)


def environments_of(audit: Audit) -> list[dict[str, Any]]:
    """Programs and machines that versions were made on, each once, with how many versions there are of it."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for node in audit.nodes.values():
        if node.record is not None:
            record = node.record
            packages = tuple(sorted(record.packages.items()))
            counts[record.git_commit or "", record.git_dirty, record.python, record.platform, record.processor, packages] += 1
    names = ("git_commit", "git_dirty", "python", "platform", "processor", "packages")
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [{**dict(zip(names, key, strict=True)), "versions": count} for key, count in ordered]
