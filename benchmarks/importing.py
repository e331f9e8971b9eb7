"""What `import hopfield` costs beside `import torch`, each in processes of their own."""

import subprocess
import sys

from benchmarks.harness import Result, race


def run(device: str) -> list[Result]:
    def load(name):
        return lambda: subprocess.run([sys.executable, "-c", f"import {name}"], check=True)

    contenders = {"import torch": load("torch"), "import hopfield": load("hopfield")}
    return race("importing", "", contenders, 11)
