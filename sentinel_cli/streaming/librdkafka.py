"""librdkafka's public C interface, on the very library and handle that confluent-kafka uses.

Purpose: what the native source needs and confluent-kafka does not hand out: the queue of one partition,
its messages as they are, and a file descriptor that wakes who waits.

Design: the extension module's own symbols lead to the library that it was linked with, bundled or not.
The handle is the first field behind the object header of a Consumer (confluent_kafka.h). Both are
looked at before anything is called on them; ``Unfit`` says why they do not do.

Not here: the order of calls (``native_source``).
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_int, c_int32, c_ssize_t, c_void_p
from importlib import metadata
from typing import Any

import confluent_kafka
import numpy as np
from confluent_kafka import Consumer, cimpl

# Versions of confluent-kafka whose Consumer was looked at: the same from the first to the last of them.
OLDEST, NEWEST = (2, 3), (3, 0)
_64_BITS = 2**63 - 1

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "rd_kafka_version": (c_int, []),
    "rd_kafka_name": (c_char_p, [c_void_p]),
    "rd_kafka_type": (c_int, [c_void_p]),
    "rd_kafka_queue_get_consumer": (c_void_p, [c_void_p]),
    "rd_kafka_queue_get_partition": (c_void_p, [c_void_p, c_char_p, c_int32]),
    "rd_kafka_queue_forward": (None, [c_void_p, c_void_p]),
    "rd_kafka_queue_io_event_enable": (None, [c_void_p, c_int, c_char_p, c_ssize_t]),
    "rd_kafka_queue_destroy": (None, [c_void_p]),
    "rd_kafka_consume_batch_queue": (c_ssize_t, [c_void_p, c_int, c_void_p, c_ssize_t]),
    "rd_kafka_message_timestamp": (ctypes.c_int64, [c_void_p, POINTER(c_int)]),
    "rd_kafka_message_destroy": (None, [c_void_p]),
}
_CONSUMER = 1  # enum rd_kafka_type_t


class Unfit(Exception):
    """Why the native source cannot run here."""


class Library:
    """librdkafka's functions by their names. Raises Unfit."""

    def __init__(self) -> None:
        _check_platform()
        loaded = ctypes.CDLL(cimpl.__file__)
        try:
            self._functions = {name: _typed(loaded, name) for name in _FUNCTIONS}
        except AttributeError as error:
            raise Unfit(f"librdkafka's functions cannot be found: {error}") from error
        expected, found = confluent_kafka.libversion()[1], self._functions["rd_kafka_version"]()
        if found != expected:
            raise Unfit(f"confluent-kafka uses librdkafka {expected:#x}, and {found:#x} was found")
        self.timestamp, self.destroy = self._address("timestamp"), self._address("destroy")

    def _address(self, name: str) -> int:
        return ctypes.cast(self._functions[f"rd_kafka_message_{name}"], c_void_p).value or 0

    def __getattr__(self, name: str) -> Any:
        try:
            return self._functions[f"rd_kafka_{name}"]
        except KeyError:
            raise AttributeError(name) from None

    def take(self, queue: int, into: int, room: int) -> int:
        """Write the addresses of what stands in the queue to the address ``into``; how many those are."""
        return max(int(self.consume_batch_queue(queue, 0, into, room)), 0)

    def handle(self, consumer: Consumer, client_id: str) -> int:
        """The `rd_kafka_t` of ``consumer``, whose `client.id` is ``client_id``. Raises Unfit."""
        if not isinstance(consumer, cimpl.Consumer):
            raise Unfit(f"{type(consumer).__name__} is no Consumer of confluent-kafka")
        found = c_void_p.from_address(id(consumer) + object.__basicsize__).value
        if not found or found % np.dtype(np.intp).itemsize or self.type(found) != _CONSUMER:
            raise Unfit("the Consumer's handle is not where it is expected")
        name = (self.name(found) or b"").decode(errors="replace")
        if not name.startswith(f"{client_id}#consumer-"):
            raise Unfit(f"the Consumer's handle is called {name!r}")
        return found


def _typed(loaded: ctypes.CDLL, name: str) -> Any:
    function = getattr(loaded, name)
    function.restype, function.argtypes = _FUNCTIONS[name]
    return function


def _check_platform() -> None:
    version = metadata.version("confluent-kafka")
    if not OLDEST <= tuple(map(int, version.split(".")[:2])) < NEWEST:
        raise Unfit(f"confluent-kafka {version} is not known to it")
    if sys.implementation.name != "cpython" or sys.maxsize != _64_BITS or sys.byteorder != "little":
        raise Unfit("it needs CPython on a 64-bit, little-endian machine")
    if sys.platform == "win32":
        raise Unfit("Windows has no file descriptors to wait for")


def unfit() -> str:
    """Why the native source cannot run here; nothing if it can."""
    try:
        library = Library()
        consumer = Consumer({"group.id": "fit", "client.id": "fit", "log_level": 0})
        try:
            library.handle(consumer, "fit")
        finally:
            consumer.close()
    except Unfit as reason:
        return str(reason)
    return ""
