"""How compiled loops read numbers of several types as float32; importing this file needs numba."""

from typing import Any

import numba
import numpy as np
from numba.extending import overload


def wide(x: Any) -> Any:
    """A float32 as it is, an int8, the bits of a bfloat16: the upper half of those of a float32."""
    raise NotImplementedError("compiled code calls this, through `overload`")


@overload(wide, inline="always")
def _of_type(x: Any) -> Any:
    def as_it_is(x: Any) -> Any:
        return x

    def widened(x: Any) -> Any:
        return np.uint32(np.uint32(x) << np.uint32(16)).view(np.float32)

    def converted(x: Any) -> Any:
        return np.float32(x)

    return {numba.uint16: widened, numba.int8: converted}.get(x, as_it_is)
