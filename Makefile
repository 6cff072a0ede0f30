# The few words people type; each does all its own set-up.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: install demo test check bench lock schema clean

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
		--no-emit-index-url --extra dev --extra host pyproject.toml -o requirements-dev.lock

schema:
	$(BIN)/python -c "import json; from assay.profile import schema; print(json.dumps(schema(), indent=1))" \
		> profiles/profile.schema.json

clean:
	rm -rf .venv
