"""Tables as CSV that no spreadsheet takes for a program.

Excel and LibreOffice run a cell of a CSV file that begins like a formula, and a formula may start programs and send cells away
(CWE-1236, https://owasp.org/www-community/attacks/CSV_Injection). Texts of people and of catalogues are refused where they begin
so, rather than altered: a reader of the table is to find the very words, and the ids of other files.
"""

import re
from pathlib import Path
from typing import IO

import pandas as pd

_FORMULA = re.compile(r"[=@\t\r\n＝＠]|[+\-＋－].*[(|!]", re.DOTALL)
"""A number, a range such as `-5.1_-54.3` and words after a dash are none: without a call or a link nothing is run."""


class FormulaError(ValueError):
    """A text that a spreadsheet would run."""


def is_formula(text: object) -> bool:
    """Whether a cell with this text would be run where a CSV file is opened; what is no text is none."""
    return isinstance(text, str) and _FORMULA.match(text) is not None


def write_csv(table: pd.DataFrame, target: Path | IO[bytes], name: str = "") -> None:
    """Write a table as CSV, equal bytes for equal tables; FormulaError naming a column and the text that would be run.

    `name` stands for the target in the error where that is no path.
    """
    told = pd.DataFrame(table)
    for column in told.columns:
        values = () if pd.api.types.is_numeric_dtype(told[column]) else told[column].dropna().unique()
        if bad := [text for text in (column, *values) if is_formula(text)]:
            where = name or (target.name if isinstance(target, Path) else "the table")
            raise FormulaError(
                f"{where}, column {column!r}: {bad[0][:60]!r} would be run as a formula by a spreadsheet. "
                "Rename it at its source; decide a review anew in other words."
            )
    told.to_csv(target, index=False, lineterminator="\n")
