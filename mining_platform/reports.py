"""Pages people look at: one self-contained HTML page of what a set of partitions holds.

A page rests on published artifacts alone and holds no time of making, so that equal artifacts give equal bytes.
"""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template, select_autoescape

from mining_platform.artifacts import Artifact, Ref, current_digest, open_artifact
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.walk import audit
from mining_platform.experiment_pages import PAGE_FILE
from mining_platform.figures import thumbnail_jpeg
from mining_platform.lineage import Input
from mining_platform.pipeline import Platform
from mining_platform.stages.files import AUDIT_PAGE, CONTEXT_PICTURE, PREVIEW_FILE
from mining_platform.store.digests import digest_of

TEMPLATES = Path(__file__).parent / "templates"
PNG_BYTES = 150_000  # a drawing takes less
SUMMARY_PAGES = "experiments-{}.html"
"""Pages beside a report, by year: the summaries of experiments that it links to."""
PHOTO_PX = 1_100  # width of photographs on the page, at most that of its text column

SECTIONS: tuple[tuple[str, str, str], ...] = (
    ("evaluation", "How well mining is found", "Share of test patches called mining, by how much of the patch is mining."),
    (
        "experiment_summary",
        "All experiments of a year",
        "F1 with its interval and PR-AUC of each, and in grey what a document reports of the same setting on other data.",
    ),
    (
        "mosaic",
        "Cloud-free mosaics",
        "Median of the year's clear observations, natural colour; grey: not composed, or never clear.",
    ),
    (
        "mosaic_quality",
        "Evidence about the mosaics",
        "Days on which the ground was clear, what still stands out as cloud, and what the mask took of the labelled mining.",
    ),
    ("package", "Releases", "Patches of each range of a release, from all its regions, drawn by a hash of the window."),
    ("patches", "Patches", "A few patches of each range in one region, with the outline of what the label calls mining."),
    (
        "manifest",
        "Values by split",
        "How the values of each band are spread in training, validation and test; where lines part, the sides differ.",
    ),
    ("splits", "Splits", "Groups such as blocks of ground go to one side whole; no footprint is in two splits."),
    ("land_cover", "Land-cover maps", "The yearly maps that labels and mining shares come from."),
    ("model", "Training", "Loss by epoch; the weights kept are those of the marked epoch."),
)
"""Last part of the asset key, heading, line below it; in the order of the page."""
CONTEXT_SECTION = (
    "manifest",
    "Context by class",
    "How many patches have something of OpenStreetMap in them. Where mining and other patches differ, a model may learn where "
    "people have mapped.",
)


@dataclass(frozen=True)
class Picture:
    """A picture of the page."""

    caption: str
    media_type: str
    encoded: str
    """The picture in base64."""


@dataclass(frozen=True)
class Section:
    """Pictures of one kind of asset."""

    heading: str
    line: str
    pictures: tuple[Picture, ...]


def write_report(platform: Platform, refs: Iterable[Ref], out: Path) -> Path:
    """Write `out/index.html` on the published versions among `refs`.

    Beside it, and linked to, come their audit and the summaries of experiments among them.
    Returns the page's path. Raises as `open_artifact`.
    """
    published = [ref for ref in refs if current_digest(platform.artifacts, ref) is not None]
    artifacts = [open_artifact(platform.artifacts, ref) for ref in published]
    summaries = {each.ref.partition: each.path / PAGE_FILE for each in artifacts if each.ref.asset == "experiment_summary"}
    page = _template().render(
        simulated=[bool(artifact.facts["simulated"]) for artifact in artifacts],
        scores=[score_row(artifact) for artifact in artifacts if artifact.ref.asset == "evaluation" and "f1" in artifact.facts],
        shortages=[shortage_row(artifact) for artifact in artifacts if artifact.ref.asset.endswith("/quotas")],
        sections=[section for section in (section_of(artifacts, *row) for row in SECTIONS) if section.pictures],
        context=section_of(artifacts, *CONTEXT_SECTION, file=CONTEXT_PICTURE),
        coverages=[coverage_row(artifact) for artifact in artifacts if "context_coverage" in artifact.facts],
        artifacts=artifacts,
        audit_page=AUDIT_PAGE,
        summaries={year: SUMMARY_PAGES.format(year) for year in summaries},
    )
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / AUDIT_PAGE, _audit_page(platform, artifacts, page))
    for year, path in summaries.items():
        _replace(out / SUMMARY_PAGES.format(year), path.read_text(encoding="utf-8"))
    return _replace(out / "index.html", page)


def _audit_page(platform: Platform, artifacts: Sequence[Artifact], page: str) -> str:
    """The audit of all that a page rests on, which names the page by its BLAKE3."""
    roots = [Input(each.ref.asset, each.ref.partition, each.digest) for each in artifacts]
    subject = f"The report index.html beside this page, blake3 {digest_of(page.encode())}, rests on them."
    return audit_html(audit(platform.artifacts, roots, deep=True), subject=subject)


def _replace(path: Path, text: str) -> Path:
    """Put a page in place at once."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    return beside.replace(path)


def _template() -> Template:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html")


def section_of(artifacts: Sequence[Artifact], kind: str, heading: str, line: str, *, file: str = PREVIEW_FILE) -> Section:
    """The pictures of all partitions of one kind of asset, those that have one of that name."""
    of_kind = [artifact for artifact in artifacts if artifact.ref.asset.split("/")[-1] == kind]
    chosen = [artifact for artifact in of_kind if (artifact.path / file).exists()]
    pictures = (picture_of(caption(each.ref), (each.path / file).read_bytes()) for each in chosen)
    return Section(heading, line, tuple(pictures))


def picture_of(text: str, png: bytes) -> Picture:
    """A picture for the page: drawings as they are, those with much photography as JPEG, a fifth of the bytes or less."""
    if len(png) <= PNG_BYTES:
        return Picture(text, "image/png", base64.b64encode(png).decode())
    return Picture(text, "image/jpeg", base64.b64encode(thumbnail_jpeg(png, PHOTO_PX)).decode())


def caption(ref: Ref) -> str:
    """`sim_ranges/patches, sim-serra, 2024`."""
    return ", ".join((ref.asset, *ref.partition.split("|")))


def score_row(artifact: Artifact) -> dict[str, Any]:
    """The headline numbers of one evaluation; the number of positives stands beside every score."""
    facts = artifact.facts
    interval, absent = facts["f1_bootstrap"], {"f1": None, "pr_auc": None}
    return {"name": caption(artifact.ref), "facts": facts, "interval": interval, "ndvi": facts["baselines"].get("ndvi", absent)}


def shortage_row(artifact: Artifact) -> dict[str, Any]:
    """What one release wanted and took per range."""
    return {"name": caption(artifact.ref), "rows": artifact.facts["shortage"], "left_out": artifact.facts["left_out"]}


def coverage_row(artifact: Artifact) -> dict[str, Any]:
    """Of one release, how many patches have a feature of OpenStreetMap: a line by key and class, a cell a split."""
    rows = artifact.facts["context_coverage"]
    splits = list(dict.fromkeys(row["split"] for row in rows))
    sides = list(dict.fromkeys((row["key"], row["is_mining"]) for row in rows))
    cells = {(row["key"], row["is_mining"], row["split"]): row for row in rows}
    lines = [
        {"key": key, "class": "mining" if is_mining else "no mining", "cells": [cells[key, is_mining, split] for split in splits]}
        for key, is_mining in sides
    ]
    return {"name": caption(artifact.ref), "splits": splits, "lines": lines}
