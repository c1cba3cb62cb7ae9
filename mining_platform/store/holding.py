"""Holding a partition alone while its next version is made, on this machine and, in an object store, among all machines."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from mining_platform.store import durable, leases, publishing, remote_leases
from mining_platform.store.refs import LEASE_NAME, ArtifactStore, LeaseHeld, Ref, partition_directory
from mining_platform.store.uploads import StillOurs


@contextmanager
def held(store: ArtifactStore, ref: Ref, run_id: str) -> Iterator[StillOurs]:
    """Hold the partition alone, and keep every version from being collected; LeaseHeld says who holds it otherwise.

    Yields what raises LeaseLost once another machine may have taken a partition of an object store over.
    """
    directory = partition_directory(store, ref)
    with ExitStack() as stack:
        with publishing.disk(ref):
            durable.make_directory(directory)
            other = stack.enter_context(leases.lease(directory / LEASE_NAME, run_id))
        _require_free(ref, other)
        with publishing.disk(ref):
            stack.enter_context(leases.shared(store.root / LEASE_NAME))
        yield stack.enter_context(_held_remotely(store, ref, run_id))


@contextmanager
def _held_remotely(store: ArtifactStore, ref: Ref, run_id: str) -> Iterator[StillOurs]:
    """The part of the lease that other machines heed; nothing where the store is a directory."""
    if store.remote is None:
        yield lambda: None
        return
    home = remote_leases.installation(store.root)
    with remote_leases.remote_lease(store.remote, ref, run_id, home) as got:
        if isinstance(got, leases.Holder):
            _require_free(ref, got)
        else:
            yield partial(remote_leases.require, got, ref)


def _require_free(ref: Ref, other: leases.Holder | None) -> None:
    if other is not None:
        raise LeaseHeld(f"{ref} is being made by {other}. Wait for it or end it, then run again.")
