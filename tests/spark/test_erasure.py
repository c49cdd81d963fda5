"""The right to erasure, by the command that docs/operator.md gives to operators."""

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from deid_udf.errors import GateRefused, LakeError, UsageError
from deid_udf.lake.allowances import with_allowances
from deid_udf.lake.audit import audit
from deid_udf.lake.check_history import check_exported
from deid_udf.lake.erase import erase
from deid_udf.lake.export import export
from deid_udf.lake.gate import check
from deid_udf.lake.publish import own_snapshots
from deid_udf.lake.session import open_lake
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.tables import ERASURES, RELEASED
from deid_udf.lake.views import ledger
from deid_udf.lake.write import create_branch
from deid_udf.policy import Budget, ScopeCap, load_policy
from jobs.erase import main
from tests.spark.published import attempt, entry, publish, row, write
from tests.support.lakes import branches, rows
from tests.support.pages import options_of
from tests.support.records import faces_policy, record, street

DOCUMENTED = "cam-1/2026-11-24/0001.jpg"
POLICY = load_policy(Path(__file__).resolve().parents[2] / "conf/policy/street.yaml")


def _command(folder: Path) -> list[str]:
    """The page's command, on another lake and export."""
    (words,) = options_of("operator.md", "jobs/erase.py")
    words[words.index("--lake") + 1] = (folder / "lake").as_uri()
    words[words.index("--export") + 1] = (folder / "export").as_uri()
    return ["jobs/erase.py", *words]


def test_after_an_erasure_no_file_of_the_lake_holds_the_image(lake, run, tmp_path, monkeypatch):
    folder = tmp_path / "lake"
    night = [record(DOCUMENTED, street(0)), record("kept", street(1)), record("copy", street(0))]
    run(night, faces_policy(), "night")
    export(lake, "night", (tmp_path / "export").as_uri())
    (picture,) = [row["protected"] for row in rows(folder) if row["image_id"] == DOCUMENTED]

    def holding() -> list[Path]:
        return [file for file in tmp_path.rglob("*.*") if file.is_file() and picture[:2000] in file.read_bytes()]

    assert {file.suffix for file in holding()} >= {".parquet", ".jpg"}
    monkeypatch.setattr(sys, "argv", _command(tmp_path))
    assert main() == 0
    assert [row["image_id"] for row in rows(folder)] == ["kept"]
    assert holding() == []

    found = audit(lake, "here")
    assert found.violations == []
    (erasure,) = found.erasures
    assert (len(erasure.rows), erasure.by) == (2, "A. Lawyer")
    assert DOCUMENTED not in str(rows(folder, "erasures"))
    again = tmp_path / "export" / faces_policy().hash / f"{night[0]['content_sha256']}.jpg"
    again.write_bytes(picture)  # as by a run that was still exporting
    (late,) = check_exported((tmp_path / "export").as_uri(), found.erasures)
    assert (late.check, late.subject) == ("export", again.as_uri())
    assert main() == 0  # again: nothing else left to do
    assert holding() == []

    lake.spark.sql(f"DELETE FROM {lake.table(ERASURES)}")  # as after a kill: the snapshot's mark is all there is
    again = run(night, faces_policy(epsilon="0.5"), "night-2")
    assert (again["released"], again["quarantined"]) == (1, {"erased": 2})
    with pytest.raises(GateRefused, match="other: its bytes were erased by order"):
        run([record("other", street(0)) | {"content_sha256": None}], faces_policy(), "night-3")


@pytest.fixture
def published(spark, tmp_path):
    """A lake of two runs, made without a model."""
    lake = open_lake(spark, (tmp_path / "lake").as_uri())
    publish(lake, "r1", POLICY, [row("a", [entry(0)]), row("b", [entry(0), entry(1)])])
    publish(lake, "r2", POLICY, [row("c", [entry(0)]), row("d", [entry(0)]), row("e", [entry(0)])])
    return lake


