"""Decisions on detections in a CSV file, as the page that needs no server gives them or as people write them."""

from pathlib import Path

from mining_platform.reviews.decision_files import read_rows
from mining_platform.reviews.detection_desks import DetectionProposal

COLUMNS = ("detection_id", "decision", "also_later", "reviewer", "reason")


def read_detection_proposals(path: Path) -> list[DetectionProposal]:
    """The decisions of a CSV file with COLUMNS, as `decision_files.read_rows`."""
    return [DetectionProposal(**row) for row in read_rows(path, COLUMNS)]
