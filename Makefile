# make book          run every chapter and build the pages     DATABASE=<folder>|auto|simulated|ptbxl
#                                                              PROFILE=smoke|workshop|full   SEED=<whole number>
#                                                              EDITION=student leaves the solutions out
#                                                              FRESH=1 runs unchanged chapters, too   AT_ONCE=<chapters>
# make pdf           the built pages as one file, _build/book.pdf; needs Chromium or Chrome
# make sphinx        the pages of `make book` built by Sphinx without Jupyter Book, in _build/sphinx/html
# make bundle        pages, notebooks, wheels and what training made, in _build/bundle, for a classroom without a network;
#                    runs the chapters with a cache of its own     PROFILE=smoke|workshop|full
# make test          run the tests                             TESTS=<files and options of pytest>
# make check         the tests that need no chapter, page, browser or real ECGs: two minutes     TESTS=<the same>
# make faults        plant faults in a copy of the package and see which the tests notice; goes on where it stopped
# make bench-signals  signal layer, NeuroKit2 and wfdb side by side   DATA=<folder with LUDB and PTB-XL>
# make bench-realism  real against simulated ECGs, measurement by measurement   DATABASE=<folder of real ECGs>
# make results       the whole benchmark for the results page; goes on where it was interrupted      DATABASE=<folder>
#                                                              HOSPITALS="<folder> ..." to read other hospitals
#                                                              PARTS="grid age hybrids requirements reconstruction matched ..."
# make worlds        the cost in simulated worlds where its parts are known, for the results page: a quarter of an hour
# make environment   install into .venv; the others do so by themselves     PYTHON=<interpreter>
# make pretrained    train the weights of load_pretrained on PTB-XL     DATABASE=<folder>
# make clean         remove the built pages and executed chapters
DATABASE = auto
PROFILE = workshop
SEED = 0
EDITION = complete
FRESH =
AT_ONCE =
PYTHON = python3.11 python3.12 python3.13 python3 python
TESTS =
PARTS =
HOSPITALS =
DATA = $(VAESCAN_TEST_DATA)

VENV = .venv
INSTALLED = $(VENV)/installed
CALLER := $(PWD)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help book pdf sphinx bundle test check faults bench-signals bench-realism results worlds environment pretrained clean
help:
	@awk '/^#/ { sub(/^# ?/, ""); print; next } { exit }' $(firstword $(MAKEFILE_LIST))

book: $(INSTALLED)
	@$(VENV)/bin/python -m vaescan_lite book --profile "$(PROFILE)" --database "$(DATABASE)" --seed "$(SEED)" --edition "$(EDITION)" --caller "$(CALLER)" $(if $(FRESH),--fresh) $(if $(AT_ONCE),--at-once $(AT_ONCE))

pdf: $(INSTALLED)
	@$(VENV)/bin/python -m publish pdf --profile "$(PROFILE)"

sphinx: $(INSTALLED)
	@$(VENV)/bin/python -m publish sphinx --profile "$(PROFILE)"

bundle: $(INSTALLED)
	@$(VENV)/bin/python -m publish bundle --profile "$(PROFILE)"

test: $(INSTALLED)
	@$(VENV)/bin/python -m pytest -n auto --dist loadfile $(TESTS)

check: $(INSTALLED)
	@$(VENV)/bin/python -m pytest -n auto --dist loadfile -m "not (chapter or book or browser or real or slow)" $(TESTS)

faults: $(INSTALLED)
	@$(VENV)/bin/python tests/plant_faults.py

bench-signals: $(INSTALLED)
	@$(VENV)/bin/python bench/signals.py --data "$(DATA)"

bench-realism: $(INSTALLED)
	@cd "$(CALLER)" && "$(abspath $(VENV))/bin/python" "$(abspath bench/realism.py)" --database "$(DATABASE)" --seed "$(SEED)"

results: $(INSTALLED)
	@$(VENV)/bin/python -m bench results --database "$(DATABASE)" --caller "$(CALLER)" $(if $(PARTS),--parts $(PARTS)) $(if $(HOSPITALS),--hospitals $(HOSPITALS))

worlds: $(INSTALLED)
	@$(VENV)/bin/python -m bench worlds

environment: $(INSTALLED)

pretrained: $(INSTALLED)
	@$(VENV)/bin/python -m bench pretrained "$(DATABASE)" --caller "$(CALLER)"

clean:
	rm -rf _build

$(INSTALLED): pyproject.toml
	@found=; for python in $(PYTHON); do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	  then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11, 3.12 or 3.13 with its venv module is needed, and none of these is one: $(PYTHON)." >&2; \
	  echo "Install it (on Debian and Ubuntu: apt install python3 python3-venv), or name it: make PYTHON=/path/to/python ..." >&2; \
	  exit 1; \
	fi; \
	echo "installing into $(VENV) (once, a few minutes)"; \
	"$$found" -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --editable ".[book,dev]"
	@touch $@
