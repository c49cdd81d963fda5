#!/usr/bin/env bash
# How Spark on Kubernetes starts a pod: `driver ARGUMENTS…` or `executor`, told by SPARK_* variables. Anything else is run.
set -euo pipefail

case "${1:-}" in
  driver)
    shift
    # The pod's own properties come as a file, over the image's spark-defaults.conf, which would be ignored otherwise.
    exec "$SPARK_HOME/bin/spark-submit" --deploy-mode client --load-spark-defaults \
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" "$@"
    ;;
  executor)
    options=()
    for name in "${!SPARK_JAVA_OPT_@}"; do options+=("${!name}"); done
    # SPARK_CLASSPATH is the driver's spark.executor.extraClassPath.
    exec java "${options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
      -cp "${SPARK_CONF_DIR:-$SPARK_HOME/conf}:${SPARK_CLASSPATH:-}:$SPARK_HOME/jars/*:$PWD" \
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
      --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
      --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
      --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
  *)
    exec "$@"
    ;;
esac
