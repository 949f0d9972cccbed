"""Which devices a program runs on, and what each of them holds: parameters whole, and its own rows of each batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.expression import Expression
from ...core.settings import is_whole
from .library import jax

Array = np.ndarray[Any, Any]
VIRTUAL = "XLA_FLAGS=--xla_force_host_platform_device_count=8"
ROWS, OWN = "rows", "own"


@dataclass(frozen=True)
class Device:
    """One device that XLA computes on.

    Attributes:
        number: its place among all, which ``Model.fit(devices=[...])`` takes as well.
        platform: "cpu", "gpu" or "tpu".
        name: what its maker calls it.
        host: the number of the process that it belongs to.
        memory: its memory in bytes, where it tells; None for a CPU, which has that of the machine.
    """

    number: int
    platform: str
    name: str
    host: int
    memory: int | None


def devices() -> list[Device]:
    """Return the devices that XLA sees, of all hosts, those of the fastest platform alone.

    Raises:
        MissingExtraError: if JAX is not installed.

    >>> import pellucid as pc
    >>> pc.devices()[0].number
    0
    """
    return [Device(k, d.platform, d.device_kind, d.process_index, memory_of(d)) for k, d in enumerate(jax().devices())]


def memory_of(device: Any) -> int | None:
    """Return the bytes that a device has, if it says so."""
    told = device.memory_stats() if device.process_index == jax().process_index() else None
    return None if told is None else told.get("bytes_limit")


class Placement:
    """Some devices side by side.

    Args:
        devices: JAX's; each has all parameters, and the same number of a batch's rows.
    """

    def __init__(self, devices: Sequence[Any]) -> None:
        self.devices = tuple(devices)
        self.is_spread = any(d.process_index != jax().process_index() for d in devices)

    @property
    def count(self) -> int:
        """How many devices there are."""
        return len(self.devices)

    @cached_property
    def _mesh(self) -> Any:
        return jax().sharding.Mesh(np.array(self.devices), (ROWS,))

    @cached_property
    def whole(self) -> Any:
        """How an array lies that each device has all of."""
        if self.count == 1:
            return jax().sharding.SingleDeviceSharding(self.devices[0])
        return jax().sharding.NamedSharding(self._mesh, jax().sharding.PartitionSpec())

    @cached_property
    def by_rows(self) -> Any:
        """How an array lies of which each device has its own rows."""
        if self.count == 1:
            return self.whole
        return jax().sharding.NamedSharding(self._mesh, jax().sharding.PartitionSpec(ROWS))

    def of_rows(self, rows: int) -> Any:
        """Return how so many rows lie: shared out where that is even, or else all of them everywhere."""
        return self.by_rows if rows and rows % self.count == 0 else self.whole

    def put(self, array: Array, sharding: Any, copied: bool = False) -> Any:
        """Return an array on the devices; ``copied`` if its memory is to be written to there."""
        if self.is_spread:
            return jax().make_array_from_callback(array.shape, sharding, lambda index: array[index])
        return jax().device_put(array, sharding, may_alias=not copied)

    def put_rows(self, picked: Expression, source: Array, rows: Array) -> Any:
        """Return some rows of an array on the devices, of which each host reads those that its own devices have."""
        shape: Any = picked.shape
        sharding = self.of_rows(len(rows))
        return jax().make_array_from_callback(shape, sharding, lambda own: source[rows[own[0]]], dtype=picked.dtype)

    def fetch(self, value: Any) -> Array:
        """Return the memory of a value that each device has all of."""
        return np.asarray(value.addressable_data(0) if self.is_spread else value)


def placed(wanted: Any) -> Placement:
    """Return the placement on some devices.

    Args:
        wanted: how many, or the numbers of those; None for one, or for those of all hosts where there are several;
            "own" for one of this host's.

    Raises:
        InputError: there are not so many.
    """
    if wanted == OWN:
        return Placement(jax().local_devices()[:1])
    found = jax().devices()
    if wanted is None:
        return Placement(found if jax().process_count() > 1 else found[:1])
    many: Any = range(min(int(wanted), len(found) + 1)) if is_whole(wanted) else wanted
    numbers: list[Any] = list(many) if hasattr(many, "__iter__") else []
    if not numbers or not all(is_whole(n) and 0 <= n < len(found) for n in numbers) or len({*numbers}) < len(numbers):
        raise InputError(
            f"devices is how many to use, or the numbers of some of them, not {wanted!r}; XLA sees {len(found)}"
            f" ({found[0].platform}); pc.devices() lists them, and {VIRTUAL} makes 8 of a CPU, to try"
        )
    return Placement([found[n] for n in numbers])


def check_shared_out(rows: int, devices: int) -> None:
    """Check that each device gets the same number of a batch's rows.

    Raises:
        InputError: they do not; it says which numbers of rows are near.
    """
    if rows % devices:
        more = -(-rows // devices) * devices
        raise InputError(
            f"a batch of {rows} rows cannot be shared out evenly among {devices} devices; a batch_size of"
            f" {more - devices or more} or {more} can"
        )


__all__ = ["OWN", "Device", "Placement", "check_shared_out", "devices", "memory_of", "placed"]
