"""Every Spark configuration: well formed, known to Spark, without a secret, and never weaker than defaults.conf."""

import re
import zipfile
from functools import cache
from pathlib import Path

import pyspark
import pytest

CONF = Path("conf/spark")
FILES = sorted(CONF.glob("*.conf"))
#: What no file may turn off, and why it stands in defaults.conf.
PROTECTED = {
    "spark.speculation": "false",
    "spark.io.encryption.enabled": "true",
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
}
#: Settings whose names end in something the user chooses, or that another project reads.
OPEN = re.compile(
    r"spark\.(hadoop|openlineage|executorEnv|kubernetes\.driverEnv)\."
    r"|spark\.sql\.catalog\.lake($|\.)"
    r"|spark\.kubernetes\.(driver|executor)\.(secrets|secretKeyRef)\."
    r"|spark\.(executor|task|worker)\.resource\.gpu\."
)


def properties(file: Path) -> list[tuple[str, str]]:
    lines = (line.strip() for line in file.read_text().splitlines())
    pairs = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(pair[0], pair[1]) for pair in pairs]


@cache
def _spark_classes() -> bytes:
    """The constants of Spark's own classes, where every setting's name stands."""
    jars = Path(pyspark.__file__).parent / "jars"
    modules = ("core", "sql", "catalyst", "kubernetes", "yarn", "network-common")
    found = [jar for module in modules for jar in jars.glob(f"spark-{module}_2.13-*.jar")]
    assert len(found) >= 5
    wanted = re.compile(r"/config/|/(SQLConf|StaticSQLConf|Config|SparkConf|TransportConf)[^/]*\.class$")
    parts = []
    for jar in found:
        with zipfile.ZipFile(jar) as archive:
            parts += [archive.read(name) for name in archive.namelist() if wanted.search(name)]
    return b"\n".join(parts)


def known(name: str) -> bool:
    """Whether Spark reads the setting; Kubernetes makes some names of a prefix and a last word."""
    prefix, _, word = name.rpartition(".")
    classes = _spark_classes()
    return name.encode() in classes or (
        prefix.startswith("spark.kubernetes.authenticate.") and word.encode() in classes
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
class TestEachFile:
    def test_every_line_is_a_setting_once(self, file):
        names = [name for name, _ in properties(file)]
        assert len(names) == len(set(names)) > 0

    def test_every_name_is_one_that_spark_reads(self, file):
        unknown = [name for name, _ in properties(file) if not OPEN.match(name) and not known(name)]
        assert not unknown

    def test_protection_is_never_taken_back(self, file):
        weakened = {n: v for n, v in properties(file) if PROTECTED.get(n, v) != v}
        assert not weakened

    def test_no_secret_stands_in_it(self, file):
        secret = re.compile(r"secret|password|token|credential|access\.?key", re.IGNORECASE)
        named = {n: v for n, v in properties(file) if secret.search(n.removeprefix("spark.kubernetes"))}
        allowed = re.compile(r"^env:|^[a-z-]+:[a-z-]+$|^/run/secrets/|CredentialsProvider$|^\(\?i\)|^https?://")
        assert not {n: v for n, v in named.items() if not allowed.match(v) and not allowed.search(v)}


def test_the_protected_settings_are_the_defaults():
    assert PROTECTED.items() <= dict(properties(CONF / "defaults.conf")).items()


def test_where_exit_codes_are_needed_spark_submit_has_them():
    for name in ("standalone", "emr"):
        assert dict(properties(CONF / f"{name}.conf"))["spark.submit.deployMode"] == "client"
    kubernetes = dict(properties(CONF / "kubernetes.conf"))
    assert kubernetes["spark.kubernetes.submission.waitAppCompletion"] == "true"


def test_the_pod_templates_exist():
    for name, value in properties(CONF / "kubernetes.conf"):
        if name.endswith("podTemplateFile"):
            assert Path(value).is_file()
