# make demo, make test: on Linux, macOS, or Windows with GNU make and a POSIX shell.

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
# No character of the prompt has a meaning for make.
override PROMPT := $(value PROMPT)
export PROMPT

BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO := runs/demo
COURSE := course/notebooks
SECONDS := 600
WORKERS := auto
LESSONS := $(sort $(wildcard course/[0-9][0-9]-*.md))
# A file of tests stays in one process, which makes its shared data and models once. The first
# files, in the order of their names, take longest.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo course docs check test soak fuzz clean lint types tests changed

help:
	@echo 'make demo    train a small model on easy built-in stories (3 minutes), write three stories'
	@echo '             make demo PROMPT="Mia was a shy girl": one of them begins with your words'
	@echo 'make course  write the lessons of the course as notebooks, and print how to open them'
	@echo 'make check   run ruff, mypy, import-linter, and the quick unit tests of what has changed (a minute)'
	@echo 'make test    run every check: ruff, mypy, import-linter, and all tests (5 to 8 minutes)'
	@echo 'make soak    run the long form of the fault tests (kills, power cuts, damage), with counts'
	@echo 'make fuzz    fuzz the readers of every file format for SECONDS=$(SECONDS)'
	@echo 'make docs    build the documentation as a site, for build/site/index.html; it runs new lessons first'
	@echo 'make clean   remove the caches and the model of the demo'
	@echo
	@echo 'Variables: PYTHON ($(PYTHON)), VENV ($(VENV)), TORCH ($(TORCH)): what pip installs first,'
	@echo '           with options of pip if you like, such as an index of CPU or CUDA builds;'
	@echo '           WORKERS ($(WORKERS)): how many processes run the tests, one for each core or a number'

demo: $(DEMO)/.trained
	@printf '%s\n' 'Once upon a time' 'This is the story of a girl named' "$${PROMPT:-Ben was a curious boy}" \
	  | $(BIN)/python -m slm generate --checkpoint $(DEMO) --temperature 0.5 --file -
	@echo
	@echo 'The loss plot is $(DEMO)/losses.png. More stories: make demo PROMPT="Mia was a shy girl"'

$(DEMO)/.trained: | $(VENV)/.ready
	$(BIN)/python -m slm train --out $(DEMO) \
	  $(if $(wildcard $(DEMO)/config.json),--resume,--minutes 3 --source builtin:easy)
	@touch $@

course: $(VENV)/.ready-course
	@$(BIN)/python -m course $(COURSE)

# mypy has one thread; meanwhile the tests keep the other cores busy.
test: lint
	+@$(MAKE) --no-print-directory -j2 types tests

check: lint
	+@$(MAKE) --no-print-directory -j2 types changed

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.ready-dev
	$(BIN)/mypy

tests: $(VENV)/.ready-dev
	$(PYTEST)

changed: $(VENV)/.ready-dev
	$(PYTEST) -m 'not slow' $$($(BIN)/python -m tests.changed)

soak: $(VENV)/.ready-dev
	SLM_SOAK=1 $(BIN)/python -m pytest -s tests/faults

fuzz: $(VENV)/.ready-dev
	$(BIN)/python -m tests.faults.fuzz --seconds $(SECONDS) --jobs 2 $(if $(SEED),--seed $(SEED))

docs: $(VENV)/.ready-docs $(LESSONS:%=build/%)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo 'open build/site/index.html'

# A lesson with its outputs; a build of it takes as long as the lesson.
build/course/%.md: course/%.md | $(VENV)/.ready-docs $(VENV)/.ready-course
	$(BIN)/python -m course --pages build/course --only $(firstword $(subst -, ,$*))

# PyTorch comes first and alone: what follows finds it installed and does not choose another build.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 ...' >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo 'installing into $(VENV); the first time this takes some minutes'
	$(PIP) $(TORCH)
	$(PIP) -e '.[serve]'
	@touch $@

$(VENV)/.ready-course: $(VENV)/.ready
	$(PIP) -e '.[course]'
	@touch $@

$(VENV)/.ready-docs: $(VENV)/.ready
	$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(DEMO) build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find slm storyworld course tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
