"""Publishing the decisions in force on the detections of a region and year, which the changes of that year and later rest on."""

from pathlib import Path
from typing import Any

from mining_platform.artifacts import Produced, Ref
from mining_platform.pipeline import Platform, ref
from mining_platform.reviews.detection_decisions import DETECTION_DECISIONS, WITHDRAW, detection_log, read_detection_log
from mining_platform.reviews.detection_tables import detection_review_table
from mining_platform.reviews.publishing import publish_entries
from mining_platform.reviews.tables import REVIEWS_FILE

DETECTION_REVIEWS = "detections/reviews"
DETECTION_REVIEWS_VERSION = "1"


def detection_reviews_ref(region_id: str, year: int) -> Ref:
    """Where the decisions on a region's detections of a year are published."""
    return ref(DETECTION_REVIEWS, region_id, year)


def publish_detection_reviews(platform: Platform, region_id: str, year: int) -> Produced | None:
    """Publish the decisions in force of one region and year, as `publishing.publish_entries`: `reviews.parquet`, GeoParquet."""
    log = detection_log(platform, region_id)
    entries = [entry for entry in read_detection_log(log).entries if entry.year == year]

    def write(out: Path) -> dict[str, Any]:
        table = detection_review_table(entries)
        table.to_parquet(out / REVIEWS_FILE, index=False)
        counts = {name: int((table["decision"] == name).sum()) for name in DETECTION_DECISIONS if name != WITHDRAW}
        return {"outlines": len(table), **counts, "simulated": platform.regions[region_id].simulated}

    published = detection_reviews_ref(region_id, year)
    return publish_entries(platform, published, entries, log, write, version=DETECTION_REVIEWS_VERSION)
