"""Reductions over days against their peers: the masked median, a percentile, the medoid.

`python -m benchmarks.medians` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. The stack is
that of DESIGN: 40 dates x 12 bands x 1024 x 1024, half of it under clouds that cover whole stretches of pixels.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison import Row, enough, interleaved_cpu, peak_memory, print_table
from mining_platform.chunks import CHUNK_PX
from mining_platform.compositing.medians import median_of_values
from mining_platform.compositing.reducers import medoid, percentile_of_values, plain_medoid, plain_percentile

DATES = 40
CLOUD_PX = 96  # size of clouds and gaps: of 40 dates some 24 have a clear pixel in a run of 64
BOTTLENECK_AIM = 15
XARRAY_AIM = 100
MOST_PASSES = 7  # over the stack, reading it once being one
MOST_EXTRA_BYTES = 64 * 2**20  # beside the output
PLAIN_AIM = 10
PERCENTILE = 25


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    bands: int
    side_px: int
    crop_px: int
    """Side of the part of one band that the slow peers are given; their time is scaled by pixels."""
    plain_rows: int
    """Rows of four bands for the percentile, the medoid, and their plain forms."""
    rounds: int


FULL = Size(bands=12, side_px=1024, crop_px=512, plain_rows=64, rounds=5)
QUICK = Size(bands=2, side_px=512, crop_px=256, plain_rows=32, rounds=3)


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where the results differ, since then no ratio means anything."""
    size = QUICK if quick else FULL
    stack = clouded_stack(size.bands, size.side_px)
    return [*_median_rows(stack, size), memory_row(), *_plain_rows(stack, size)]


def clouded_stack(bands: int, side_px: int) -> NDArray[np.uint16]:
    """(band, t, y, x) uint16: random numbers, 0 under the clouds, which are the same in all bands."""
    from scipy.ndimage import zoom

    rng = np.random.default_rng(0)
    stack = np.empty((bands, DATES, side_px, side_px), np.uint16)
    for date, cloud_share in enumerate(rng.permutation(np.linspace(0, 1, DATES))):
        noise = rng.standard_normal((side_px // CLOUD_PX + 3,) * 2).astype(np.float32)
        height = zoom(noise, CLOUD_PX, order=1)[:side_px, :side_px]
        values = rng.integers(1, 65536, (side_px, side_px), np.uint16)
        values[height < np.quantile(height, cloud_share)] = 0
        for band in range(bands):
            stack[band, date] = values * np.uint16(2 * band + 1)  # odd factors keep 0 and no other number at 0
    return stack


def _median_rows(stack: NDArray[np.uint16], size: Size) -> list[Row]:
    crop = np.ascontiguousarray(stack[0, :, : size.crop_px, : size.crop_px])
    peers = _peers(crop)
    expected = np.floor(np.nan_to_num(peers["numpy.nanmedian"]()) + 0.5)
    assert np.array_equal(median_of_values(crop), expected), "median_of_values differs from numpy.nanmedian"
    ours = {
        "median": lambda: [median_of_values(band) for band in stack],
        "read": lambda: [band.max() for band in stack],
    }
    seconds = interleaved_cpu({**ours, **peers}, size.rounds)
    scale = stack.size / crop.size
    path = f"masked median, {DATES} dates x {size.bands} x {size.side_px}²"
    note = f"peers on {size.crop_px}² of a band, scaled by pixels"
    aims = {"bottleneck.nanmedian": BOTTLENECK_AIM, "xarray.median over dask": XARRAY_AIM}
    rows = [Row(path, peer, seconds[peer] * scale / seconds["median"], aims.get(peer), note) for peer in peers]
    passes = seconds["median"] / seconds["read"]
    told = f"{passes:.1f} passes, {seconds['median']:.3f} CPU s; {_clear_facts(stack[0])}"
    return [*rows, Row(path, f"{MOST_PASSES} read passes of the stack (limit)", MOST_PASSES / passes, 1, told)]


def _peers(stack: NDArray[np.uint16]) -> dict[str, Callable[[], Any]]:
    """Medians over dates of (t, y, x), each on one thread.

    bottleneck and numpy are given float32 with NaN, ready made. xarray does what one writes with it: dates come lazily,
    a chunk each, are masked, and reduced.
    """
    import bottleneck
    import dask
    import xarray as xr

    values = np.where(stack == 0, np.float32("nan"), stack.astype(np.float32))
    lazy = xr.DataArray(stack, dims=("t", "y", "x")).chunk({"t": 1, "y": CHUNK_PX, "x": CHUNK_PX})

    def over_dask() -> Any:
        with dask.config.set(scheduler="synchronous"):
            return lazy.where(lazy != 0).median("t").compute()

    return {
        "bottleneck.nanmedian": _silent(lambda: bottleneck.nanmedian(values, axis=0)),
        "numpy.nanmedian": _silent(lambda: np.nanmedian(values, axis=0)),
        "xarray.median over dask": _silent(over_dask),
    }


def _silent(function: Callable[[], Any]) -> Callable[[], Any]:
    """The function without its warnings of pixels without a value."""

    def silenced() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return function()

    return silenced


def _clear_facts(stack: NDArray[np.uint16]) -> str:
    clear = stack != 0
    dates = clear.reshape(DATES, -1, 64).any(axis=2).mean() * DATES
    return f"{clear.mean():.0%} clear, {dates:.0f} of {DATES} dates left in runs of 64 px"


def memory_row() -> Row:
    """What the median of one band of 1024 x 1024 takes beside its input."""
    used = peak_memory(f"{__spec__.name}:prepare_median")
    output = 1024 * 1024 * np.dtype(np.uint16).itemsize
    allowed = output + MOST_EXTRA_BYTES
    note = f"{used / 2**20:.1f} MiB, output {output / 2**20:.0f} MiB; resident peak of a fresh process"
    return Row(f"memory of a masked median, {DATES} dates x 1024²", "output + 64 MiB (limit)", allowed / used, 1, note)


def prepare_median() -> Callable[[], object]:
    """A median of one band, compiled and with its input in memory."""
    stack = np.ones((DATES, 1024, 1024), np.uint16)
    stack[::2, :, ::3] = 0
    median_of_values(stack[:, :1])
    return lambda: median_of_values(stack)


def _plain_rows(stack: NDArray[np.uint16], size: Size) -> list[Row]:
    part = np.ascontiguousarray(stack[:4, :, : size.plain_rows])
    band = part[0]
    assert np.array_equal(percentile_of_values(band, PERCENTILE), plain_percentile(band, PERCENTILE)), "percentiles differ"
    assert np.array_equal(medoid(part), plain_medoid(part)), "medoids differ"
    seconds = interleaved_cpu(
        {
            "percentile": lambda: percentile_of_values(band, PERCENTILE),
            "plain percentile": lambda: plain_percentile(band, PERCENTILE),
            "medoid": lambda: medoid(part),
            "plain medoid": lambda: plain_medoid(part),
        },
        size.rounds,
    )
    paths = {"percentile": band.shape, "medoid": part.shape}
    return [
        Row(
            f"{name}, {' x '.join(map(str, shape))}",
            f"plain {name}",
            seconds[f"plain {name}"] / seconds[name],
            PLAIN_AIM,
            "numpy",
        )
        for name, shape in paths.items()
    ]


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
