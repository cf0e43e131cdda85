# Needs Python 3.11 or newer and make, nothing else. `make demo` and `make test` are all that a fresh machine wants.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := cdp identity pipelines api

.PHONY: demo test long fast check bench docs lock clean

demo: $(VENV)/.installed
	$(BIN)/cdp demo

test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -m 'not long' -n auto --dist loadfile --no-loadscope-reorder --durations=20 --durations-min=5

# The rest of the tests: servers that are killed, other people's SDKs and browsers, whole populations.
long: $(VENV)/.dev-installed
	$(BIN)/python -m pytest -m long -n auto --dist loadfile --no-loadscope-reorder --durations=20 --durations-min=5

# On every save: neither end to end, nor what is marked slow, nor PostgreSQL.
fast: $(VENV)/.dev-installed
	$(BIN)/python -m pytest --fast -n auto --dist worksteal -p no:schemathesis

check: $(VENV)/.dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.audit

# make bench            every benchmark
# make bench NAME=run   one of them
bench: $(VENV)/.dev-installed
	$(BIN)/python -m tests.benchmarks $(NAME)

# The reference page of the tables, from their contracts.
docs: $(VENV)/.installed
	$(BIN)/python -c 'from cdp.tables import reference_page; print(reference_page(), end="")' > cdp/tables/reference.md

# Exact versions for all supported Pythons; needs uv.
lock:
	uv pip compile --universal --python-version 3.11 --no-emit-index-url --extra dev pyproject.toml \
		--custom-compile-command "make lock" -o requirements.lock

clean:
	rm -rf $(VENV) var

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e .
	@touch $@

$(VENV)/.dev-installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@
