PYTHON ?= python3
KILLS ?= 50
# two processes, each running one test file at a time, in the order of tests/conftest.py
IN_TWO := -n 2 --dist=loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# never expand a folder's name, which may contain $(shell …)
override IMAGES := $(value IMAGES)
export IMAGES
$(if $(findstring command,$(origin PICTURES)),$(error PICTURES is called IMAGES now: make adopt IMAGES=../flowers))
export PYTHONDONTWRITEBYTECODE =

# TensorFlow has wheels only for these.
define CHECK_PYTHON
import platform, sys
version, machine = sys.version_info[:2], (platform.system(), platform.machine())
if not (3, 11) <= version <= (3, 13):
    sys.exit("error: Python %d.%d has no TensorFlow; use 3.11, 3.12 or 3.13: make PYTHON=python3.12 setup" % version)
if machine not in {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}:
    sys.exit("error: there is no TensorFlow for %s on %s; use Linux or a Mac with Apple silicon" % machine)
endef
export CHECK_PYTHON

.PHONY: help setup demo adopt serve test test-backbones test-standalone test-sharing test-experiments test-faults test-fuzz test-ray test-imagenette repro report lint words lock licenses sbom vulnerabilities clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

setup: .venv/ready  ## create .venv from requirements.lock

.venv/ready: requirements.lock
	@$(PYTHON) -c "$$CHECK_PYTHON"
	@test ! -L .venv || { echo "error: .venv is a link: what it leads to would be emptied; remove the link" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock
	.venv/bin/uv pip install --python .venv --compile-bytecode --require-hashes -r requirements.lock
	@touch .venv/ready

demo: setup  ## run every stage on generated images, in demo/
	@test -d demo/.git || git clone --quiet . demo
	@cd demo && git fetch --quiet origin HEAD && \
	  { git diff --quiet HEAD FETCH_HEAD || git checkout --quiet --force FETCH_HEAD; }
	@cd demo && git show HEAD:params.yaml | \
	  sed 's|^  raw:.*|  raw: data/sample|; s|^  groups:.*|  groups: null|' > params.yaml
	cd demo && dvc repro
	@cd demo && python -m tench.report.metrics_table && python -m tench.report.page.publish

adopt: setup  ## write params.yaml for your own images: make adopt IMAGES=../flowers (ARGS=--ignore)
	@test -n "$$IMAGES" || { echo "error: which folder? make adopt IMAGES=../flowers" >&2; exit 1; }
	@python -m tench.data.init $(ARGS) -- "$$IMAGES"

serve: setup  ## serve the classifier: a page for images, and POST /predict (ARGS='--port 8001')
	@python -m tench.serve $(ARGS)

test: setup  ## run the unit, pipeline and fuzz tests
	python -m pytest $(IN_TWO) tests/unit tests/pipeline tests/fuzz

test-backbones: setup  ## test every backbone against its cached form, and every source of weights
	python -m pytest -n 2 tests/full/backbones

test-standalone: setup  ## test the export without the project, and the server under load
	python -m pytest tests/full/standalone

test-sharing: setup  ## test sharing through S3 and SSH servers, a registry and a workflow (apt: radosgw ceph-mon ceph-osd openssh-server)
	python -m pytest $(IN_TWO) tests/sharing

test-experiments: setup  ## test own images, one core, and experiments in the queue, a temporary folder and the workspace
	python -m pytest $(IN_TWO) tests/full/experiments

test-faults: setup  ## test kills at random times (KILLS=50), full disks, damaged caches and inputs
	python -m pytest -n 2 tests/faults --kills $(KILLS) --timeout $$((600 + 20 * $(KILLS)))

test-fuzz: setup  ## test 100,000 generated inputs
	python -m pytest -n 2 tests/fuzz --hypothesis-profile=long

test-ray: setup  ## test a Ray cluster of two nodes with killed workers (installs Ray into .ray)
	uv pip install --quiet --python .venv --target .ray --compile-bytecode --constraint requirements.lock --group ray
	PYTHONPATH=$(CURDIR)/.ray python -m pytest tests/cluster

test-imagenette: setup  ## run the pipeline on Imagenette and compare with the committed metrics
	python -m pytest tests/full/imagenette --timeout 3600

repro: setup  ## run the pipeline on data.raw: Imagenette by default
	dvc repro
	@python -m tench.report.metrics_table && python -m tench.report.page.publish

report: setup  ## update report/index.html, after dvc exp apply or dvc repro baseline/dvc.yaml
	@python -m tench.report.page.publish

lint: setup  ## check formatting, lint, types, imports, words and spelling
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-cache
	python -m pytest tests/lint -q
	python tests/lint/words.py
	git ls-files -z | xargs -0 codespell

words: setup  ## report banned words (tests/lint/words.yaml) by file and line
	@python tests/lint/words.py

lock: setup  ## pin the newest versions of all packages
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --fork-strategy fewest \
	  --generate-hashes --no-annotate --no-header --group dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-header --group serve --constraint requirements.lock -o requirements-serve.lock
	python -m tench.run.packages

licenses: setup  ## write docs/packages.md, the license of every package, after make lock and make setup
	uv tool run --quiet --from pip-licenses==5.5.5 pip-licenses --python .venv/bin/python \
	  --format=markdown --with-urls --with-system \
	  | grep -vE '^\| +\| +\|' > docs/packages.md

sbom: setup  ## write sbom.json, the installed packages as CycloneDX
	uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment \
	  --pyproject pyproject.toml --output-reproducible --output-file sbom.json .venv/bin/python

vulnerabilities: setup  ## list known vulnerabilities of the pinned packages (needs the network)
	uv tool run --quiet --from pip-audit==2.10.1 pip-audit --disable-pip --require-hashes \
	  --requirement requirements.lock

clean:  ## remove .venv and demo/, but no results
	rm -rf .venv demo
