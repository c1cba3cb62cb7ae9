"""Reducers: many values of a pixel to few. Masked inputs do not take part; without any input the output is masked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.earth_engine.bands import Pixels
from tests.earth_engine.errors import RefusedError
from tests.earth_engine.images import BOOLEAN, DOUBLE, LONG

Stack = NDArray[np.float64]
"""(n, y, x) values of one input."""


@dataclass(frozen=True, eq=False)
class Reducer:
    """A reducer of one input, or of several that are taken together (`num_inputs`)."""

    outputs: tuple[str, ...]
    reduce: Callable[[Sequence[Stack], NDArray[np.bool_], NDArray[np.float64]], list[Pixels]]
    """(inputs of (n, y, x) values, (n, y, x) valid, (n, y, x) weights) -> one Pixels an output."""
    dtype: Callable[[np.dtype], np.dtype]
    num_inputs: int = 1
    counts: bool = False
    """Its output without any input is 0 and valid, not masked."""
    keeps_names: bool = False
    """Its outputs replace the names of bands instead of following them: a list of values, not of pixels."""


def _simple(name: str, function: Callable[[Stack, NDArray, NDArray], NDArray], dtype: Callable[[np.dtype], np.dtype]) -> Reducer:
    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:
        return [Pixels(function(inputs[0], valid, weights), np.any(valid, axis=0))]

    return Reducer((name,), reduce, dtype)


def _double(_old: np.dtype) -> np.dtype:
    return DOUBLE


def _same(old: np.dtype) -> np.dtype:
    return old


def _total(old: np.dtype) -> np.dtype:
    return DOUBLE if old.kind == "f" else LONG


def _sum(values: Stack, valid: NDArray, weights: NDArray) -> NDArray:
    return np.where(valid, values * weights, 0).sum(axis=0)


def _mean(values: Stack, valid: NDArray, weights: NDArray) -> NDArray:
    total = np.where(valid, weights, 0).sum(axis=0)
    return _sum(values, valid, weights) / np.where(total == 0, 1, total)


def _percentile(values: Stack, valid: NDArray, percent: float) -> NDArray:
    """Linear between the two nearest ranks of the valid values; 50 is the median, the mean of two middle values."""
    ordered = np.sort(np.where(valid, values, np.inf), axis=0)
    rank = np.maximum(valid.sum(axis=0) - 1, 0) * (percent / 100)
    low, high = np.floor(rank).astype(np.int64), np.ceil(rank).astype(np.int64)
    lower, upper = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (low, high))
    with np.errstate(invalid="ignore"):
        return np.where(low == high, lower, lower + (upper - lower) * (rank - low))


def _median(values: Stack, valid: NDArray, _weights: NDArray) -> NDArray:
    """The middle value; of an even count the mean of the two middle ones, in double precision."""
    ordered = np.sort(np.where(valid, values, np.inf), axis=0)
    count = np.maximum(valid.sum(axis=0), 1)
    middle = [np.take_along_axis(ordered, index[None], axis=0)[0] for index in ((count - 1) // 2, count // 2)]
    return (middle[0] + middle[1]) / 2


def _picked(values: Stack, valid: NDArray, *, last: bool) -> NDArray:
    index = len(valid) - 1 - np.argmax(valid[::-1], axis=0) if last else np.argmax(valid, axis=0)
    return np.take_along_axis(values, index[None], axis=0)[0]


def extreme(name: str, num_inputs: int = 1) -> Reducer:
    """`Reducer.min` and `Reducer.max`: of the first input, with the other inputs of the same element; ties: the first."""
    find, outside = (np.argmin, np.inf) if name == "min" else (np.argmax, -np.inf)

    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:  # noqa: ARG001
        index = find(np.where(valid, inputs[0], outside), axis=0)
        return [Pixels(np.take_along_axis(stack, index[None], axis=0)[0], np.any(valid, axis=0)) for stack in inputs]

    outputs = (name, *(f"{name}{i}" for i in range(1, int(num_inputs))))
    return Reducer(outputs, reduce, _same, int(num_inputs))


def percentile(percentiles: Sequence[float], output_names: Sequence[str] | None = None) -> Reducer:
    """`Reducer.percentile`: outputs `p10`, `p50`, ... The documentation does not say how values between ranks are found."""
    names = output_names or [f"p{number:g}" for number in percentiles]

    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:  # noqa: ARG001
        return [Pixels(_percentile(inputs[0], valid, number), np.any(valid, axis=0)) for number in percentiles]

    return Reducer(tuple(names), reduce, _double)


def combine(reducer1: Reducer, reducer2: Reducer, output_prefix: str = "", shared_inputs: bool = False) -> Reducer:
    """`Reducer.combine` with shared inputs."""
    if not shared_inputs or reducer1.num_inputs != reducer2.num_inputs:
        raise RefusedError("Reducer.combine: only reducers that share their inputs are known to this stand-in.")

    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:
        return reducer1.reduce(inputs, valid, weights) + reducer2.reduce(inputs, valid, weights)

    return Reducer(
        (*reducer1.outputs, *(output_prefix + name for name in reducer2.outputs)), reduce, _double, reducer1.num_inputs
    )


def unweighted(reducer: Reducer) -> Reducer:
    """`Reducer.unweighted`: every weight is 1."""

    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:
        return reducer.reduce(inputs, valid, np.ones_like(weights))

    return replace(reducer, reduce=reduce)


def set_outputs(reducer: Reducer, outputs: Sequence[str]) -> Reducer:
    """`Reducer.setOutputs`."""
    if len(outputs) != len(reducer.outputs):
        raise RefusedError(f"Reducer.setOutputs: {len(outputs)} names for the outputs {list(reducer.outputs)}.")
    return replace(reducer, outputs=tuple(outputs))


def _values(tuple_size: int | None) -> Reducer:
    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:  # noqa: ARG001
        raise RefusedError("Reducer.toList is known to this stand-in for columns of a collection only.")

    return Reducer(("list",), reduce, _double, num_inputs=int(tuple_size or 1), keeps_names=True)


SIMPLE = {
    "median": _simple("median", _median, _double),
    "mean": _simple("mean", _mean, _double),
    "sum": _simple("sum", _sum, _total),
    "count": replace(_simple("count", lambda _values, valid, _weights: valid.sum(axis=0), lambda _old: LONG), counts=True),
    "product": _simple("product", lambda values, valid, _weights: np.where(valid, values, 1).prod(axis=0), _total),
    "first": _simple("first", lambda values, valid, _weights: _picked(values, valid, last=False), _same),
    "firstNonNull": _simple("first", lambda values, valid, _weights: _picked(values, valid, last=False), _same),
    "last": _simple("last", lambda values, valid, _weights: _picked(values, valid, last=True), _same),
    "lastNonNull": _simple("last", lambda values, valid, _weights: _picked(values, valid, last=True), _same),
    "anyNonZero": _simple("any", lambda values, valid, _weights: (valid & (values != 0)).any(axis=0), lambda _old: BOOLEAN),
    "allNonZero": _simple("all", lambda values, valid, _weights: (~valid | (values != 0)).all(axis=0), lambda _old: BOOLEAN),
}
"""Reducers of one input without settings that change the result."""


def named(name: str) -> Callable[..., Reducer]:
    """The function `Reducer.<name>` of a simple reducer."""
    return lambda **_settings: SIMPLE[name]


def median(max_buckets: float | None = None, min_bucket_width: float | None = None, max_raw: float | None = None) -> Reducer:  # noqa: ARG001
    """`Reducer.median`, directly. Past `maxRaw` values it is read off a histogram, which is not described: refused.

    `maxRaw` is called the number of values up to which it is direct, and the number after which the histogram is begun: as
    many as that are refused too.
    """

    def reduce(inputs: Sequence[Stack], valid: NDArray[np.bool_], weights: NDArray[np.float64]) -> list[Pixels]:
        if max_raw is not None and len(valid) >= max_raw:
            raise RefusedError(f"Reducer.median of {len(valid)} values may be read off a histogram: raise maxRaw above them.")
        return SIMPLE["median"].reduce(inputs, valid, weights)

    return replace(SIMPLE["median"], reduce=reduce)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"Reducer.{name}": named(name) for name in SIMPLE},
    "Reducer.median": median,
    "Reducer.min": lambda num_inputs=1: extreme("min", num_inputs),
    "Reducer.max": lambda num_inputs=1: extreme("max", num_inputs),
    "Reducer.percentile": lambda percentiles, output_names=None, **_settings: percentile(percentiles, output_names),
    "Reducer.combine": combine,
    "Reducer.unweighted": unweighted,
    "Reducer.setOutputs": set_outputs,
    "Reducer.toList": lambda tuple_size=None, num_optional=0: _values(tuple_size),  # noqa: ARG005
}
