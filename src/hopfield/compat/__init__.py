"""The names and forms of other libraries, on the layers of this one."""

from hopfield.compat import hflayers
from hopfield.compat.hflayers.checkpoint import load_hflayers
from hopfield.nn.multihead import MultiheadAttention

__all__ = ["MultiheadAttention", "hflayers", "load_hflayers"]
