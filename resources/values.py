"""What Dagster may keep of an asset's or op's return value: nothing.

Dagster's own default pickles values, and unpickling runs code. Artifacts are published by `produce` and reach downstream by
their references (see docs/security.md), so a value that gets here is a mistake in an asset.
"""

from typing import Any

import dagster as dg


class NoValues(dg.IOManager):
    """Stores and loads no value."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """DagsterInvariantViolationError for anything but None."""
        if obj is not None:
            raise _refusal(f"{context.get_identifier()} returns a {type(obj).__name__}")

    def load_input(self, context: dg.InputContext) -> Any:
        """DagsterInvariantViolationError: there are no values."""
        raise _refusal(f"{context.get_identifier()} asks for the value of another asset")


def _refusal(problem: str) -> dg.DagsterInvariantViolationError:
    return dg.DagsterInvariantViolationError(
        f"{problem}. Publish it with `produce`, and name inputs with `deps`: values are not kept."
    )
