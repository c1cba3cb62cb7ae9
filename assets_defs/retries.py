"""Steps that ask a service ask again where it was the service's fault; every other error would come again, and is raised at once.

What belongs here: when a step is made again, and after how long. Sources themselves repeat single requests within seconds; this
is for outages of minutes.
"""

import random
from collections.abc import Callable
from typing import TypeVar

import dagster as dg

from mining_platform.disclosure import scrubbed
from mining_platform.sources.remote.outages import is_outage

MOST_RETRIES = 3
FIRST_WAIT_S = 30.0
"""Before the first retry; twice as long before each further one, and up to half as long again by chance."""

Result = TypeVar("Result")


def retried(context: dg.AssetExecutionContext, work: Callable[[], Result]) -> Result:
    """What a piece of work gives; dg.RetryRequested where it ended in an outage and may be tried again, else its error."""
    try:
        return work()
    except Exception as error:
        if context.retry_number >= MOST_RETRIES or not is_outage(error):
            raise
        told = scrubbed(str(error))
    wait_s = waits_s(context.retry_number)
    context.log.warning(f"{told} Made again in {wait_s:.0f} s ({context.retry_number + 1} of {MOST_RETRIES}).")
    raise dg.RetryRequested(MOST_RETRIES, wait_s)  # outside of the handler, so that no secret of the error is in its context


def waits_s(retry_number: int) -> float:
    """Seconds before a retry, the first being 0: growing, and by chance, so that many do not come back at once."""
    return FIRST_WAIT_S * 2**retry_number * random.uniform(1, 1.5)
