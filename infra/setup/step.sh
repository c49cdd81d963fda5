#!/usr/bin/env bash
# step.sh NAME WHAT COMMAND…: run one set-up step quietly, say how long it took, stamp it.
# Its output goes to .venv/.setup/NAME.log, whose end is shown if it fails. Lines that start with "note: " are always shown.
set -euo pipefail

name=$1 what=$2
shift 2
stamps=.venv/.setup
mkdir -p "$stamps"
printf '%-9s %s … ' "$name" "$what"
if "$@" >"$stamps/$name.log" 2>&1 </dev/null; then
  printf 'done in %d s\n' "$SECONDS"
  sed -n 's/^note: /          /p' "$stamps/$name.log"
  touch "$stamps/$name"
else
  printf 'failed after %d s\n' "$SECONDS"
  tail -n 25 "$stamps/$name.log" >&2
  echo "make: the whole log is $stamps/$name.log" >&2
  exit 1
fi
