"""The package as others get it: built, installed where nothing else is, imported."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hopfield

ROOT = Path(__file__).parent.parent


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_wheel_imports_in_an_empty_environment(tmp_path):
    """Nothing but the base dependencies: no extra, no tool of the tests."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    pinned = ["-c", str(ROOT / "constraints.txt")]
    run(*pip, "wheel", *pinned, "--no-deps", "-w", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("hopfield-*.whl")
    empty = tmp_path / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", str(empty))
    python = empty / "bin" / "python"
    run(*pip, f"--python={python}", "install", *pinned, str(wheel))
    code = (
        "import hopfield, torch, pathlib, sys\n"
        "torch.manual_seed(0)\n"
        "X = torch.nn.functional.normalize(torch.randn(100, 8), dim=-1)\n"
        "r = hopfield.retrieve(X[:3], X, beta=32.0, steps=50, tol=1e-5, energy=True)\n"
        "assert r.converged.all()\n"
        "home = pathlib.Path(hopfield.__file__).parent\n"
        "assert (home / 'py.typed').exists() and (home / 'report.html').exists()\n"
        "print(home, sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    out = run(str(python), "-W", "error", "-c", code, cwd=tmp_path)
    assert str(empty) in out
    for absent in ("matplotlib", "sklearn", "numba", "beartype", "pytest"):
        assert f"'{absent}'" not in out
    demo = subprocess.run(
        [str(empty / "bin" / "hopfield"), "demo"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert demo.returncode == 1
    assert "pip install 'hopfield[plot,learn]'" in demo.stderr
    shutil.rmtree(empty)


def test_import_loads_nothing_that_is_not_needed():
    code = "import sys, hopfield; print(*sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = set(run(sys.executable, "-c", code).split())
    assert not loaded & {"matplotlib", "sklearn", "numba", "scipy", "transformers"}


def public():
    for name in hopfield.__all__:
        thing = getattr(hopfield, name)
        yield name, thing
        if inspect.ismodule(thing):
            yield from ((f"{name}.{inner}", getattr(thing, inner)) for inner in thing.__all__)


def test_public_names_are_listed_and_documented():
    assert hopfield.__all__ == sorted(hopfield.__all__)
    for name, thing in public():
        assert inspect.getdoc(thing), name
        if inspect.isfunction(thing):
            assert "Args:" in thing.__doc__ or not inspect.signature(thing).parameters, name


def test_warnings_point_at_the_caller(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "import torch, hopfield\n"
        "X = torch.randn(9, 4)\n"
        "hopfield.retrieve(X + 1, X, steps=2, tol=1e-9)\n"
    )
    out = run(sys.executable, str(script))
    assert "mine.py:3: ConvergenceWarning: 9 of 9 states did not converge in 2 updates" in out


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_large_or_stray_files_are_tracked():
    tracked = run("git", "-C", str(ROOT), "ls-files", "-z", env=os.environ).split("\0")
    for name in filter(None, tracked):
        assert (ROOT / name).stat().st_size < 1_000_000, name
