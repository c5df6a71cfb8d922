# Every target calls the program. What it needs is installed into $(VENV) first: at one of the levels below, once, and
# again only when pyproject.toml or constraints.txt changes.
PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
SUITE ?= quick
RUN ?= results/runs/$(SUITE)
DEVICE ?= cuda
LIMIT ?= 150
MUTANTS ?= 100
SEED ?= 0
.NOTPARALLEL:

# --------------------------------------------------------------------------------------------------
# Setting up. A level is the core and the extras that it names; `test` includes all but `docs`, `qlora` and `wandb`.

EXTRAS_report := report
EXTRAS_peers := peers
EXTRAS_docs := docs
EXTRAS_test := dev,peers,ray,tensorboard,mlflow-server,onnx,report,browser
SIZE_run := 66 packages, 1.8 GB
SIZE_report := 74 packages, 2.0 GB
SIZE_peers := 69 packages, 1.8 GB
SIZE_docs := 94 packages, 1.9 GB
SIZE_test := 153 packages, 2.8 GB
READY = $(VENV)/.ready-

.PHONY: setup setup-report setup-peers setup-docs setup-test
setup: $(READY)run
setup-report: $(READY)report
setup-peers: $(READY)peers
setup-docs: $(READY)docs
setup-test: $(READY)test

$(READY)%: pyproject.toml constraints.txt | $(PY)
	@echo "setup: installing into $(VENV) what '$*' needs: $(SIZE_$*) with torch for CPUs"
	@echo "setup: this takes 2 to 10 minutes the first time, depending on your connection, and pip prints nothing meanwhile"
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt \
	--editable ".$(addprefix [,$(addsuffix ],$(EXTRAS_$*)))"
	@$(PY) -m compileall -qq -j 0 $(VENV)/lib || true  # on all cores; pip uses one. Some packages hold files of Python 2
	@touch $(READY)run $@ $(if $(filter test,$*),$(READY)report $(READY)peers)
	@echo "setup: done"

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "transferbench needs Python 3.11 or newer; name yours: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@echo "setup: creating $(VENV) (a few seconds)"
	@$(PYTHON) -m venv $(VENV) || { rm -f $(PY); exit 2; }

# --------------------------------------------------------------------------------------------------
# Running and reading

TAKES_smoke := : four tasks on tiny slices, a few minutes on 2 cores
TAKES_gate := : 9 to 15 minutes on 2 cores in fp32
TAKES_quick := : 8 minutes on 2 cores with AMX, 19 in fp32, after downloading 650 MB of data and weights the first time

.PHONY: bench smoke curve shift ledger table readme report
bench: $(READY)run
	@echo "bench: running suite $(SUITE)$(TAKES_$(SUITE))"
	$(PY) -m bench run $(SUITE)

smoke: $(READY)run
	$(MAKE) bench SUITE=smoke

curve shift: $(READY)run
	$(PY) -m bench run $@ && $(PY) -m bench table $@ --kind $@

ledger: $(READY)run
	$(PY) -m bench profile --format md --out $(RUN)/ledger.json

table: $(READY)run
	$(PY) -m bench table $(RUN)

# The front page shows the suite that ranks.
readme: $(READY)run
	$(PY) -m bench table results/baselines/reference.jsonl --rows strategy,backbone \
		--columns headline,relative,trainable --no-notes --into README.md

report: $(READY)report
	$(PY) -m bench report $(RUN)

# --------------------------------------------------------------------------------------------------
# Comparing

.PHONY: baseline regress power peers
baseline: $(READY)run
	$(PY) -m bench baseline $(RUN)

# The gate has a suite of its own, unless SUITE is given.
GATED = $(if $(filter file,$(origin SUITE)),gate,$(SUITE))

regress: $(READY)run results/baselines/$(GATED).jsonl
	($(PY) -m bench run $(GATED) --fresh --out results/runs/regress-$(GATED) || [ $$? -eq 1 ]) && $(PY) -m bench compare results/baselines/$(GATED).jsonl results/runs/regress-$(GATED)

results/baselines/%.jsonl:
	@echo "$@ does not exist: run the suite, then make a baseline: make bench baseline SUITE=$*" >&2; exit 2

power: $(READY)run
	$(PY) -m bench power $(RUN)

peers: $(READY)peers
	$(PY) -m bench peers --into docs/speed.md

# --------------------------------------------------------------------------------------------------
# Testing

# Tests start hundreds of processes: with what is compiled not kept, each would compile the package anew.
.PHONY: test test-extras test-browser faults mutants gpu-check lint format docs
test: $(READY)test
	@echo "test: running the fast tests, several minutes on 2 cores"
	PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -n auto --dist loadfile

test-extras: $(READY)test
	$(PY) -m pytest -n auto --dist loadfile -m "ray or mlflow or compiler" \
	$$(grep -rlE --include='*.py' 'mark\.(ray|mlflow|compiler)\b' tests)

test-browser: $(READY)test
	$(PY) -m pytest -m browser tests/report

faults: $(READY)test
	TRANSFERBENCH_FAULTS=50 $(PY) -m pytest tests/faults tests/runs/test_folder.py tests/executors/test_launch.py

mutants: $(READY)test
	$(PY) -m tests.support.mutants --count $(MUTANTS) --seed $(SEED)

gpu-check: $(READY)test
	$(PY) -m pytest --device $(DEVICE) -m gpu; tested=$$?; \
	$(PY) -m bench profile --kind device --device $(DEVICE) --limit $(LIMIT) --out results/speed/device-check.json \
		&& exit $$tested

lint: $(READY)test
	$(PY) -m ruff format --check . && $(PY) -m ruff check . && $(PY) -m pyright

format: $(READY)test
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .

docs: $(READY)docs
	$(PY) -m mkdocs build --strict
