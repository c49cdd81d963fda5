"""The night shift: the day's records in, their protected images published, the ledger audited, the report out.

    records_are_there → run_id → deidentify → audit

Everything is keyed by the logical date, so that a date run again, late, twice at once or by a backfill, spends once.
A failure calls `deid_airflow.alert`.

Airflow Variables (AIRFLOW_VAR_DEID_HOME and so on in the environment):

    deid_home       the project's checkout on the workers, with its `jobs/`
    deid_records    records of a day are below it in a folder named by the date: file:///… or s3a://…
    deid_lake       the lake: file:///… or s3a://…
    deid_policy     policy file, on the workers
    deid_reports    the day's report goes below it, in a folder named by the date: file:///… or s3a://…

Connection `spark_default` is the cluster; the spark-submit on the PATH brings its configuration (docs/operator.md).
"""

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowFailException
from deid_airflow.alert import alert
from deid_airflow.job import AuditOperator, JobOperator, storage

_HASH_DIGITS = 12


@task.sensor(mode="reschedule", poke_interval=300, timeout=6 * 3600)
def records_are_there(day: str) -> bool:
    """True once ingest has finished the day: Spark writes `_SUCCESS` last."""
    return bool((storage(day) / "_SUCCESS").exists())


@task(retries=0)
def run_id(date: str, policy: str) -> str:
    """The run's name: logical date and policy. A changed policy is another run on the same images."""
    from deid_udf.errors import PolicyError
    from deid_udf.policy import load_policy

    try:
        return f"{date}-{load_policy(policy).hash[:_HASH_DIGITS]}"
    except PolicyError as error:
        raise AirflowFailException(str(error)) from None


@dag(
    dag_id="deid_nightly",
    schedule="0 22 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["deid"],
    doc_md=__doc__,
    default_args={
        "retries": 5,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
        "on_failure_callback": alert,
    },
)
def deid_nightly() -> None:
    """One night."""
    records = "{{ var.value.deid_records.rstrip('/') }}/{{ ds }}"
    run = run_id("{{ ds }}", "{{ var.value.deid_policy }}")
    lake = ["--lake", "{{ var.value.deid_lake }}"]
    deidentify = JobOperator(
        task_id="deidentify",
        name="deidentify {{ ds }}",
        application="{{ var.value.deid_home }}/jobs/deidentify.py",
        application_args=["--records", records, *lake, "--policy", "{{ var.value.deid_policy }}", "--run-id", run],
    )
    audit = AuditOperator(
        task_id="audit",
        name="audit {{ ds }}",
        application="{{ var.value.deid_home }}/jobs/audit.py",
        application_args=lake,
        reports="{{ var.value.deid_reports.rstrip('/') }}/{{ ds }}",
    )
    records_are_there(records) >> run >> deidentify >> audit


deid_nightly()
