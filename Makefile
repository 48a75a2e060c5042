# Two commands do everything: `make demo` and `make test`.

PORT ?= 8000
LATENT_STORE ?= store
PYTHON ?= python3
PROCESSES ?= auto
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test check format bench screenshots clean

help:  ## What there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

install: $(VENV)/.installed  ## Everything, into .venv

# Made anew whenever what is to be installed has changed.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if (3, 11) <= v[:2] <= (3, 13) else f"Latent needs Python 3.11 to 3.13; $(PYTHON) is {v[0]}.{v[1]}: say make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,parquet,dev]'
	@touch $@

demo: install  ## Train the default model if the store is empty, serve it, print what to try
	@LATENT_STORE='$(LATENT_STORE)' LATENT_PORT='$(PORT)' PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: install  ## The whole test suite, a process a core (PROCESSES=1: one after another)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT INT TERM && \
	  TMPDIR="$$scratch" $(BIN)/python -m pytest --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile

check: install  ## Format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: install  ## Speed beside a naive service, an empty route and the bare engine (QUICK=1: one minute; ONLY=part)
	$(BIN)/python -m benchmarks.serving $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(SERVER_CPUS),--server-cpus $(SERVER_CPUS)) $(if $(DRIVER_CPUS),--driver-cpus $(DRIVER_CPUS))

screenshots: install  ## The explorer's pictures for the README, of the store's mnist-vae (make demo trains it)
	$(BIN)/python -m benchmarks.screenshots --store '$(LATENT_STORE)'

format: install  ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what was installed and built; models in the store stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .bench
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
