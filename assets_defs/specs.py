"""What every asset of ours says about itself to Dagster.

What belongs here: key, partitions, dependencies, group, owner, kinds, pool and code version from the step's row.
"""

from typing import Any

from assets_defs.partitions import STEPS, asset_key, dependencies, partitions_definition
from assets_defs.pools import pool_of
from mining_platform.area_publishing import AREA_ASSET
from mining_platform.regions import LAYERS_BESIDE
from mining_platform.reviews.detection_publishing import DETECTION_REVIEWS

OWNERS = ["team:mining-platform"]
GROUPS = {
    "land_cover": "labels",
    "label": "labels",
    "scenes": "imagery",
    "mosaic": "imagery",
    "mosaic_quality": "imagery",
    **dict.fromkeys(LAYERS_BESIDE, "imagery"),
    "model": "models",
    "evaluation": "models",
    "experiment_summary": "models",
    **dict.fromkeys(
        ("detections", DETECTION_REVIEWS, AREA_ASSET, "changes", "comparison", "territories", "annual_report"), "monitoring"
    ),
    "lineage_audit": "lineage",
}


def spec(asset: str, *, kinds: set[str], description: str | None = None) -> dict[str, Any]:
    """Keyword arguments of `dg.asset` for a row of the graph; the docstring is the description unless given."""
    step = STEPS[asset]
    arguments: dict[str, Any] = {
        "key": asset_key(asset),
        "partitions_def": partitions_definition(step),
        "deps": dependencies(step),
        "group_name": GROUPS.get(asset, asset.partition("/")[0]),
        "owners": OWNERS,
        "kinds": kinds,
        "code_version": step.version,
        **({"pool": pool} if (pool := pool_of(asset)) else {}),
    }
    return arguments if description is None else {**arguments, "description": description}
