# Everything starts here; `make help` lists the targets. The first target to run creates .venv and
# installs into it; once that is done nothing below touches the network.

PYTHON    ?= python3
PORT      ?= 8000
WORKERS   ?= 2
VENV      := .venv
BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SITE      := _build/html

# A heading for every step, so that a reader finds the one that failed.
say = @printf '\n== %s\n' "$(1)"

.DEFAULT_GOAL := help
.PHONY: help install book test unit-test site-test serve bench soak fuzz lint strip clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: $(INSTALLED)  ## create .venv and install the package, the book's tools and the tests'

# A stamp, not the folder: an interrupted install runs again, a finished one costs nothing.
$(INSTALLED): pyproject.toml requirements.txt
	$(call say,Installing into $(VENV) (several minutes the first time))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is older than Python 3.10; name a newer one: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { echo "No venv: install it (Debian: apt-get install python3-venv)"; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@# The widgets that hosted notebooks ship, beside the current ones, for the tests of both.
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/ipywidgets7 ipywidgets==7.7.1 ipython_genutils
	@touch $@

# All pages are written each time (seconds), so that a changed style or a removed page is never missed;
# what takes long, running the chapters, is remembered until their code, helpers/ or data/ changes.
book: $(INSTALLED)  ## run the chapters and build the pages (_build/html); quick when nothing changed
	$(call say,Building the book)
	@$(BIN)/python tools/execution_cache.py
	@rm -rf $(SITE)
	@$(BIN)/jupyter-book build . --all --quiet -W -n --keep-going
	@$(BIN)/python tools/lighter_pictures.py $(SITE)
	@$(BIN)/python tools/archives.py $(SITE)
	@$(BIN)/python tools/check_site.py $(SITE)
	@echo "Open $(SITE)/index.html, or run: make serve"

test: unit-test  ## all tests: the package, then the built book, then the book in a browser
	@$(MAKE) --no-print-directory site-test

unit-test: $(INSTALLED)  ## the package alone
	$(call say,Testing the package)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests \
	  --ignore=tests/book --ignore=tests/browser

site-test: book  ## the built book and its pages in a browser
	$(call say,Testing the book and its pages in a browser)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal tests/book tests/browser

serve: book  ## build, then serve the pages on this machine (PORT=8000)
	$(call say,Serving on http://localhost:$(PORT) (Ctrl-C stops))
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(SITE)

bench: $(INSTALLED)  ## speed and memory of the recorder
	$(call say,Measuring)
	@$(BIN)/python -m benchmarks

soak: $(INSTALLED)  ## one recording killed 50 times and started again: its record must not differ
	$(call say,Killing a recording 50 times)
	@OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soak

fuzz: $(INSTALLED)  ## 20,000 damaged files: each is read rightly or refused in one line
	$(call say,Reading damaged files)
	@OMP_NUM_THREADS=1 FUZZ_CASES=20000 $(BIN)/python -m pytest -q -rP tests/record/test_fuzz.py

lint: $(INSTALLED)  ## style, and chapters without outputs
	@$(BIN)/ruff check .
	@$(BIN)/python tools/check_notebooks.py book

strip: $(INSTALLED)  ## remove outputs from the chapters, before committing them
	@$(BIN)/nbstripout --keep-id book/*.ipynb

clean:  ## remove what `make book` and the tests wrote (not .venv)
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
