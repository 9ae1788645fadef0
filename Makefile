# One command each; "make help" names them. PORTAL_PORT, MQTT_PORT and DATA_DIR may be set: make up PORTAL_PORT=9000
.PHONY: help up demo dev test faults hostile api controls forms looks benchmarks check secrets clean
.SILENT:
PY := .venv/bin/python

help: ## say what each command does
	awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

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
	$(PY) -m pytest tests --ignore=tests/browser --ignore=tests/end_to_end -n 4 --dist loadfile
	$(PY) -m pytest tests/end_to_end -n 3 --dist loadfile
	$(PY) -m pytest tests/browser -n 2 --dist loadfile

faults: ## whatever is killed, cut or filled, SEEDS times each; FAULT_SEED=number repeats one, ONLY=name chooses
	sh standalone/bare_machine.sh test
	FAULT_SEEDS=$${SEEDS:-20} FAULT_KILLS=$${KILLS:-200} FAULT_BROKER_KILLS=$${BROKER_KILLS:-50} $(PY) -m pytest tests/faults -s $(if $(ONLY),-k "$(ONLY)")

hostile: ## 100,000 hostile inputs against broker and bridge, and a longer search; HOSTILE_SEED=number repeats a run
	sh standalone/bare_machine.sh test
	HOSTILE_SHARE=1 FUZZ_SECONDS=$${SECONDS_EACH:-60} $(PY) -m pytest tests/hostile -s $(if $(ONLY),-k "$(ONLY)")

api: ## 10,000 requests and more by everybody against the API's description; API_SEED=number repeats a run
	sh standalone/bare_machine.sh test
	API_FUZZ=long $(PY) -m pytest tests/integration/test_api_conformance.py -s

forms: ## fifty equal submits of every form at once: one row, one mail
	sh standalone/bare_machine.sh test
	FORMS=long $(PY) -m pytest tests/integration/test_same_submits.py tests/integration/test_same_acts.py

looks: ## every page in both languages, at every width, in light and dark, with axe
	sh standalone/bare_machine.sh test
	LOOKS=long $(PY) -m pytest tests/browser/test_looks.py tests/browser/test_forms.py tests/browser/test_letters.py

controls: ## every control of the portal switched off by itself: its test must fail
	sh standalone/bare_machine.sh test
	CONTROLS=long $(PY) -m pytest tests/integration/test_switched_off.py

benchmarks: ## every benchmark does a little work; the figures that count come from the commands in docs/performance.md
	sh standalone/bare_machine.sh test
	BENCHMARKS=long $(PY) -m pytest tests/end_to_end/test_benchmarks.py

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
