"""What the layers beside mosaics take from services: they are read chunk by chunk."""

from collections.abc import Sequence
from heapq import nlargest

from odc.geo.geobox import GeoBox

from mining_platform.artifacts import Ref, current_digest, open_artifact
from mining_platform.chunks import Block, all_blocks, block_slices
from mining_platform.datasets import DATASETS
from mining_platform.pipeline import Platform, Step
from mining_platform.regions import Region
from mining_platform.sources.protocol import Cost
from mining_platform.stages.imagery import blocks_to_compute

CHUNKS_A_WINDOW = 4  # a window smaller than a chunk touches at most this many


def cost_of_layer(platform: Platform, step: Step, key: str) -> tuple[Cost, bool]:
    """What a region's layer takes, and whether that is an upper bound because the windows are not all drawn yet.

    Before they are, the chunks that take most are counted, as many as the windows could touch. SourceError where the source
    cannot tell.
    """
    region, year = platform.region_year(key)
    samples = [ref for ref in step.inputs(platform, key) if ref.asset.endswith("/sample")]
    drawn = all(current_digest(platform.artifacts, ref) is not None for ref in samples)
    if drawn:
        blocks = blocks_to_compute(region, {ref: open_artifact(platform.artifacts, ref) for ref in samples})
        chosen = _boxes(region, all_blocks(region.geobox) if blocks is None else blocks)
        return sum(platform.beside.costs(step.asset, region, year, chosen), Cost()), False
    every = platform.beside.costs(step.asset, region, year, _boxes(region, all_blocks(region.geobox)))
    return _largest(every, CHUNKS_A_WINDOW * sum(map(_most_windows, samples))), True


def _boxes(region: Region, blocks: Sequence[Block]) -> list[GeoBox]:
    return [region.geobox[block_slices(region.geobox, block)] for block in blocks]


def _most_windows(sample: Ref) -> int:
    """Windows that the dataset of a sample wants."""
    return sum(DATASETS[sample.asset.partition("/")[0]].quotas.values())


def _largest(every: Sequence[Cost], count: int) -> Cost:
    """What no choice of so many of the costs exceeds in anything."""
    requests, size, eecu_s = (
        nlargest(count, values) for values in zip(*((each.requests, each.bytes, each.eecu_s) for each in every), strict=True)
    )
    return Cost(int(sum(requests)), int(sum(size)), float(sum(eecu_s)))
