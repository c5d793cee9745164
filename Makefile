# Two commands do everything on a machine that has Python and make: `make demo` and `make test`.
# `make docs` builds the documentation.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint types docs reproduce dist check-dist clean

# Once, and again when the versions change: an environment with all that any command needs.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -m venv "$(VENV)"
	@echo "Installing the packages of constraints.txt into $(VENV) (once, a few minutes) ..."
	@$(INSTALL) --editable ".[dev]"
	@touch "$@"

demo: $(VENV)/installed
	$(BIN)/biot demo --out demo

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The types as later versions of Python see them; lint looks at the lowest.
types: $(VENV)/installed
	$(BIN)/mypy --python-version 3.12
	$(BIN)/mypy --python-version 3.13

# Two processes with one thread each: small models do not profit from more.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses 2 --dist worksteal --cov=biot --cov-report=
	@$(BIN)/python tests/coverage_by_room.py

# The site, into site/: every warning is an error. Examples run again only where they have changed.
docs: $(VENV)/installed
	@rm -rf docs/reference # pages of names that are gone
	OMP_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs site
	@echo "The site: site/index.html"

# make reproduce SET=eegmat [TEST=held_out.npz] [OPTIONS="--only ours ridge"]
reproduce: $(VENV)/installed
	$(BIN)/python -m benchmarks.reproduce $(or $(SET),list) $(if $(TEST),--test "$(TEST)") $(OPTIONS)

# The wheel and the source archive, built twice to the same bits; check-dist also installs the wheel
# into empty environments (some minutes, and 3 GB for as long as it takes).
dist: $(VENV)/installed
	$(BIN)/python tests/check_distribution.py --out dist

check-dist: $(VENV)/installed
	$(BIN)/python tests/check_distribution.py --out dist --install --all

clean:
	rm -rf "$(VENV)" demo dist build site docs/gallery docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
