"""Areas and pixels of the windows that are under way."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Sums:
    """Areas (m2) and pixels of the windows under way, each (rows, columns) from window row `first_row` on."""

    first_row: int
    class_area: NDArray[np.float64]
    valid_area: NDArray[np.float64]
    class_px: NDArray[np.int64]
    valid_px: NDArray[np.int64]
    marks: NDArray[np.uint8]
    """kernels.WHOLE and kernels.PART of each window."""

    @classmethod
    def empty(cls, first_row: int, rows: int, columns: int) -> "Sums":
        """Sums of nothing."""
        shape = (rows, columns)
        areas, counts = (np.zeros(shape), np.zeros(shape)), (np.zeros(shape, np.int64), np.zeros(shape, np.int64))
        return cls(first_row, *areas, *counts, np.zeros(shape, np.uint8))

    @property
    def arrays(self) -> tuple[NDArray, ...]:
        """All arrays, in order."""
        return self.class_area, self.valid_area, self.class_px, self.valid_px, self.marks

    @property
    def end_row(self) -> int:
        """The window row after the last."""
        return self.first_row + len(self.marks)

    def grown(self, end_row: int) -> "Sums":
        """The sums with room for rows up to one before `end_row`."""
        more = end_row - self.end_row
        if more <= 0:
            return self
        return Sums(self.first_row, *(np.concatenate([a, np.zeros((more, a.shape[1]), a.dtype)]) for a in self.arrays))

    def parted(self, row: int) -> tuple["Sums", "Sums"]:
        """The rows before window row `row`, and the others."""
        at = min(max(row - self.first_row, 0), len(self.marks))
        before, after = (tuple(array[part].copy() for array in self.arrays) for part in (slice(None, at), slice(at, None)))
        return Sums(self.first_row, *before), Sums(self.first_row + at, *after)
