#!/usr/bin/env bash
# Spark's discovery script: the GPUs that this container or host sees, as the JSON that Spark asks for.
set -euo pipefail
addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd,)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
