"""The names, arguments, masks and state dicts of hflayers, on the layers of this library."""

from hopfield.compat.hflayers import transformer
from hopfield.compat.hflayers.association import Hopfield
from hopfield.compat.hflayers.lookup import HopfieldLayer
from hopfield.compat.hflayers.modern import modern
from hopfield.compat.hflayers.pooling import HopfieldPooling

__all__ = ["Hopfield", "HopfieldLayer", "HopfieldPooling", "modern", "transformer"]
