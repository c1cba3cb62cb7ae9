# `make demo` and `make test` need only Python >= 3.11 with venv; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo demo-experiments demo-lourenco demo-trombetas ui test test-slow lint bench reliability sbom scan clean install

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

# `make demo CLUSTER=1` works on parts with two worker processes of Dask on loopback, and makes the same digests.
CLUSTER ?=

demo: $(STAMP)
	$(BIN)/mining-platform demo $(if $(CLUSTER),--cluster 2)

# Every experiment on simulated data as a small trial, and their summary; `mining-platform demo experiments --full` for full ones.
demo-experiments: $(STAMP)
	$(BIN)/mining-platform demo experiments

# The same line on the real MapBiomas map of Lourenço, where it is at hand (MINING_PLATFORM_REALDATA).
demo-lourenco: $(STAMP)
	$(BIN)/mining-platform demo lourenco

# A real Sentinel-2 scene with people's polygons, where it is at hand (MINING_PLATFORM_REALDATA).
demo-trombetas: $(STAMP)
	$(BIN)/mining-platform demo trombetas

ui: $(STAMP)
	$(BIN)/mining-platform ui

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests run side by side, but for those that measure (`alone`).
WORKERS ?= 2
SIDE_BY_SIDE := -n $(WORKERS) --dist loadscope

test: lint
	$(BIN)/pytest -m "not slow and not alone" $(SIDE_BY_SIDE)
	$(BIN)/pytest -m "not slow and alone"

test-slow: $(STAMP)
	$(BIN)/pytest -m "slow and not alone" $(SIDE_BY_SIDE)
	$(BIN)/pytest -m "slow and alone"

bench: $(STAMP)
	@for name in orchestration medians clouds proportions leakage patches inference packages training planner cluster refresh; do $(BIN)/python -m benchmarks.$$name || exit 1; done

# Kills writers for real and counts what readers get afterwards.
reliability: $(STAMP)
	$(BIN)/python -m benchmarks.reliability

# What is installed, as a CycloneDX bill of materials; and a look for known vulnerabilities, which needs the network.
sbom: $(STAMP)
	$(BIN)/python -m mining_platform.dependencies build/sbom.cdx.json

scan: $(STAMP)
	$(BIN)/python -m mining_platform.dependency_scan constraints.txt build/scan

clean:
	rm -rf $(VENV) .mining_platform .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
