# The few words people type; each does all its own set-up.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: install demo test check gates bench lock schema clean

install: .venv/dev

demo: .venv/run
	$(BIN)/assay run profiles/emulated.yaml --spec ts_33_512

test: .venv/dev
	$(BIN)/python -m pytest

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What judges our exports: schemas and validators of others, apart from what we run with.
gates: .venv-gates/done tests/node_modules/.package-lock.json

.venv-gates/done: requirements-gates.lock
	test -x .venv-gates/bin/python || $(PYTHON) -m venv .venv-gates
	.venv-gates/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements-gates.lock
	touch $@

tests/node_modules/.package-lock.json: tests/package-lock.json
	npm ci --prefix tests --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

bench: .venv/dev
	$(BIN)/python -m pytest tests/bench --benchmark-only

.venv/run: requirements.lock pyproject.toml
	sh tools/system-library
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --editable .
	touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(PIP) --requirement requirements-dev.lock
	# tests start hundreds of processes, each of which would compile what it imports where nothing may be written
	$(BIN)/python -m compileall -q -j 2 .venv/lib >/dev/null
	touch $@

# Needs a resolver, which only the people who change dependencies need.
lock:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes \
		--no-emit-index-url pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes \
		--no-emit-index-url --extra dev --extra pdf --extra store pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --generate-hashes \
		--no-emit-index-url --group pyproject.toml:gates -o requirements-gates.lock

schema: .venv/dev
	$(BIN)/python -c "import json; from assay.reports.order import schema; print(json.dumps(schema(), indent=1))" \
		> docs/order.schema.json
	$(BIN)/python -c "import json; from assay.profile import schema; print(json.dumps(schema(), indent=1))" \
		> profiles/profile.schema.json
	$(BIN)/python -c "from assay.declaration.document import text; print(text(), end='')" > docs/declaration.md

clean:
	rm -rf .venv .venv-gates tests/node_modules
