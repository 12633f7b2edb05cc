# Two commands matter: `make up` starts everything, `make test` checks it (`make test-all` at greater length). Both set up
# .venv on their own.
PYTHON ?= $(shell for p in python3 python3.11 python3.12; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
STAMP := .venv/.installed
# One worker more than there are cores: for a sixth of their time tests wait for processes they started.
PYTEST_ARGS ?= -n $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)') --dist worksteal

# Starting Python without compiled byte code is two to three times slower, and every run starts a Python.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: up test test-all lint install clean

up: $(STAMP)
	@$(BIN)/orderpipe up

test: lint
	$(BIN)/pytest $(PYTEST_ARGS) -m "not long"

test-all: lint
	$(BIN)/pytest $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed; name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --compile --editable '.[dev]' --constraint constraints.txt
	$(BIN)/python -m compileall -q orderpipe assets sensors definitions.py
	@touch $@

# The state under .orderpipe (the lake!) is not touched.
clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
