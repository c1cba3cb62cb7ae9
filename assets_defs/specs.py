"""What every asset of ours says about itself to Dagster.

What belongs here: key, partitions, dependencies, group, owner, kinds and code version from the step's row.
"""

from typing import Any

from assets_defs.partitions import STEPS, asset_key, dependencies, partitions_definition
from mining_platform.regions import LAYERS_BESIDE

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
    **dict.fromkeys(("detections", "changes", "territories", "annual_report"), "monitoring"),
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
    }
    return arguments if description is None else {**arguments, "description": description}
