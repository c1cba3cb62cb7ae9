"""A published annual report as a folder for everyone: its pages, its data, and the audit that the pages link to."""

import shutil
from pathlib import Path

from mining_platform.annual_reports.downloads import FOLDER
from mining_platform.annual_reports.pages import PAGES
from mining_platform.annual_reports.printing import PDFS
from mining_platform.artifacts import Artifact, ArtifactStore
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.walk import audit
from mining_platform.lineage import Input
from mining_platform.stages.files import AUDIT_PAGE
from mining_platform.store.digests import file_digest

FIRST_PAGE = PAGES["en"]


def write_publication(store: ArtifactStore, report: Artifact, out: Path) -> Path:
    """Write pages, downloads and audit of a report's version into the folder `out`; the path of the first page.

    `out` may hold an earlier one, whose files are replaced. Every byte that the report rests on is hashed for the audit.
    """
    out.mkdir(parents=True, exist_ok=True)
    root = Input(report.ref.asset, report.ref.partition, report.digest)
    told = ", ".join(f"{name} blake3 {file_digest(report.path / name)}" for name in PAGES.values())
    subject = f"The pages beside this one rest on them: {told}."
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    (out / FOLDER).mkdir()
    for path in sorted((report.path / FOLDER).iterdir()):
        shutil.copyfile(path, out / FOLDER / path.name)
    for language, name in PAGES.items():
        shutil.copyfile(report.path / name, out / name)
        (out / PDFS[language]).unlink(missing_ok=True)  # of the pages that were here before
    (out / AUDIT_PAGE).write_text(audit_html(audit(store, [root], deep=True), subject=subject), encoding="utf-8")
    return out / FIRST_PAGE
