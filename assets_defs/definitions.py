"""The only assembly point, and the only importer of resources."""

import dagster as dg

from assets_defs import (
    automation,
    checks,
    datasets,
    failures,
    imagery,
    imports,
    labels,
    lineage,
    models,
    monitoring,
    sensors,
    source_jobs,
    staleness,
)
from assets_defs.partitions import REGIONS
from resources.platform import platform
from resources.values import NoValues

PLATFORM = platform(REGIONS)

defs = dg.Definitions(
    assets=[
        *labels.ASSETS,
        *imagery.ASSETS,
        *datasets.ASSETS,
        *datasets.REVIEWS,
        *monitoring.BY_PEOPLE,
        *models.ASSETS,
        *monitoring.ASSETS,
        *imports.ASSETS,
        *lineage.ASSETS,
    ],
    asset_checks=[*checks.CHECKS, *staleness.CHECKS],
    jobs=[automation.yearly_refresh, source_jobs.refresh_changed],
    schedules=[automation.every_year],
    sensors=[staleness.staleness, sensors.changed_sources, sensors.new_map_collections, failures.run_failures],
    resources={"platform": PLATFORM, "io_manager": NoValues()},
    executor=dg.in_process_executor,
)
