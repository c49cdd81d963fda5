#!/usr/bin/env bash
# Airflow in an environment of its own, .venv-airflow: its Spark provider brings pyspark-client, another `pyspark`.
# Of this project the DAG needs policy and exit codes, and no dependency that Airflow does not have.
set -euo pipefail

home=.venv-airflow
[ -x "$home/bin/python" ] || .venv/bin/python -m venv "$home"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
"$home/bin/python" -m pip install --require-hashes -r infra/airflow/requirements.lock
packages=$("$home/bin/python" -c 'import site; print(site.getsitepackages()[0])')
echo "$PWD" >"$packages/deid_udf.pth"
