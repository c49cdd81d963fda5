#!/usr/bin/env bash
# Spark's extra jars into ${XDG_CACHE_HOME:-~/.cache}/deid/jars/, under a folder named by the lock's hash.
# Spark brings Ivy along, so no build tool is needed; every jar is checked against jars.lock before Spark may see it.
# Behind a mirror, IVY_SETTINGS names an Ivy settings file. `jars.sh --lock` writes jars.lock from ivy.xml instead.
set -euo pipefail

here=$PWD/infra/setup
cache=${XDG_CACHE_HOME:-$HOME/.cache}/deid/jars
java=$(cat .venv/.setup/java-home)/bin/java
spark=$(.venv/bin/python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')

resolve() { # into folder $1
  "$java" -Divy.default.ivy.user.dir="$1/ivy" -jar "$spark"/jars/ivy-*.jar ${IVY_SETTINGS:+-settings "$IVY_SETTINGS"} \
    -ivy "$here/ivy.xml" -confs default -types jar bundle -retrieve "$1/jars/[artifact]-[revision].[ext]"
}

hashes() { (cd "$1" && LC_ALL=C sha256sum -- *.jar); }

mkdir -p "$cache"
work=$(mktemp -d "$cache/.resolve.XXXXXX")
trap 'rm -rf "$work"' EXIT

if [ "${1:-}" = --lock ]; then
  resolve "$work"
  hashes "$work/jars" >"$here/jars.lock"
  exit
fi

jars=$cache/$(sha256sum "$here/jars.lock" | cut -c1-12)
if ! hashes "$jars" 2>/dev/null | cmp -s - "$here/jars.lock"; then
  resolve "$work"
  hashes "$work/jars" | diff - "$here/jars.lock" # neither another jar, nor one more
  rm -rf "$jars"
  mv "$work/jars" "$jars"
fi
echo "$jars" >.venv/.setup/jars-home
echo "note: $jars"
