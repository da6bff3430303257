# Everything runs in .venv, which is built once from pyproject.toml and constraints.txt.
# Needed: make, and Python 3.11 or later (another one than the first found: make PYTHON=/path/to/python test).

BIN := .venv/bin
STAMP := .venv/.stamp
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
BENCHMARKS := $(wildcard benchmarks/bench_*.py)

.DELETE_ON_ERROR:
.PHONY: help demo test slow check docs site reference bench clean

help:
	@echo "make demo    synthetic images, a training of about two minutes, a report"
	@echo "make test    the quick suite"
	@echo "make slow    the proofs that take minutes"
	@echo "make check   style, types, layers"
	@echo "make docs    runs the examples in docs/ and follows their links"
	@echo "make site    the documentation as a site, in site/index.html, without internet"
	@echo "make reference  writes the pages of docs/reference/ from the code"
	@echo "make bench   side-by-side measurements"
	@echo "make clean   removes .venv and everything that tools left behind"

demo: $(STAMP)
	$(BIN)/lamelle demo nuclei --train -o demo/nuclei

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "not slow" -n 2

slow: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m slow

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache

site: $(STAMP)
	$(BIN)/python -m website.build site

docs: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/test_docs.py

reference: $(STAMP)
	$(BIN)/python docs/reference/pages.py

bench: $(STAMP)
	@test -n "$(BENCHMARKS)" || echo "There is nothing in benchmarks/ yet."
	@set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python "$$script"; done

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an interrupted installation is taken up again.
$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { echo \
	"Lamelle needs Python 3.11 or later with its venv module (Debian, Ubuntu: the package python3-venv)," \
	"but '$(PYTHON)' is not one; name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	echo "Building .venv with $(PYTHON): some minutes and 6 GB, once."; "$(PYTHON)" -m venv --clear .venv; }
	@$(BIN)/python .ci/install.py -c constraints.txt -e ".[dev]"
	@touch $@
