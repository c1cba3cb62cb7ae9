"""Imported patches, which `mining-platform import` publishes.

What belongs here: external assets whose partitions nobody knows beforehand. They are names of imports, regions and years,
added as they come.
"""

import dagster as dg

from assets_defs.partitions import asset_key
from assets_defs.specs import OWNERS
from mining_platform.imports.publishing import IMPORT_VERSION, MANIFEST, PATCHES

PARTITIONS = {asset: dg.DynamicPartitionsDefinition(name=asset.replace("/", "_")) for asset in (PATCHES, MANIFEST)}
"""Partitions of each asset: `name|region|year` of stores, `name|year` of tables."""
TEXTS = {
    PATCHES: "Patches that others made, or that were exported from here: a sharded Zarr v3 store and its index.",
    MANIFEST: "The table of imported patches, with the split as it was published, and what was found in the files.",
}


def imported(asset: str, kinds: set[str], deps: list[dg.AssetDep]) -> dg.AssetSpec:
    """An external asset of the group `imported`."""
    return dg.AssetSpec(
        asset_key(asset),
        deps=deps,
        description=f"{TEXTS[asset]} By `mining-platform import`.",
        group_name="imported",
        owners=OWNERS,
        kinds=kinds,
        code_version=IMPORT_VERSION,
        partitions_def=PARTITIONS[asset],
    )


ASSETS = [
    imported(PATCHES, {"zarr"}, []),
    imported(MANIFEST, {"parquet"}, [dg.AssetDep(asset_key(PATCHES), partition_mapping=dg.AllPartitionMapping())]),
]


def add_partition(instance: dg.DagsterInstance, asset: str, partition: str) -> None:
    """Make a partition of an imported asset known; nothing for other assets."""
    if asset in PARTITIONS and PARTITIONS[asset].name:
        instance.add_dynamic_partitions(str(PARTITIONS[asset].name), [partition])
