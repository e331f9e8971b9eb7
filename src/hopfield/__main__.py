"""`python -m hopfield` is the command line."""

import sys

from hopfield.cli import main

sys.exit(main())
