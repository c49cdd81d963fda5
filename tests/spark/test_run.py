"""The nightly job over a lake in a folder, read back by another implementation of Iceberg."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import cv2
import numpy as np
import pandas as pd
import pytest
from pycocotools.coco import COCO

from deid_udf.errors import GateRefused, PublishConflict, UsageError
from deid_udf.lake import run as job
from deid_udf.lake.coco import write_coco
from deid_udf.lake.record import record_runs
from deid_udf.lake.select import normalise, select
from deid_udf.lake.session import read_records
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.tables import RELEASED
from deid_udf.lake.udf import protect
from deid_udf.lake.views import ledger, newest, objects
from deid_udf.lake.write import Attempt, protected
from deid_udf.policy import parse_policy
from tests.support.lakes import branches, check, data_files, published_files, rows
from tests.support.records import bad_pictures, faces_policy, record, street, streets, write_records

POLICY, BAD = faces_policy(), bad_pictures()
pytestmark = pytest.mark.timeout(900)


def test_a_night_a_rerun_and_the_nights_after(run, lake, tmp_path):
    folder = tmp_path / "lake"
    night = [
        *streets(3),
        record("two-faces", street(20, 2, "PNG"), None, weather="rain"),
        record("twin", street(0), "s7"),  # the bytes of street-000
        streets(1)[0],  # the very same record again
        record("torn", street(30), "s0"),
        record("torn", street(31), "s0"),  # the id of the one above
        *(record(name, data, "s0") for name, (data, _) in BAD.items()),
        record("gone", None, "s0", uri=(tmp_path / "no such file.jpg").as_uri()),
    ]
    first = run(night, POLICY, "night-1")
    assert first["read"] == 15
    assert first["skipped"] == 1
    assert first["released"] == 5
    assert first["copies"] == 1
    reasons = Counter(reason for _, reason in BAD.values())
    assert first["quarantined"] == reasons | {"duplicate_image_id": 2, "missing": 1}
    assert first["objects"] == {"face": 5}
    assert first["epsilon"] == "5"
    assert first["noise"] == "keyed"

    published = {row["image_id"]: row for row in rows(folder)}
    check(list(published.values()), POLICY)
    assert published["two-faces"]["weather"] == "rain"
    assert published["street-000"]["weather"] is None
    twin, original = published["twin"], published["street-000"]
    assert (twin["copy_of"], twin["protected"]) == ("street-000", original["protected"])
    assert (twin["objects"], twin["epsilon_total"], twin["sequence_id"]) == ([], 0, "s7")
    told = {row["image_id"]: row["reason"] for row in rows(folder, "quarantine")}
    assert told == {name: reason for name, (_, reason) in BAD.items()} | {
        "torn": "duplicate_image_id",
        "gone": "missing",
    }
    (recorded,) = rows(folder, "runs")
    assert (recorded["read"], recorded["released"], recorded["quarantined"], recorded["epsilon"]) == (15, 5, 9, 5)
    assert parse_policy(recorded["policy"]) == POLICY
    assert branches(folder) == {"main"}
    masks_cover_what_changed(lake, tmp_path / "coco.json", {row["image_id"]: row["image"] for row in night}, published)

    # The same again: nothing is written, nothing is spent.
    state = read_history(lake).main
    again = run(night, POLICY, "night-1")
    assert (again["skipped"], again["released"], again["quarantined"], again["epsilon"]) == (15, 0, {}, "0")
    assert read_history(lake).main == state

    # The next night brings one more image, and the missing one has come.
    later = run([*night[:-1], *streets(1, first=5), record("gone", street(40), "s0")], POLICY, "night-2")
    assert (later["released"], later["skipped"]) == (2, 6)
    assert later["quarantined"] == reasons | {"duplicate_image_id": 2}

    # Another policy is another version; both spends count.
    stricter = faces_policy(epsilon="0.5")
    other = run(streets(1), stricter, "night-3")
    assert (other["released"], other["epsilon"]) == (1, "0.5")
    versions = [row for row in rows(folder) if row["image_id"] == "street-000"]
    assert sum(row["epsilon_total"] for row in versions) == Decimal("1.5")
    check(rows(folder), POLICY)
    views = ledger(lake).where("image_id = 'street-000'").orderBy("released_at").collect()
    assert [row["left_image"] for row in views] == [Decimal("2.5")] * 2
    assert [row["guarantees"] for row in views] == [["pure"]] * 2
    assert newest(lake).where("image_id = 'street-000'").collect()[0]["policy_hash"] == stricter.hash
    assert objects(lake).count() == 8


def masks_cover_what_changed(lake, file, originals, published):
    """The sidecar of `night-1`, read by COCO's own tools: no pixel outside its masks moved, and most inside did."""
    assert write_coco(lake, "night-1", file) == 5
    coco = COCO(file)
    images = {image["name"]: image for image in coco.loadImgs(coco.getImgIds())}
    assert set(images) == set(published) - {"twin"}
    assert {c["name"] for c in coco.loadCats(coco.getCatIds())} == {"face", "plate"}
    two = images["two-faces"]
    before, after = (
        np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
        for data in (originals["two-faces"], published["two-faces"]["protected"])
    )
    assert before.shape == (two["height"], two["width"], 3)
    masks = [coco.annToMask(a).astype(bool) for a in coco.loadAnns(coco.getAnnIds(imgIds=two["id"]))]
    moved, covered = (before != after).any(2), np.logical_or.reduce(masks)
    assert len(masks) == 2
    assert not moved[~covered].any()
    assert all(moved[mask].mean() > 0.9 for mask in masks)


