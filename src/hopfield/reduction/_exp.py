"""The exponential of compiled loops; importing this file needs numba."""

import numba
import numpy as np

LOWEST = np.float32(-87.0)  # exp of less is no normal float32
LOG2_E = np.float32(1.4426950408889634)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)

f32, i32 = np.float32, np.int32


@numba.njit(inline="always")
def exp(x: np.float32) -> np.float32:
    """e^x for −87 ≤ x ≤ 0, to 2e-7 of its value: 2^n · e^r with |r| ≤ ½ ln 2, by a polynomial.

    The compiler turns this into vector instructions, which it does not do with a library call.
    """
    n = np.floor(x * LOG2_E + f32(0.5))
    r = x - n * LN2_HIGH - n * LN2_LOW
    y = f32(1.9875691500e-4)
    y = y * r + f32(1.3981999507e-3)
    y = y * r + f32(8.3334519073e-3)
    y = y * r + f32(4.1665795894e-2)
    y = y * r + f32(1.6666665459e-1)
    y = y * r + f32(5.0000001201e-1)
    y = y * r * r + r + f32(1.0)
    return y * i32((i32(n) + i32(127)) << i32(23)).view(f32)
