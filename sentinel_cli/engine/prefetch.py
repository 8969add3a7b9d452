"""Ask the processor for a profile before it is needed.

Purpose: profiles are met in random order, so each would otherwise be waited for. With 20,000 of
them that is a fifth of the time a transaction takes, with 200,000 (77 MB) more than half.

Design: LLVM's prefetch instruction, which numba has no name for. It reads nothing, cannot fail and
changes no result; without the compiler it is nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from profiles.layout import Profiles

LINE_BYTES = 64  # of the caches of x86-64 and of most arm64
_TO_READ, _IN_ALL_CACHES, _DATA = 0, 3, 1  # operands of llvm.prefetch


def prefetch(profiles: Profiles, slot: int) -> None:
    """Bring row ``slot`` into the caches; a slot outside of ``profiles`` is harmless."""


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch(_: Any, profiles: Any, slot: Any) -> tuple[Any, Callable[..., Any]]:
    def emit(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        array, index = arguments
        size = context.get_constant(types.int64, profiles.dtype.size)
        byte = ir.IntType(8).as_pointer()
        data = builder.bitcast(context.make_array(profiles)(context, builder, array).data, byte)
        row = builder.gep(data, [builder.mul(index, size)])
        operand = ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, operand, operand, operand])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        for offset in range(0, profiles.dtype.size, LINE_BYTES):
            line = builder.gep(row, [context.get_constant(types.int64, offset)])
            builder.call(instruction, [line, *(operand(o) for o in (_TO_READ, _IN_ALL_CACHES, _DATA))])
        return context.get_dummy_value()

    return types.void(profiles, slot), emit


@overload(prefetch, strict=False)  # type: ignore[untyped-decorator]
def _compiled(profiles: Any, slot: Any) -> Callable[[Profiles, int], None]:  # noqa: ARG001  # matched by name
    def emitted(profiles: Profiles, slot: int) -> None:
        _prefetch(profiles, slot)

    return emitted
