# `make` or `make help` lists the commands. Everything runs in a virtual environment that the first command sets up.

PYTHON ?= python3
VENV ?= $(or $(LATENTLAB_VENV),.venv)
NOTEBOOKS ?= notebooks
# Two at a time with one thread each: small networks gain little from a second thread, and two that train at once with all cores
# wait for each other's threads.
TEST_WORKERS ?= 2
NOTEBOOK_WORKERS ?= 2
CELL_TIMEOUT ?= 300
# A place with CPU-only builds of torch, if you want to save 4 GB: make course TORCH_INDEX=<address>
export TORCH_INDEX

# Quoted, because a path may hold a space.
BIN := "$(if $(filter /%,$(VENV)),$(VENV),$(CURDIR)/$(VENV))/bin"
# The source of this clone comes first, wherever the environment is shared.
export PYTHONPATH := $(CURDIR)/src
export PYDEVD_DISABLE_FILE_VALIDATION := 1

.DEFAULT_GOAL := help
.PHONY: help setup course test lab pages student full execute bench bench-cifar portable times links bars lint lock clean

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup:  ## make or reuse the virtual environment (all other commands do it by themselves)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { \
	  echo "latentlab needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) --version 2>&1 | tail -1)"; \
	  echo "Install a newer one, or name the one you have: make course PYTHON=<path>"; exit 1; }
	@$(PYTHON) .ci/setup_env.py "$(VENV)"

course: setup  ## run every notebook in the quick profile and write the pages to build/
	@$(BIN)/python -m latentlab.publish.runner $(NOTEBOOKS) --out build --profile quick

full: setup  ## the same with the real data (a GPU, or patience), pages to build/full, results to data/reference
	@LATENTLAB_DOWNLOAD=1 $(BIN)/python -m latentlab.publish.runner $(NOTEBOOKS) --out build/full --profile full

execute: setup  ## refresh the outputs stored in the notebooks
	@$(BIN)/python -m latentlab.publish.runner $(NOTEBOOKS) --out build --profile quick --in-place

test: setup  ## unit tests, then strict nbval on all notebooks
	@status=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests -q -n $(TEST_WORKERS) || status=$$?; \
	if ls $(NOTEBOOKS)/*.ipynb >/dev/null 2>&1; then \
	  OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbval $(NOTEBOOKS) --ignore=notebooks/student --nbval-current-env --nbval-cell-timeout=$(CELL_TIMEOUT) \
	    --nbval-sanitize-with tests/nbval_sanitize.cfg -q -n $(NOTEBOOK_WORKERS) --dist loadfile -p no:cacheprovider || status=$$?; \
	else \
	  echo "No notebook in $(NOTEBOOKS)/ yet: nothing for nbval to do."; \
	fi; \
	exit $$status

pages: setup  ## write the pages from the outputs stored in the notebooks, without running them
	@$(BIN)/python -m latentlab.publish.runner $(NOTEBOOKS) --out build --stored

student: setup  ## make the student versions: notebooks/student (REPOSITORY=owner/name adds Colab badges)
	@$(BIN)/python -m latentlab.publish.student notebooks --out notebooks/student --repository "$(REPOSITORY)"

lab: setup  ## open the notebooks in JupyterLab
	@$(BIN)/python -m jupyter lab $(NOTEBOOKS)

bench: setup  ## benchmarks, with other libraries side by side
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock --no-build-isolation -e '.[bench]'
	@$(BIN)/python -m pytest benchmarks -q -s

bench-cifar: setup  ## minutes against accuracy on CIFAR-10, what no learning reaches, AdamW against Muon
	@$(BIN)/python benchmarks/time_to_accuracy.py --download
	@$(BIN)/python benchmarks/patch_yardstick.py --download
	@$(BIN)/python benchmarks/optimisers.py --download

portable: setup  ## strict nbval in regimes of threads and instructions: does every cell say the same everywhere?
	@$(BIN)/python benchmarks/portable.py $(NOTEBOOKS)

times: setup  ## seconds per notebook and per slow cell, against the budget of two ordinary cores
	@$(BIN)/python benchmarks/times.py

links: setup  ## list the external links in docs/links.csv (LOOK=--look asks for each and notes the day)
	@$(BIN)/python benchmarks/links.py $(LOOK)

bars: setup  ## list the bars of the claims in docs/bars.md: property, threshold, reason, who uses it
	@$(BIN)/python tests/ledger_bars.py

lint: setup  ## ruff for code and notebooks
	@$(BIN)/python -m ruff check .

lock: setup  ## complete requirements.lock from pyproject.toml (newer versions: make lock LOCK_OPTIONS=--upgrade)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" \
	  --extra lab --extra test $(LOCK_OPTIONS) pyproject.toml -o requirements.lock

clean:  ## remove build/ and the environment's stamp (the next command checks the environment again)
	@rm -rf build .pytest_cache .ruff_cache .benchmarks src/*.egg-info
	@rm -f $(BIN)/../.stamp-*
