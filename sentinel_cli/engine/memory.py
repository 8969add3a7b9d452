"""The process's memory as one array, and C functions by their addresses, for compiled code.

Purpose: records that stand in another library's buffers are read where they are, and given back,
without a Python object each.

Design: a place is an index into ``EVERYTHING``; ``place`` makes one of an address. Whoever reads
there must know that it is his to read: nothing is checked. Three things that numba has no name for
are written in LLVM's own language: eight bytes looked at together, and two calls. Without the compiler
they are done in Python.

Not here: whose memory it is (``streaming.librdkafka``), what is read from it (``jsonread``).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from sentinel_cli.engine.compiled import jit

Bytes = npt.NDArray[np.uint8]

# numpy takes no array for memory that begins at zero. A multiple of eight, so that words are aligned.
FIRST = 64
# Addresses of user space have 47 bits on x86-64 and on arm64.
EVERYTHING: Bytes = np.ctypeslib.as_array((ctypes.c_uint8 * (1 << 47)).from_address(FIRST))
WORDS: npt.NDArray[np.int64] = EVERYTHING.view(np.int64)

_REPEATED = 0x0101_0101_0101_0101
_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_64 = ir.IntType(64)


def place(address: int) -> int:
    """The index into ``EVERYTHING`` of what stands at ``address``."""
    return address - FIRST


def place_of(array: npt.NDArray[Any]) -> int:
    """The index into ``EVERYTHING`` of an array's first byte; the array must outlive its use."""
    return place(array.ctypes.data)


def text(at: int, size: int) -> bytes:
    """A copy of ``size`` bytes at place ``at``."""
    return ctypes.string_at(at + FIRST, size)


# ---- one byte, and eight at once; compiled, they do not look whether a place is negative


def byte(data: Bytes, at: int) -> int:
    """The byte at ``at``."""
    return int(data[at])


def word(data: Bytes, at: int) -> int:
    """The eight bytes from ``at`` on as one number, as this machine orders them."""
    return int(data[at : at + 8].view(np.int64)[0])


def _loading(bits: int) -> Any:
    """An intrinsic that gives ``bits`` at a place of an array of bytes, as 64."""

    @intrinsic  # type: ignore[untyped-decorator]
    def load(_: Any, data: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
        def emit(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            array, index = arguments
            start = context.make_array(data)(context, builder, array).data
            pointer = builder.bitcast(builder.gep(start, [index]), ir.IntType(bits).as_pointer())
            found = builder.load(pointer, align=1)
            return found if bits == _64.width else builder.zext(found, _64)

        return types.int64(data, types.int64), emit

    return load


_byte, _word = _loading(8), _loading(64)


@overload(byte, strict=False)  # type: ignore[untyped-decorator]
def _compiled_byte(data: Any, at: Any) -> Callable[[Bytes, int], int]:
    def emitted(data: Bytes, at: int) -> int:
        return _byte(data, at)  # type: ignore[no-any-return]

    return emitted


@overload(word, strict=False)  # type: ignore[untyped-decorator]
def _compiled_word(data: Any, at: Any) -> Callable[[Bytes, int], int]:
    def emitted(data: Bytes, at: int) -> int:
        return _word(data, at)  # type: ignore[no-any-return]

    return emitted


@jit
def same(data: Bytes, at: int, other: Bytes, there: int, size: int) -> bool:
    """Whether ``size`` bytes of ``data`` from ``at`` on are those of ``other`` from ``there`` on."""
    end = at + size
    while at + 8 <= end:
        if word(data, at) != word(other, there):
            return False
        at += 8
        there += 8
    while at < end:
        if byte(data, at) != byte(other, there):
            return False
        at += 1
        there += 1
    return True


def plain(data: Bytes, at: int) -> int:
    """How many of the eight bytes at ``at`` come before the first that is no plain character of a
    JSON text: a quote, a backslash, a control character, or not ASCII."""
    for count in range(8):
        byte = data[at + count]
        if byte in (_QUOTE, _BACKSLASH) or byte < _SPACE or byte > 127:
            return count
    return 8


@intrinsic  # type: ignore[untyped-decorator]
def _plain(_: Any, data: Any, at: Any) -> tuple[Any, Callable[..., Any]]:
    def repeated(byte: int) -> ir.Constant:
        return ir.Constant(_64, byte * _REPEATED)

    def emit(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        array, index = arguments
        start = context.make_array(data)(context, builder, array).data
        pointer = builder.bitcast(builder.gep(start, [index]), _64.as_pointer())
        word = builder.load(pointer, align=1)
        # Below 32, or borrowed from below; only the lowest found is asked for, and that one is right.
        found = builder.and_(builder.sub(word, repeated(_SPACE)), builder.not_(word))
        for byte in (_QUOTE, _BACKSLASH):
            other = builder.xor(word, repeated(byte))
            zero = builder.and_(builder.sub(other, repeated(1)), builder.not_(other))
            found = builder.or_(found, zero)
        found = builder.and_(builder.or_(found, word), repeated(0x80))
        zeros = builder.cttz(found, ir.Constant(ir.IntType(1), 0))
        return builder.lshr(zeros, ir.Constant(_64, 3))

    return types.int64(data, types.int64), emit


@overload(plain, strict=False)  # type: ignore[untyped-decorator]
def _compiled_plain(data: Any, at: Any) -> Callable[[Bytes, int], int]:
    def emitted(data: Bytes, at: int) -> int:
        return _plain(data, at)  # type: ignore[no-any-return]

    return emitted


# ---- calls


def call(function: int, one: int, two: int) -> int:
    """What the C function at address ``function`` returns for two words."""
    answer: int = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(function)(
        int(one), int(two)
    )
    return answer


def give(function: int, one: int) -> None:
    """Call the C function at address ``function``, which returns nothing, with a word."""
    ctypes.CFUNCTYPE(None, ctypes.c_int64)(function)(int(one))


@intrinsic  # type: ignore[untyped-decorator]
def _call(_: Any, function: Any, one: Any, two: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(_context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        address, *words = arguments
        shape = ir.FunctionType(_64, [_64, _64])
        return builder.call(builder.inttoptr(address, shape.as_pointer()), words)

    return types.int64(types.int64, types.int64, types.int64), emit


@intrinsic  # type: ignore[untyped-decorator]
def _give(_: Any, function: Any, one: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        address, word = arguments
        shape = ir.FunctionType(ir.VoidType(), [_64])
        builder.call(builder.inttoptr(address, shape.as_pointer()), [word])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), emit


@overload(call, strict=False)  # type: ignore[untyped-decorator]
def _compiled_call(function: Any, one: Any, two: Any) -> Callable[[int, int, int], int]:
    def emitted(function: int, one: int, two: int) -> int:
        return _call(function, one, two)  # type: ignore[no-any-return]

    return emitted


@overload(give, strict=False)  # type: ignore[untyped-decorator]
def _compiled_give(function: Any, one: Any) -> Callable[[int, int], None]:
    def emitted(function: int, one: int) -> None:
        _give(function, one)

    return emitted