def test_what_was_erased_stays_spent_in_its_scopes(spark, tmp_path):
    """The cap of the sequence is 24. Three faces spent it; one of them is erased, and nothing is left all the same."""
    lake = open_lake(spark, (tmp_path / "lake").as_uri())
    scopes = (
        ScopeCap(columns=("sequence_id",), cap=Decimal(24)),
        ScopeCap(columns=("camera_id", "sequence_id"), cap=Decimal(99)),
    )
    capped = POLICY.model_copy(update={"budget": Budget(scopes=scopes)})
    night = [row("a", [entry(0)]), row("b", [entry(0), entry(1)]), row("alone", [entry(0)], sequence=None)]
    publish(lake, "r1", capped, night)
    erase(lake, ["a"], by="a judge", reason="order 12")

    (kept,) = rows(tmp_path / "lake", "erasures")
    assert {name for name, _ in kept["scopes"]} == {"sequence_id", "camera_id+sequence_id"}
    assert "s1" not in str(kept)
    left = {
        one["image_id"]: (one["left_sequence_id"], one["left_camera_id_sequence_id"]) for one in ledger(lake).collect()
    }
    assert left == {"b": (0, 75), "alone": (16, 91)}
    images = lake.spark.createDataFrame(
        [("new", "s1", None), ("other", None, None)], "image_id string, sequence_id string, camera_id string"
    )
    released, erased = (lake.spark.table(lake.table(name)) for name in (RELEASED, ERASURES))
    allowed = {one["image_id"]: one["allowance"] for one in with_allowances(images, capped, released, erased).collect()}
    assert allowed == {"new": 0, "other": 16}

    made, grown = attempt(lake, "r2", capped), [row("c", [entry(0)])]
    write(made, grown)
    with pytest.raises(GateRefused, match="cap 24 on sequence_id=s1 exceeded: 32"):
        check(made, own_snapshots(made, read_history(lake)), read_history(lake), 1)
    publish(lake, "r3", capped, grown)  # past the gate
    found = audit(lake, "here")
    assert [(v.check, v.subject) for v in found.violations] == [("cap", "sequence_id=s1")]
    told = {one["sequence_id"]: (one["spent"], one["left"]) for one in found.caps["sequence_id"]}
    assert told == {"s1": (32, -8), None: (8, 16)}


def test_what_is_deleted_beyond_the_mark_is_a_violation(published, tmp_path):
    create_branch(attempt(published, "r3", POLICY))
    erase(published, ["a"], by="a judge", reason="order 12")
    assert branches(tmp_path / "lake") == {"main"}  # the run under way has to begin anew
    erase(published, ["b"], by="a judge", reason="order 13")  # the first one's snapshot expires
    assert len(read_history(published).snapshots) == 1
    found = audit(published, "here")
    assert (found.violations, [e.reason for e in found.erasures]) == ([], ["order 12", "order 13"])

    delete = f"DELETE FROM {published.table(RELEASED)} WHERE image_id = "
    published.spark.sql(delete + "'c'")
    forged = "spark.sql.iceberg.snapshot-property.deid.erasure"
    published.spark.conf.set(forged, '{"by": "x", "reason": "y", "rows": []}')
    published.spark.sql(delete + "'d'")
    published.spark.conf.unset(forged)
    publish(published, "r4", POLICY, [row("a", [entry(0)])])
    assert {(v.check, v.subject) for v in audit(published, "here").violations} == {
        ("history", "image c"),  # without a mark
        ("history", "image d"),  # which its mark does not name
        ("run", "run r2"),
        ("erasure", "image a (run r4)"),  # erased, and back
    }


def test_what_cannot_be_erased_is_said_before_anything_is(published, tmp_path):
    with pytest.raises(UsageError, match="neither released nor erased: z"):
        erase(published, ["a", "z"], by="a judge", reason="order 12")
    with pytest.raises(UsageError, match="who ordered it"):
        erase(published, ["a"], by=" ", reason="order 12")
    published.spark.sql(f"ALTER TABLE {published.table(RELEASED)} CREATE TAG kept")
    with pytest.raises(LakeError, match="tag kept would keep the images"):
        erase(published, ["a"], by="a judge", reason="order 12")
    assert len(rows(tmp_path / "lake")) == 5
