"""The errors and warnings of this library; every one of its own derives from `HopfieldError`."""


class HopfieldError(Exception):
    """Anything that this library raises on purpose."""


class ArgumentError(HopfieldError, ValueError):
    """An argument has a value that is not allowed."""


class ShapeError(ArgumentError):
    """A tensor has a shape that does not fit the others."""


class DtypeError(HopfieldError, TypeError):
    """A tensor has a dtype, or lies on a device, that does not fit the others."""


class BackendError(ArgumentError):
    """The implementation that was asked for cannot do what was asked; the message says why."""


class NotCoveredError(ArgumentError):
    """A theorem was asked about something that it does not speak of."""


class NotStorableError(ArgumentError):
    """No β can store the wanted share of the patterns."""


class FileError(ArgumentError):
    """A file does not hold what it should; the message says what it holds."""


class MemoryCorrupt(FileError):  # noqa: N818 (the state that it is in, not what was done)
    """A memory on disk is damaged; the message names the file."""


class MemoryLockedError(HopfieldError):
    """Another process, or another object of this one, writes to the memory."""


class ShardError(HopfieldError):
    """A process that holds a share of a memory died, or did not answer in time."""


class MissingExtraError(HopfieldError, ImportError):
    """An optional library is missing; the message names the extra that brings it."""


class ConvergenceWarning(UserWarning):
    """Some states did not reach a fixed point, or the gradient at one is not to be trusted."""


class DataWarning(UserWarning):
    """Some of the data are left out, or look as if they were not what they should be."""
