"""How compiled loops read numbers that may be bfloat16; importing this file needs numba."""

from typing import Any

import numba
import numpy as np
from numba.extending import overload


def wide(x: Any) -> Any:
    """A float32 as it is, the bits of a bfloat16 as the float32 whose upper half they are."""
    raise NotImplementedError("compiled code calls this, through `overload`")


@overload(wide, inline="always")
def _of_type(x: Any) -> Any:
    def as_it_is(x: Any) -> Any:
        return x

    def widened(x: Any) -> Any:
        return np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)

    return widened if x == numba.uint16 else as_it_is
