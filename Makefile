# Everything happens in .venv; nothing else on the machine is changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The plugins that are distributions of their own are tested in a venv over the first one, so that the other
# tests never see them installed.
PLUGINS := $(sort $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml)))
PLUGIN_VENV := $(VENV)/plugins

help:
	@echo "make quickstart    install imgfw into $(VENV) and train examples/digits.json"
	@echo "make test          every check and every test"
	@echo "make test-plugins  every test of the distributions in plugins/"
	@echo "make bench         the benchmarks; they measure, and never judge"
	@echo "make reliability   19,000 disturbances, none of which may cost a run or a bit; a quarter of an hour"
	@echo "make docs          write the generated pages again"
	@echo "make clean         remove $(VENV) and what tools left behind"
	@echo
	@echo "PYTHON=python3.12 names another Python, 3.11 or newer, to make $(VENV) with."

quickstart: $(VENV)/.installed
	$(BIN)/imgfw run examples/digits.json

test: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8

test-plugins: $(addprefix test-,$(PLUGINS))

$(addprefix test-,$(PLUGINS)): test-%: $(PLUGIN_VENV)/.installed
	OMP_NUM_THREADS=1 $(PLUGIN_VENV)/bin/python -m pytest $*/tests

bench: $(VENV)/.installed-bench
	$(BIN)/python tests/benchmarks/run.py

reliability: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.reliability.run

docs: $(VENV)/.installed
	$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
	find core plugins tests docs examples -name __pycache__ -type d -prune -exec rm -rf {} +

# A file in .venv for each set of packages, so that a second call installs nothing.
$(VENV)/.installed: EXTRAS :=
$(VENV)/.installed-test: EXTRAS := [test]
$(VENV)/.installed-bench: EXTRAS := [bench]
$(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-bench: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --disable-pip-version-check -e ".$(EXTRAS)"
	@touch $(VENV)/.installed $@

# Its .pth file makes this venv see what is in the first one, editable installs included.
$(PLUGIN_VENV)/.installed: $(VENV)/.installed-test $(PLUGINS:=/pyproject.toml)
	$(BIN)/python -m venv $(PLUGIN_VENV)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
	  > "$$($(PLUGIN_VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/first_venv.pth"
	$(PLUGIN_VENV)/bin/python -m pip install --disable-pip-version-check $(foreach plugin,$(PLUGINS),-e "$(plugin)[test]")
	@touch $@

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "imgfw needs Python 3.11 or newer. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make a venv with pip. On Debian: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

.PHONY: help quickstart test test-plugins $(addprefix test-,$(PLUGINS)) bench reliability docs clean
