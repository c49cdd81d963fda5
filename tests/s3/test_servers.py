"""The two S3 servers: only ours, only on loopback, and what the lake relies on holds on both."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from deid_udf.lake.fetch import client, exists, put, remove
from infra.s3.server import LocalS3, S3Server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["s3_server", "versitygw"])
def server(request) -> LocalS3:
    running: LocalS3 = request.getfixturevalue(request.param)
    return running


def test_strangers_are_refused(server):
    anonymous = boto3.client(
        "s3", endpoint_url=server.endpoint, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError) as refused:
        anonymous.list_objects_v2(Bucket=server.bucket)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_a_key_is_created_once(server):
    client = server.client()
    client.put_object(Bucket=server.bucket, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket=server.bucket, Key="once", Body=b"second", IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.get_object(Bucket=server.bucket, Key="once")["Body"].read() == b"first"


def test_an_object_is_there_or_not(server, monkeypatch):
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it has read the environment before
    client.cache_clear()
    uri = f"s3a://{server.bucket}/there/or#not"
    put(uri, b"here")
    assert exists(uri)
    remove(uri)
    assert not exists(uri)
    client.cache_clear()


def test_only_loopback_listens(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; it only chooses the outward address
        outward = probe.getsockname()[0]
    for port in server.port.values():
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((outward, port), timeout=5).close()


def test_data_outlives_a_killed_server(tmp_path):
    with S3Server(tmp_path) as first:
        first.client().put_object(Bucket=first.bucket, Key="a/b", Body=b"kept")
        assert first._process is not None
        os.killpg(first._process.pid, signal.SIGKILL)
    with S3Server(tmp_path) as second:
        assert second.client().get_object(Bucket=second.bucket, Key="a/b")["Body"].read() == b"kept"


def test_by_hand_it_prints_what_to_export(tmp_path):
    command = [sys.executable, "infra/s3/server.py", "--dir", str(tmp_path / "s3")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        exported = {}
        for line in running.stdout:
            name, _, value = line.removeprefix("export ").strip().partition("=")
            exported[name] = value
            if exported.keys() >= {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}:
                break
        client = boto3.client(
            "s3",
            endpoint_url=exported["AWS_ENDPOINT_URL"],
            aws_access_key_id=exported["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=exported["AWS_SECRET_ACCESS_KEY"],
            region_name="us-east-1",
        )
        assert client.list_buckets()["Buckets"]
        running.terminate()
        assert running.wait(60) == 0


JOB = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.servers")
spark.range(100).writeTo("lake.servers.numbers").create()
spark.range(100).write.parquet("s3a://lake/numbers")
print("read", spark.read.parquet("s3a://lake/numbers").count() + spark.table("lake.servers.numbers").count())
"""
READER = """
from pyiceberg.catalog import load_catalog
print(load_catalog("lake").load_table("servers.numbers").scan().count())
"""


def test_spark_submit_and_pyiceberg_share_one_environment(s3_server, tmp_path):
    """`conf/spark/s3.conf` holds no secret and no address: the environment leads Spark and PyIceberg to the server."""
    job = tmp_path / "job.py"
    job.write_text(JOB)
    submit = Path(sys.executable).with_name("spark-submit")
    options = ["--load-spark-defaults", "--properties-file", str(ROOT / "conf/spark/s3.conf"), "--master", "local[2]"]
    env = os.environ | s3_server.env()
    ran = subprocess.run([submit, *options, job], env=env, capture_output=True, text=True)
    assert ran.stdout.splitlines()[-1:] == ["read 200"], ran.stderr[-2000:]
    read = (
        "from pyiceberg.catalog import load_catalog as c; print(c('lake').load_table('servers.numbers').scan().count())"
    )
    ran = subprocess.run([sys.executable, "-c", read], env=env, capture_output=True, text=True)
    assert ran.stdout.strip() == "100", ran.stderr[-2000:]
