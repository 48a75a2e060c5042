# Two commands do everything: `make demo` and `make test`.

PORT ?= 8000
LATENT_STORE ?= store
PYTHON ?= python3
PROCESSES ?= auto
VENV := .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install demo test test-lowest check format fuzz bench soak screenshots clean

help:  ## What there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

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

# Verbs, body formats, limits and errors over HTTP, and the command line. TensorFlow is large and stays out, so .venv
# exports the models.
LOWEST_TESTS := $(addprefix tests/service/, test_bad_requests.py test_headers.py test_limits.py test_settings.py \
    $(addprefix test_verbs_, encode.py decode.py reconstruct.py interpolate.py manifold.py) \
    connections/test_protocol.py observability/test_logs.py server/test_listening.py \
    $(addprefix routes/test_, openapi.py pages.py) \
    $(addprefix wire/test_, caching.py forms.py json_body.py negotiation.py npy_body.py pictures.py problems.py)) \
  tests/contracts/test_error_shape.py tests/hostile/test_vectors.py tests/latent/test_verbs.py

test-lowest: $(LOWEST)/.installed  ## A quick part of it over the lowest versions that pyproject.toml allows
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT INT TERM && export TMPDIR="$$scratch" && \
	  TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m tests.support.affine "$$scratch/store" && \
	  AFFINE_STORE="$$scratch/store" $(LOWEST)/bin/python -m pytest -k 'not tensorflow and not both_engines' \
	    --numprocesses $(PROCESSES) --maxprocesses 4 --dist loadfile $(LOWEST_TESTS)

# Direct dependencies of the service at their lowest. All else (their own dependencies, the tests' tools) is as in
# constraints.txt where that fits: uv prefers the versions that its output file has already. uv does not read pip's
# configuration, so it is given pip's index, if one is set, and the system's certificates.
$(LOWEST)/.installed: $(VENV)/.installed
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	@sed -n '/^dependencies = \[/,/^]/s/^ *"\([a-z0-9-]*\).*/^\1==/p' pyproject.toml | sed 's/-/[-_]/g' >$(LOWEST)/direct
	@grep -vif $(LOWEST)/direct constraints.txt >$(LOWEST)/requirements.txt
	@index=$${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null)}}; \
	  export UV_DEFAULT_INDEX="$$index" UV_SYSTEM_CERTS=true && \
	  grep -iE '^(pytest|pytest-[a-z]+|hypothesis|openapi-spec-validator|psutil|pyyaml)==' constraints.txt | \
	    $(BIN)/uv pip compile --quiet --python $(BIN)/python --resolution lowest-direct \
	      --output-file $(LOWEST)/requirements.txt pyproject.toml - && \
	  $(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps \
	    --requirements $(LOWEST)/requirements.txt --editable .
	@touch $@

check: install  ## Format, lint, types, import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fuzz: install  ## Random requests, sound and broken, beside stock uvicorn (MINUTES=10; SEED=n repeats a run)
	$(BIN)/python -m tests.hostile.fuzz --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

bench: install  ## Speed beside a naive service, an empty route and the bare engine (QUICK=1: one minute; ONLY=part)
	$(BIN)/python -m benchmarks.serving $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) \
	  $(if $(SERVER_CPUS),--server-cpus $(SERVER_CPUS)) $(if $(DRIVER_CPUS),--driver-cpus $(DRIVER_CPUS))

soak: install  ## A real service under everything at once, held to bounds (MINUTES=20, WORKERS=2, SEED=1, MAX_GAP_S=2)
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT INT TERM && \
	  TMPDIR="$$scratch" $(BIN)/python -m tests.soak --minutes $(or $(MINUTES),20) --workers $(or $(WORKERS),2) \
	    --seed $(or $(SEED),1) $(if $(MAX_GAP_S),--max-gap-s $(MAX_GAP_S))

screenshots: install  ## The explorer's pictures for the README, of the store's mnist-vae (make demo trains it)
	$(BIN)/python -m benchmarks.screenshots --store '$(LATENT_STORE)'

format: install  ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:  ## Remove what was installed and built; models in the store stay
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache \
	  .hypothesis .bench
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
