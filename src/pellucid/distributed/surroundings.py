"""What a host is, as far as it has to be like the others; and JAX's part in bringing them together."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import numpy as np

from ..backends.native.target import host as native_target
from ..backends.xla import library
from ..core.errors import InputError
from ..core.version import __version__

LONG: Final = 3600  # seconds that JAX waits for what is watched here, and found out much earlier
SCHEDULERS: Final = ({"SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID"}, {"OMPI_MCA_orte_hnp_uri"})
QUIET: Final = "TF_CPP_MIN_LOG_LEVEL"  # read when XLA is loaded; 2 leaves errors


class Place(NamedTuple):
    """A host's place among the others: where host 0 is reached, how many there are, which it is, and its devices."""

    coordinator: str
    hosts: int
    host: int
    devices: list[int] | None = None


def load_jax() -> None:
    """Load JAX, which then registers what it does at the end of the process, before the hosts register theirs.

    Raises:
        MissingExtraError: it is not installed.
    """
    os.environ.setdefault(QUIET, "2")
    library.jax()


def about() -> dict[str, Any]:
    """Return what all hosts have to be alike in before JAX is begun with."""
    names = ("jax", "jaxlib", "numpy")
    return {"pellucid": __version__, "python": platform.python_version(), **{name: version(name) for name in names}}


def about_devices() -> dict[str, Any]:
    """Return what computes: the kind of the GPU, or the kind of the CPU, on which the last bits depend."""
    jax = library.jax()
    first = jax.local_devices()[0]
    if first.platform != "cpu":
        return {"device": first.device_kind}
    target = native_target()
    return {"device": f"{target.triple.partition('-')[0]} {target.cpu}, vectors of {target.vector_bits} bits"}


def under_scheduler() -> bool:
    """Whether this process was started by a scheduler as one of several."""
    return any(names <= os.environ.keys() for names in SCHEDULERS)


def place_in_environment() -> Place:
    """Return what a scheduler (SLURM, Open MPI, ...) says in the environment, as JAX reads it.

    Raises:
        InputError: it says nothing.
    """
    cure = "give coordinator, hosts and host, or on the command line --coordinator, --hosts and --host"
    try:
        from jax._src.clusters import ClusterEnv

        found: Any = ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, 30)
    except (ImportError, AttributeError, TypeError, RuntimeError) as error:
        raise InputError(f"this JAX does not read the environment of a scheduler ({error}); {cure}") from error
    if None in found[:3]:
        raise InputError(f"no scheduler has started this process as one of several; {cure}")
    return Place(*found)


def check_name(far: str) -> None:
    """Check that other machines can reach this one under its own name, which JAX's collectives on CPUs tell them.

    Args:
        far: the address at which another host is connected.

    Raises:
        InputError: the name means this machine's loopback interface.
    """
    try:
        own = socket.gethostbyname(socket.gethostname())
    except OSError:
        return
    if own.startswith("127.") and not far.startswith(("127.", "::1", "here")):
        raise InputError(
            f"this host's own name, {socket.gethostname()}, means {own}, where the other hosts cannot reach it; let"
            " /etc/hosts give the name its address in their network"
        )


def begin_jax(address: str, place: Place, listening: str | None, timeout: float) -> None:
    """Let JAX's processes find each other.

    Args:
        address: where this process reaches the service.
        place: its place.
        listening: of host 0, where the service is to listen.
        timeout: seconds for all to come.

    Raises:
        InputError: JAX has been used in this process before.
    """
    jax = library.jax()
    if jax.distributed.is_initialized():
        raise InputError("JAX has been initialised for several processes already; call pc.distributed.initialize alone")
    # JAX's own service catches SIGTERM, after which a process cannot be ended in order
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            address,
            place.hosts,
            place.host,
            local_device_ids=place.devices,
            cluster_detection_method="deactivate",
            initialization_timeout=int(timeout) + 1,
            heartbeat_timeout_seconds=LONG,
            shutdown_timeout_seconds=LONG,
            coordinator_bind_address=listening,
        )
    except RuntimeError as error:
        if "before" in str(error):
            raise InputError(
                "JAX has computed something in this process already; call pc.distributed.initialize before that"
            ) from error
        raise
    with _silent():
        _connect()


def _connect() -> None:
    """Add a number up over all devices of all hosts, for which these connect to each other."""
    jax = library.jax()
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("all",))
    parts: Any = jax.sharding.PartitionSpec
    apart, whole = (jax.sharding.NamedSharding(mesh, parts(*axes)) for axes in (["all"], []))
    ones = np.ones(mesh.size, np.float32)
    shared = jax.make_array_from_callback(ones.shape, apart, lambda own: ones[own])
    total = jax.jit(lambda x: x.sum(), out_shardings=whole)(shared)
    for shard in total.addressable_shards:
        shard.data.block_until_ready()


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what XLA writes to standard output, when the hosts' devices first meet, out of what a program writes."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def end_jax() -> None:
    """Let JAX's processes part, which waits for all."""
    jax = library.jax()
    jax.distributed.shutdown()


__all__ = [
    "Place",
    "about",
    "about_devices",
    "begin_jax",
    "check_name",
    "end_jax",
    "load_jax",
    "place_in_environment",
    "under_scheduler",
]