def test_caps_hold_before_spending_and_over_runs(run, tmp_path):
    policy = faces_policy(cap="4.5")
    first = run(streets(4, sequences=1), policy, "night-1")  # a share of 1.125 each
    assert first["epsilon"] == "4"
    second = run(streets(2, sequences=1, first=4), policy, "night-2")  # 0.25 each: less than a face costs
    assert (second["released"], second["epsilon"]) == (2, "0")
    published = rows(tmp_path / "lake")
    check(published, policy)
    last = [row for row in published if row["run_id"] == "night-2"]
    assert all(entry["outcome"] == "filled" for row in last for entry in row["objects"])


def test_the_gate_keeps_baselines_in(run, lake, tmp_path):
    blur = parse_policy("""
name: blur
licences: [MIT, Apache-2.0, CC0-1.0]
detection: {detectors: [{model: centerface, threshold: 0.5}]}
faces: {mechanism: {name: blur}}
plates: {mechanism: {name: fill}}
""")
    with pytest.raises(GateRefused, match="street-000: guarantee none"):
        run(streets(2), blur, "night-1")
    assert rows(tmp_path / "lake") == []
    assert branches(tmp_path / "lake") == {"main"}
    assert data_files(tmp_path / "lake") == set()


def test_whoever_comes_second_releases_nothing(run, lake, tmp_path, monkeypatch):
    """Another run publishes between this one's gate and its publishing; the sequence's cap fits one of them."""
    folder, policy = tmp_path / "lake", faces_policy(cap=2)
    meanwhile = []

    def publish_other(*args, **kwargs):
        monkeypatch.undo()
        meanwhile.append(run(streets(2, sequences=1), policy, "fast"))

    monkeypatch.setattr(job, "check", publish_other)
    with pytest.raises(PublishConflict):
        run(streets(2, sequences=1, first=2), policy, "slow")
    assert [done["epsilon"] for done in meanwhile] == ["2"]
    assert {row["run_id"] for row in rows(folder)} == {"fast"}
    assert data_files(folder) == published_files(folder)

    again = run(streets(2, sequences=1, first=2), policy, "slow")
    assert (again["released"], again["epsilon"]) == (2, "0")
    check(rows(folder), policy)


def test_what_a_kill_after_publishing_lost_is_rebuilt(run, lake, tmp_path):
    folder = tmp_path / "lake"
    night = [*streets(1), record("empty", b"", "s0")]
    run(night, POLICY, "night-1")
    told = {name: rows(folder, name) for name in ("quarantine", "runs")}
    for name in told:
        lake.spark.sql(f"DELETE FROM {lake.table(name)}")
    record_runs(lake)
    assert {name: rows(folder, name) for name in told} == told
    record_runs(lake)
    assert {name: rows(folder, name) for name in told} == told


def test_the_udf_stands_once_in_the_plan(lake, run, tmp_path):
    run([], POLICY, "night-0")
    records = normalise(read_records(lake.spark, write_records(tmp_path / "r", streets(3))))
    published = lake.spark.table(lake.table(RELEASED))
    selection = select(lake, records, published, POLICY, "night-1")
    base = read_history(lake).main
    attempt = Attempt(lake, "night-1", POLICY, base, datetime.now(UTC), "unused", {})
    frame = protected(attempt, records, selection, protect(POLICY, "unused"))
    plan = frame._jdf.queryExecution().executedPlan().toString()
    assert sum("ArrowEvalPython" in line and "protect_batches" in line for line in plan.splitlines()) == 1


def test_a_worker_opens_each_model_once(run, lake):
    lake.spark.conf.set("spark.sql.files.maxPartitionBytes", "8k")
    lake.spark.conf.set("spark.sql.files.openCostInBytes", "0")
    run(streets(12), POLICY, "night-1")

    def report(batches):
        from deid_udf.models import open_counts

        for _ in batches:
            yield pd.DataFrame({"opened": [len(open_counts)], "most": [max(open_counts.values(), default=0)]})

    told = lake.spark.range(0, 16, 1, 8).mapInPandas(report, "opened int, most int").collect()
    assert max(row["opened"] for row in told) >= 1
    assert {row["most"] for row in told} <= {0, 1}


@pytest.mark.parametrize(
    ("records", "policy", "run_id", "match"),
    [
        ([record("a", b"x")], POLICY, "night/1", "run id"),
        ([record("a", b"x", epsilon_total="1")], POLICY, "night-1", "epsilon_total"),
        ([{"image_id": "a"}], faces_policy(), "night-1", None),
    ],
)
def test_wrong_use_writes_nothing(run, tmp_path, records, policy, run_id, match):
    if match is None:
        assert run(records, policy, run_id)["quarantined"] == {"missing": 1}
        return
    with pytest.raises(UsageError, match=match):
        run(records, policy, run_id)
    assert rows(tmp_path / "lake") == []
