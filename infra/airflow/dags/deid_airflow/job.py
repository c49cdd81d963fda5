"""spark-submit as an Airflow task that understands the jobs' exit codes.

The jobs hold their own compare-and-swap and skip what is published, so a task that runs twice, or while an earlier
try still runs, is harmless: whatever is not known to be final may be retried.
"""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Context, ObjectStoragePath
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from deid_udf.errors import ExitCode

#: Exit codes that another try cannot change.
FINAL = frozenset({ExitCode.USAGE, ExitCode.GATE_REFUSED, ExitCode.AUDIT_VIOLATION})

#: Options of the audit, and the files that they make.
REPORT = {"html": "report.html", "json": "report.json", "csv": "report.csv", "prometheus": "report.prom"}

# The provider tells the exit code in its message alone; on Kubernetes the driver's follows spark-submit's.
_CODE = re.compile(r"(?:Error code|Kubernetes spark exit code) is: (\d+)")
_REASON = re.compile(r"^(?:error|violation): .*", re.MULTILINE | re.DOTALL)
_REASON_LINES = 21  # the gate's verdict and the 20 violations it names


class JobOperator(SparkSubmitOperator):
    """Runs one job of `jobs/`; what its exit code calls final fails at once, with the job's own reason.

    The driver must report its exit code: client mode anywhere, or cluster mode on Kubernetes. Elsewhere every failure
    is retried.

    Raises:
        AirflowFailException: exit 2, 3 or 4.
        AirflowException: exit 5, a killed driver, a lost cluster: the task's retries apply.
    """

    def execute(self, context: Context) -> None:
        """Submit and wait."""
        try:
            super().execute(context)
        except AirflowException as error:
            code, reason = _verdict(str(error))
            if code is None:
                raise
            failure = AirflowFailException if code in FINAL else AirflowException
            raise failure(f"{Path(self.application).name} exited {code}: {reason}") from None


class AuditOperator(JobOperator):
    """The audit, whose report is published whatever it found: a violation is what readers most need to see.

    Args:
        reports: folder or prefix that receives the report's files; those of an earlier audit there are replaced.
    """

    application_args: list[str]
    template_fields: Sequence[str] = (*SparkSubmitOperator.template_fields, "reports")

    def __init__(self, *, reports: str, **arguments: object) -> None:
        super().__init__(**arguments)
        self.reports = reports

    def execute(self, context: Context) -> None:
        """Audit, publish, and only then fail if the audit did."""
        given = self.application_args
        with tempfile.TemporaryDirectory(prefix="deid-audit-") as folder:
            written = Path(folder)
            files = [f"--{kind}={written / name}" for kind, name in REPORT.items()]
            self.application_args = [*given, *files]
            try:
                super().execute(context)
            finally:
                self.application_args = given
                self._publish(written)

    def _publish(self, folder: Path) -> None:
        for file in sorted(folder.iterdir()):
            target = storage(self.reports) / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
            self.log.info("Published %s", target)


def storage(location: str) -> ObjectStoragePath:
    """A location as Airflow knows it: Spark's `s3a` is everybody else's `s3`."""
    return ObjectStoragePath(re.sub(r"^s3a:", "s3:", location))


def _verdict(message: str) -> tuple[int | None, str]:
    """Exit code and reason out of the provider's message, which ends with the job's last lines."""
    codes = _CODE.findall(message)
    told = _REASON.search(message)
    reason = told[0].splitlines()[:_REASON_LINES] if told else ["no reason given; see the lines above"]
    return (int(codes[-1]) if codes else None), "\n".join(reason)
