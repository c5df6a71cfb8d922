# Every target is one line that calls the program; `make setup` is instant when nothing changed.
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SUITE ?= quick
RUN ?= results/runs/$(SUITE)

.PHONY: setup bench smoke test faults check table format check-long readme baseline regress power

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): installing pinned packages (about 1 GB, a few minutes the first time)"
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[dev,peft]"
	@touch $@

bench: $(READY)
	$(PY) -m bench run $(SUITE)

smoke: $(READY)
	$(PY) -m bench run smoke

test: $(READY)
	$(PY) -m pytest -n auto --dist loadfile

faults: $(READY)
	TRANSFERBENCH_FAULTS=50 $(PY) -m pytest tests/faults tests/test_store.py tests/test_launch.py

check: $(READY)
	$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m pyright

check-long: check test power

table: $(READY)
	$(PY) -m bench table $(RUN)

readme: $(READY)
	$(PY) -m bench table $(RUN) --into README.md

baseline: $(READY)
	$(PY) -m bench baseline $(RUN)

regress: $(READY) results/baselines/$(SUITE).jsonl
	($(PY) -m bench run $(SUITE) --fresh --out results/runs/regress-$(SUITE) || [ $$? -eq 1 ]) && $(PY) -m bench compare results/baselines/$(SUITE).jsonl results/runs/regress-$(SUITE)

power: $(READY)
	$(PY) -m bench.analysis.power $(RUN)

format: $(READY)
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .
