# One list of commands; each does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
READERS := .venv-readers
BIN := $(VENV)/bin
DISPLAYED := xvfb-run -a -s "-screen 0 1600x1200x24"
DEMO := demo-output
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Threads that wait leave their core to others; on a busy machine training is several times faster for it.
export OMP_WAIT_POLICY := passive

.PHONY: help demo test readers lint types imports bench wheel clean

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

# -- set-up ---------------------------------------------------------------------------------------

$(VENV)/python.done:
	@scripts/system_packages.sh python
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

# The exact torch release comes first: an open-ended torch would bring gigabytes of CUDA along.
$(VENV)/package.done: $(VENV)/python.done pyproject.toml
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(BIN)/python -m pip install --quiet --editable . 'napari[pyqt6]'
	touch $@

$(VENV)/test.done: $(VENV)/package.done
	@scripts/system_packages.sh display
	$(BIN)/python -m pip install --quiet --group test
	touch $@

# ome-zarr-py and anndata hold pydantic and pandas back: they lie in an environment of their own, which finds all
# else in ours.
$(READERS)/readers.done: $(VENV)/test.done
	$(PYTHON) -m venv $(READERS)
	$(READERS)/bin/python -m pip install --quiet --upgrade pip
	$(READERS)/bin/python -m pip install --quiet --group readers
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$($(READERS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_package.pth
	touch $@

$(VENV)/lint.done: $(VENV)/package.done
	$(BIN)/python -m pip install --quiet --group lint
	touch $@

# -- commands -------------------------------------------------------------------------------------

demo: $(VENV)/package.done  ## cluster the real tissue (offline: a synthetic one), write report and pictures
	@scripts/system_packages.sh display
	@scripts/demo.sh $(BIN) $(DEMO)

test: $(VENV)/test.done  ## run all tests
	$(DISPLAYED) $(BIN)/python -m pytest

readers: $(READERS)/readers.done  ## test written files with readers that want older packages than ours
	$(READERS)/bin/python -W ignore -m pytest -W ignore \
		tests/results/test_ome_zarr.py tests/results/test_anndata_export.py tests/test_cli_export.py

lint: $(VENV)/lint.done  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/lint.done  ## check types
	$(BIN)/mypy

imports: $(VENV)/lint.done  ## check that no layer imports what stands above it
	$(BIN)/lint-imports

bench: $(VENV)/test.done  ## measure quality and speed on the shared data (long)
	$(BIN)/python benchmarks/reading.py
	$(DISPLAYED) $(BIN)/python benchmarks/opening.py
	$(BIN)/python benchmarks/mutations.py
	$(BIN)/python benchmarks/alignment.py
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/quality.py --presets paper --only uterus13
	$(BIN)/python benchmarks/cluster_count.py
	$(BIN)/python benchmarks/ablation.py
	$(BIN)/python benchmarks/ablation.py --rows start,default --clusters auto,13,20 \
		--only uterus13,sibling,low-counts,large-noisy,artefacts
	$(BIN)/python benchmarks/ablation.py --rows start,default --clusters auto,8,10 --only msight
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/cohort_gains.py
	$(BIN)/python benchmarks/cohort.py
	$(BIN)/python benchmarks/training.py
	$(DISPLAYED) $(BIN)/python benchmarks/responsiveness.py
	$(BIN)/python benchmarks/registration.py
	$(BIN)/python benchmarks/autosave.py
	$(BIN)/python benchmarks/formats.py

wheel: $(VENV)/lint.done  ## build a wheel into dist/
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove what the commands made
	rm -rf $(VENV) $(READERS) $(DEMO) dist build .pytest_cache .mypy_cache .ruff_cache
