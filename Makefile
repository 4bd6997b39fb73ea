# simvid: two commands matter to a newcomer:  make demo  and  make test.  Both work twice in a row, offline the second time.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
OUT    ?= out/demo
# The files of genesis-world hold the Franka arm and the meshes of the demo; its engine is an extra of its own.
ASSETS := genesis-world==1.4.5

# With trained weights on the shelf, the demo refines its clip too, which needs torch and diffusers.
REFINER := $(if $(wildcard refiners/bundled.yaml),bundled,)

BROWSERS := chromium chromium-browser google-chrome google-chrome-stable

.PHONY: help demo test lint types browser llvm unit bench schema clean

help:
	@echo "make demo    install into .venv/ and make a clip of a Franka arm pushing real meshes"
	@echo "make test    install into .venv/ and run every check: style, types, tests"
	@echo "make bench   measure the main job, the physics loop and the renderer"
	@echo "make clean   remove .venv/, out/ and build leftovers"

$(VENV)/bin/python:
	@echo "==> Making a Python environment in $(VENV)/"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "simvid needs Python 3.11 or newer; say which with  make PYTHON=python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "python3 -m venv failed; on Debian and Ubuntu install it with  apt-get install python3-venv"; exit 1; }

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "==> Installing simvid and what it needs (about 700 MB, a few minutes the first time)"
	@$(PIP) --editable .
	@echo "==> Fetching the robot and the meshes of the demo (genesis-world's files, 84 MB)"
	@$(PIP) --no-deps $(ASSETS)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@echo "==> Installing the tools of the tests"
	@$(PIP) --editable '.[dev]'
	@touch $@

$(VENV)/.refine: $(VENV)/.runtime
	@echo "==> Installing what the refiner needs: torch and diffusers"
	@echo "    (PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu fetches the small torch, without CUDA)"
	@$(PIP) --editable '.[refine]'
	@touch $@

demo: $(VENV)/.runtime $(if $(REFINER),$(VENV)/.refine)
	@echo "==> simvid run franka_push --out $(OUT)$(if $(REFINER), --refiner $(REFINER))"
	@$(BIN)/simvid run franka_push --out $(OUT) $(if $(REFINER),--refiner $(REFINER))

lint: $(VENV)/.dev
	@echo "==> Style (ruff)"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev
	@echo "==> Types (mypy strict, pyright)"
	@$(BIN)/mypy && $(BIN)/pyright --pythonpath $(BIN)/python

browser:
	@for b in $(BROWSERS); do command -v $$b >/dev/null && exit 0; done; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "==> Installing Chromium for the tests of the viewer"; \
	    { apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium >/dev/null; } \
	      || echo "that failed; the tests of the viewer need a Chromium"; \
	  else echo "no Chromium: the tests of the viewer will say how to install it"; fi

# The path tracer is far faster with LLVM 16 or newer; without it, its tests run in Mitsuba's scalar variant.
llvm:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	    && ! ls /usr/lib/*/libLLVM* 2>/dev/null | grep -Eq 'LLVM(\.so\.|-)(1[6-9]|2[0-9])'; then \
	  echo "==> Installing LLVM for the path tracer (Debian's libllvm19)"; \
	  { apt-get -qq update && apt-get -qq install --yes --no-install-recommends libllvm19 >/dev/null; } \
	    || echo "    it cannot be had here; the path tracer's tests run without it"; fi

unit: $(VENV)/.dev browser llvm
	@echo "==> Tests (pytest)"
	@$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

test: lint types unit
	@echo "==> All checks passed"

bench: $(VENV)/.dev
	@$(BIN)/python benchmarks/run.py

schema: $(VENV)/.runtime
	@$(BIN)/simvid schema --output scenes/scene.schema.json
	@$(BIN)/simvid schema --markdown --output docs/scene-language.md
	@$(BIN)/simvid list engines --markdown --output docs/engines.md

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache
