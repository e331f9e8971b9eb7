"""Store patterns in a folder that outlives the program, and retrieve from it.

Exit status: 0 done; 1 it could not be done; 2 wrong usage; 3 the memory is damaged; 4 another
process writes to it; 130 stopped. With --json one object is printed, also of what went wrong; its
"error" is then the name of a class of hopfield.errors, or of the system.
"""

from hopfield.cli.memory.main import COMMANDS

__all__ = ["COMMANDS"]
