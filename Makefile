# `make run` and `make test` are all that a newcomer needs; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
EXPERIMENT_ARGS ?=
PYTEST_ARGS ?=

.PHONY: run test test-long lint format docs clean

run: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" snakemake $(EXPERIMENT_ARGS)

test: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest $(PYTEST_ARGS)

# whole workflows again and again: half an hour
test-long: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest -m long $(PYTEST_ARGS)

lint: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH"; \
	ruff check . && ruff format --check . && mypy && snakefmt --check Snakefile workflow/Snakefile rules && snakemake --lint

format: $(INSTALLED)
	@PATH="$(CURDIR)/$(BIN):$$PATH"; ruff check --fix . ; ruff format . ; snakefmt Snakefile workflow/Snakefile rules

# what is generated from the schema, the declarations of the steps and the commands' parsers; then the site
docs: $(INSTALLED)
	@$(BIN)/python -m nas_steps.config.json_schema > config.schema.yaml.new && mv config.schema.yaml.new workflow/schemas/config.schema.yaml
	@set -e; for page in config.docs:configuration workflow.docs:results workflow.command_lines:command_line; do \
	$(BIN)/python -m nas_steps.$${page%:*} > docs/reference/$${page#*:}.md.new; \
	mv docs/reference/$${page#*:}.md.new docs/reference/$${page#*:}.md; \
	done
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("nas-steps needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; name another one: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info
