# One command each; "make help" names them. PORTAL_PORT, MQTT_PORT and DATA_DIR may be set: make up PORTAL_PORT=9000
.PHONY: help up demo dev test check secrets clean
.SILENT:
PY := .venv/bin/python

help: ## say what each command does
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

up: ## broker, bridge, provisioner and portal on this computer, until Ctrl-C
	sh standalone/bare_machine.sh up
	exec $(PY) -m standalone up

demo: ## the same with a ready account and three simulated inverters
	sh standalone/bare_machine.sh up
	exec $(PY) -m standalone demo

dev: ## the same as up, and the portal starts again when its files change
	sh standalone/bare_machine.sh dev
	exec $(PY) -m standalone dev

test: check ## install what the tests need and run them all
	sh standalone/bare_machine.sh test
	$(PY) -m pytest tests --ignore=tests/browser
	$(PY) -m pytest tests/browser

check: ## style, types and the rules about who may import whom
	sh standalone/bare_machine.sh check
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports

secrets: ## make .env with the secrets of compose.yaml; what stands there is never changed
	python=$$(sh standalone/bare_machine.sh python) && exec "$$python" -m standalone secrets

clean: ## remove what can be made again; never the data
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
