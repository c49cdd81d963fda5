#!/usr/bin/env bash
# The virtual environment .venv, from requirements.lock: every archive is checked against its sha256.
# Set PYTHON to choose the interpreter. Index, mirror and proxy are pip's own configuration.
set -euo pipefail

usable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
    if usable "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

apt_install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

if ! usable .venv/bin/python; then
  python=$(find_python) || { [ -z "${PYTHON:-}" ] && apt_install python3 python3-venv && python=$(find_python); } || {
    echo "Python 3.11, 3.12 or 3.13 is needed${PYTHON:+; $PYTHON is none of them}. Install one, or set PYTHON to its path."
    exit 1
  }
  # Debian ships venv without its half that installs pip.
  "$python" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv || {
    echo "$python cannot make virtual environments. On Debian or Ubuntu: sudo apt-get install python3-venv"
    exit 1
  }
  "$python" -m venv .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
.venv/bin/python -m pip install --require-hashes -r requirements.lock
.venv/bin/python -m pip install --no-deps --no-build-isolation -e .
