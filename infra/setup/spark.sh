#!/usr/bin/env bash
# Spark's own configuration inside .venv, so that plain `spark-submit` and `python jobs/x.py` find Java, Python and the jars.
set -euo pipefail

spark=$(.venv/bin/python -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')
java=$(cat .venv/.setup/java-home)
jars=$(cat .venv/.setup/jars-home)

mkdir -p "$spark/conf"
cp conf/spark/log4j2.properties "$spark/conf/"
install -m 600 /dev/null "$spark/conf/spark-defaults.conf" # it holds the secret of this machine's drivers and executors
{
  cat conf/spark/defaults.conf
  printf '\n# Written by infra/setup/spark.sh for this machine.\n'
  printf 'spark.driver.extraClassPath %s/*\nspark.executor.extraClassPath %s/*\n' "$jars" "$jars"
  printf 'spark.authenticate.secret %s\n' "$(.venv/bin/python -c 'import secrets; print(secrets.token_hex(32))')"
} >"$spark/conf/spark-defaults.conf"
cat >"$spark/conf/spark-env.sh" <<ENV
JAVA_HOME=$java
PYSPARK_PYTHON=\${PYSPARK_PYTHON:-$PWD/.venv/bin/python}
ENV
# pip's launcher looks for Spark with whichever python3 the PATH names, so it fails unless .venv is activated.
echo "export SPARK_HOME=\${SPARK_HOME:-$spark}" >.venv/bin/find-spark-home
echo "note: $spark/conf"
