"""The names and forms of other libraries, on the layers of this one."""

from hopfield.nn.multihead import MultiheadAttention

__all__ = ["MultiheadAttention"]
