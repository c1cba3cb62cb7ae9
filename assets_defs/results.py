"""From the domain's `produce` to Dagster's result: data version, numbers and a picture.

What belongs here: running a stage for the partition of a context and describing what came of it.
"""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from assets_defs.partitions import STEPS
from assets_defs.retries import retried
from mining_platform.artifacts import Artifact, Produced, Ref, open_artifact, produce
from mining_platform.disclosure import discreetly
from mining_platform.figures import thumbnail_jpeg
from mining_platform.pipeline import Platform, inputs_now
from mining_platform.stages.files import PREVIEW_FILE

Stage = Callable[[Platform, str, Mapping[Ref, Artifact], Path], dict[str, Any]]


def published(context: dg.AssetExecutionContext, platform: Platform, stage: Stage) -> dg.MaterializeResult:
    """Make and publish the context's partition with a stage, or skip it where it is fresh; errors tell no secrets.

    dg.RetryRequested where a service did not answer, see `retries`.
    """
    made = discreetly(partial(retried, context, partial(_produced, context, platform, stage)))
    context.log.info(f"{made.ref}: {'skipped' if made.skipped else 'made'} {made.digest} ({made.reason})")
    return dg.MaterializeResult(data_version=dg.DataVersion(made.digest), metadata={**described(made), **watched(platform, made)})


def _produced(context: dg.AssetExecutionContext, platform: Platform, stage: Stage) -> Produced:
    step = STEPS[context.asset_key.to_user_string()]
    key = step.check_key(context.partition_key, platform.regions)
    return produce(
        platform.artifacts,
        Ref(step.asset, key),
        inputs=inputs_now(platform, step, key),
        code_version=step.version,
        config=step.config(platform, key),
        compute=partial(stage, platform, key),
        run_id=context.run_id,
        resumable=step.resumable,
    )


def current(platform: Platform, context: dg.AssetCheckExecutionContext, asset: str) -> Artifact:
    """The published version of an asset in the partition that a check looks at."""
    return open_artifact(platform.artifacts, Ref(asset, context.partition_key))


def described(made: Produced) -> dict[str, dg.MetadataValue]:
    """Metadata of a production: digest, whether it was skipped, its facts and its picture."""
    metadata: dict[str, dg.MetadataValue] = _preview(made)
    metadata |= {
        "digest": dg.MetadataValue.text(made.digest),
        "skipped": dg.MetadataValue.bool(made.skipped),
        "reason": dg.MetadataValue.text(made.reason),
        "path": dg.MetadataValue.path(str(made.path)),
    }
    facts = {name: value_of(value) for name, value in made.facts.items() if value is not None}
    return {**metadata, **{name: value for name, value in facts.items() if name not in metadata}}


def watched(platform: Platform, made: Produced) -> dict[str, dg.MetadataValue]:
    """`dask_dashboard`, where workers elsewhere can be watched that took part in productions of this process."""
    link = platform.compute.dashboard
    return {"dask_dashboard": dg.MetadataValue.url(link)} if link and not made.skipped else {}


def _preview(made: Produced) -> dict[str, dg.MetadataValue]:
    """The version's picture, small, where it has one."""
    picture = made.path / PREVIEW_FILE
    if not picture.exists():
        return {}
    encoded = base64.b64encode(thumbnail_jpeg(picture.read_bytes())).decode()
    return {"preview": dg.MetadataValue.md(f"![{made.ref}](data:image/jpeg;base64,{encoded})")}


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(cell, (str, int, float, bool)) for cell in value.values())


def value_of(value: Any) -> dg.MetadataValue:
    """A fact as Dagster shows it: numbers as numbers, which it plots, equal rows as a table."""
    match value:
        case bool():
            return dg.MetadataValue.bool(value)
        case int():
            return dg.MetadataValue.int(value)
        case float():
            return dg.MetadataValue.float(value)
        case str():
            return dg.MetadataValue.text(value)
        case [dict() as first, *_] if all(_is_row(row) and row.keys() == first.keys() for row in value):
            return dg.MetadataValue.table([dg.TableRecord(row) for row in value])
        case _:
            return dg.MetadataValue.json(value)
