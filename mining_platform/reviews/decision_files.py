"""Decisions in a CSV file, as the page that needs no server gives them or as people write them."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from mining_platform.reviews.decisions import ReviewError
from mining_platform.reviews.desks import Proposal

COLUMNS = ("window_id", "decision", "range", "reviewer", "reason")
LARGEST_BYTES = 20_000_000  # of a file of decisions; 2,600 of them take about 200 kB


def read_proposals(path: Path) -> list[Proposal]:
    """The decisions of a CSV file with COLUMNS, as `read_rows`."""
    return [Proposal(**row) for row in read_rows(path, COLUMNS)]


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with these columns in any order, UTF-8; ReviewError naming the first line that is not one."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ReviewError(f"{path} is larger than {LARGEST_BYTES:,} bytes; it is no file of decisions.")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError(f"{path} is not a readable CSV file in UTF-8: {error}.") from None
    rows = _rows(text, path)
    header = next(rows, [])
    if sorted(header) != sorted(columns):
        raise ReviewError(f"{path} has the columns {', '.join(header) or 'none'}; it needs {', '.join(columns)}.")
    found = []
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ReviewError(f"{path}, row {number} has {len(row)} values for {len(header)} columns. Mend the row.")
        found.append({name: cell.strip() for name, cell in zip(header, row, strict=True)})
    return found


def _rows(text: str, path: Path) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return iter([row for row in reader if row])
    except csv.Error as error:
        raise ReviewError(f"{path}, line {reader.line_num} is no CSV: {error}.") from None
