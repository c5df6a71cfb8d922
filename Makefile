# Every target is one line that calls the program; `make setup` is instant when nothing changed.
VENV ?= .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
SUITE ?= quick
RUN ?= results/runs/$(SUITE)

.PHONY: setup bench curve shift ledger smoke test test-extras faults check table format check-long readme baseline regress power peers gpu-check test-browser report

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): installing pinned packages (about 1 GB, a few minutes the first time)"
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt --editable ".[dev,peft,peers,ray,tensorboard,mlflow-server,report,browser]"
	@touch $@

bench: $(READY)
	$(PY) -m bench run $(SUITE)

curve shift: $(READY)
	$(PY) -m bench run $@ && $(PY) -m bench table $@ --kind $@

ledger: $(READY)
	$(PY) -m bench.profiling.step_ledger --out $(RUN)/ledger.json

smoke: $(READY)
	$(PY) -m bench run smoke

test: $(READY)
	$(PY) -m pytest -n auto --dist loadfile

test-browser: $(READY)
	$(PY) -m pytest -m browser tests/report

test-extras: $(READY)
	$(PY) -m pytest -m "ray or mlflow or compiler"

faults: $(READY)
	TRANSFERBENCH_FAULTS=50 $(PY) -m pytest tests/faults tests/runs/test_folder.py tests/executors/test_launch.py

check: $(READY)
	$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m pyright

check-long: check test power

table: $(READY)
	$(PY) -m bench table $(RUN)

report: $(READY)
	$(PY) -m bench report $(RUN)

readme: $(READY)
	$(PY) -m bench table $(RUN) --into README.md

baseline: $(READY)
	$(PY) -m bench baseline $(RUN)

regress: $(READY) results/baselines/$(SUITE).jsonl
	($(PY) -m bench run $(SUITE) --fresh --out results/runs/regress-$(SUITE) || [ $$? -eq 1 ]) && $(PY) -m bench compare results/baselines/$(SUITE).jsonl results/runs/regress-$(SUITE)

peers: $(READY)
	$(PY) -m bench peers --into README.md

gpu-check: $(READY)
	$(PY) -m bench.gpu.command

results/baselines/%.jsonl:
	@echo "$@ does not exist: run the suite, then make a baseline: make bench baseline SUITE=$*" >&2; exit 2

power: $(READY)
	$(PY) -m bench.analysis.regression.power $(RUN)

format: $(READY)
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .
