# The commands of this repository. Each makes .venv by itself; a second call installs nothing.
# Written for GNU make 3.81 and BSD tools, which is what macOS ships.

# The first interpreter that fits; `make PYTHON=/path/to/python demo` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# uv's own lines of constraints.txt: pip installs it from them, and uv the rest, several times faster.
UV_PIN := sed -n '/^uv==/,/[^\]$$/p' constraints.txt
HASHED := --require-hashes --requirement constraints.txt
PROJECT := --no-deps --no-build-isolation --editable .

# Bytecode is written as it is first used, which takes a sixth of compiling every library beforehand.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test chaos lint format fuzz bench warm reference constraints clean

help: ## Show this list.
	@sed -n 's/^\([a-z][a-z]*\):.*## \(.*\)/  make \1  \2/p' Makefile | awk '{n=$$2; $$1=$$2=""; printf "  make %-12s%s\n", n, $$0}'

demo: warm ## Watch fraud being caught on a real Kafka and Valkey (SECONDS=20 ends it by itself).
	@$(BIN)/sentinel demo $(if $(SECONDS),--seconds $(SECONDS))

test: warm ## Run every test, in memory and on the local stack.
	@$(BIN)/python -m pytest

chaos: warm ## Kill, starve and send back in time whatever can be, and compare with what must be.
	@CHAOS=full $(BIN)/python -m pytest tests/chaos

lint: $(INSTALLED) ## Check style, types, layers and dependencies.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(INSTALLED) ## Rewrite the code in the project's style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: warm ## Put ten million mutated records through both readers and the engine (N=100000 for fewer).
	@$(BIN)/python -m tests.poison.fuzz $(N)

bench: warm ## Measure everything on this machine, for some ten minutes (RECORDS=100000 for less).
	@$(BIN)/sentinel bench all $(if $(RECORDS),--records $(RECORDS))

warm: $(INSTALLED)
	@$(BIN)/python -m sentinel_cli.engine

reference: $(INSTALLED) ## Write docs/reference anew from the code.
	@$(BIN)/python docs/reference/generate.py

constraints: $(INSTALLED) ## Resolve constraints.txt anew from pyproject.toml.
	$(BIN)/uv pip compile pyproject.toml --extra avro --extra local --group dev --universal --python-version 3.11 \
		--only-binary :all: --generate-hashes --no-annotate --no-header --quiet --upgrade --output-file constraints.txt

clean: ## Remove .venv and what tools left behind; the local stack's data stays.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build

# uv does not read pip's index settings, so where some are set, or where uv fails, pip does it all.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Stream-Sentinel needs Python 3.11 to 3.14, and none is on PATH: install one, or name it with make PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { echo "Stream-Sentinel needs Python 3.11 to 3.14, which $(PYTHON) is not: name another with make PYTHON=/path/to/python." >&2; exit 1; }
	@echo "Installing into $(VENV): some 200 MB of wheels the first time." >&2
	@$(PYTHON) -m venv $(VENV)
	@if $(BIN)/python -m pip config list | grep -q index-url || ! $(UV_PIN) | $(BIN)/python -m pip install --quiet --require-hashes --requirement /dev/stdin \
		|| ! $(BIN)/uv pip install --python $(BIN)/python $(HASHED); \
	then $(BIN)/python -m pip install --no-compile $(HASHED); fi
	@$(BIN)/python -m pip install --quiet $(PROJECT)
	@$(BIN)/sentinel --help > /dev/null
	@touch $@
