"""The nightly job on S3: records, images behind URIs, the lake and its catalog all on a real server."""

import os
import random
import signal
import sqlite3
import uuid

import pytest
from pyiceberg.table import StaticTable

from deid_udf.lake.session import spark_properties
from tests.support.lakes import branches, check, rows
from tests.support.processes import a_moment, run, start
from tests.support.records import faces_policy, record, streets, write_records
from tests.support.reference import released

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def lake(s3_server) -> str:
    """The namespace of a new lake."""
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture
def submit(s3_server, tmp_path, models_cache, lake):
    """Options and settings of the job for records, whose bytes are put into the bucket; only their URIs are records."""
    client = s3_server.client()

    def made(records, policy, run_id, *more):
        for row in records:
            if row["image"] is not None:
                client.put_object(Bucket=s3_server.bucket, Key=f"{lake}/images/{row['image_id']}", Body=row["image"])
        by_uri = [
            r | {"image": None, "uri": f"s3a://{s3_server.bucket}/{lake}/images/{r['image_id']}"} for r in records
        ]
        folder = tmp_path / f"records-{run_id}"
        if not folder.exists():
            write_records(folder, by_uri)
            client.upload_file(str(folder / "part-0.parquet"), s3_server.bucket, f"{lake}/{run_id}/part-0.parquet")
        (tmp_path / f"{run_id}.yaml").write_text(policy.canonical())
        options = [
            f"--records=s3a://{s3_server.bucket}/{lake}/{run_id}",
            f"--lake=s3a://{s3_server.warehouse}/{lake}",
            f"--policy={tmp_path / f'{run_id}.yaml'}",
            f"--run-id={run_id}",
            *more,
        ]
        return options, {"conf": spark_properties("s3.conf"), "env": s3_server.env()}

    return made


def jdbc_rows(server, lake: str) -> list[dict]:
    """Published rows, by PyIceberg, from where the JDBC catalog says the table's metadata is."""
    with sqlite3.connect(server.folder / "catalog.db") as catalog:
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = 'released'"
        (metadata,) = catalog.execute(query, (lake,)).fetchone()
    properties = {
        "s3.endpoint": server.endpoint,
        "s3.access-key-id": server.access_key,
        "s3.secret-access-key": server.secret_key,
        "s3.region": "us-east-1",
    }
    return StaticTable.from_metadata(metadata, properties).scan().to_arrow().to_pylist()


def test_kills_and_then_a_night(submit, s3_server, lake, tmp_path):
    policy, images, env = faces_policy(), streets(8), s3_server.env()
    records = [*images, record("gone", None, "s0")]
    clean, rng = released(images, policy), random.SystemRandom()
    export = f"s3a://{s3_server.bucket}/{lake}/export"
    options, settings = submit(records, policy, "night", f"--export={export}")
    for mark, longest in (("pipeline_opened", 2.0), ('"done": "checked"', 0.5)):
        job = start(tmp_path, "deidentify", *options, **settings)
        job.wait_for(mark)
        a_moment(rng, longest)
        job.kill()
        now = rows(lake, env=env)
        check(now, policy)
        assert {row["image_id"] for row in now} <= clean.keys()
    done = run(tmp_path, "deidentify", *options, **settings)
    published = rows(lake, env=env)
    check(published, policy)
    assert {row["image_id"]: (row["output_sha256"], row["epsilon_total"]) for row in published} == clean
    assert {row["image_id"]: row["reason"] for row in rows(lake, "quarantine", env)} == {"gone": "missing"}
    assert branches(lake, env) == {"main"}
    assert done.summary()["exported"] == len(images)

    client = s3_server.client()
    for row in published:
        key = f"{lake}/export/{policy.hash}/{row['content_sha256']}.jpg"
        assert client.get_object(Bucket=s3_server.bucket, Key=key)["Body"].read() == row["protected"]
    listed = client.list_objects_v2(Bucket=s3_server.warehouse, Prefix=f"{lake}/released/data/")
    assert len([one for one in listed.get("Contents", []) if one["Key"].endswith(".parquet")]) >= 1


def test_a_night_and_its_rerun_on_the_second_server(versitygw, lake, tmp_path, models_cache):
    """VersityGW with a JDBC catalog, which has views: records and lake on S3, bytes inline."""
    policy, images = faces_policy(), streets(4)
    write_records(tmp_path / "records", [*images, record("empty", b"", "s0")])
    part = tmp_path / "records" / "part-0.parquet"
    versitygw.client().upload_file(str(part), versitygw.bucket, f"{lake}/records/part-0.parquet")
    (tmp_path / "policy.yaml").write_text(policy.canonical())
    options = (
        f"--records=s3a://{versitygw.bucket}/{lake}/records",
        f"--lake=s3a://{versitygw.bucket}/warehouse/{lake}",
        f"--policy={tmp_path / 'policy.yaml'}",
        "--run-id=night",
    )
    settings = {"conf": versitygw.spark_conf(), "env": versitygw.env()}
    first = run(tmp_path, "deidentify", *options, **settings)
    assert (first.summary()["released"], first.summary()["quarantined"]) == (4, {"empty": 1})
    assert "views_not_created" not in first.text()
    again = run(tmp_path, "deidentify", *options, **settings)
    assert (again.summary()["released"], again.summary()["skipped"]) == (0, 5)
    published = jdbc_rows(versitygw, lake)
    check(published, policy)
    assert {row["image_id"]: (row["output_sha256"], row["epsilon_total"]) for row in published} == released(
        images, policy
    )


def test_two_jobs_at_once_and_a_cap_for_one(submit, s3_server, lake, tmp_path):
    policy, env = faces_policy(cap=3), s3_server.env()
    options, settings = submit(streets(3, sequences=1), policy, "first")
    first = start(tmp_path, "deidentify", *options, **settings)
    first.wait_for('"done": "written"')
    os.killpg(first.process.pid, signal.SIGSTOP)
    options, settings = submit(streets(3, sequences=1, first=3), policy, "second")
    second = run(tmp_path, "deidentify", *options, **settings)
    os.killpg(first.process.pid, signal.SIGCONT)
    assert first.end() == 5, first.text()[-3000:]
    assert second.summary()["epsilon"] == "3"
    assert {row["run_id"] for row in rows(lake, env=env)} == {"second"}
    check(rows(lake, env=env), policy)
