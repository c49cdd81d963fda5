"""One lake, published and then tampered with in every way at once; each test looks for its own trace in the report."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deid_udf.errors import LakeError
from deid_udf.lake.audit import Audit, audit
from deid_udf.lake.session import Lake, open_lake
from deid_udf.lake.tables import RELEASED, RUNS
from deid_udf.lake.views import review
from deid_udf.policy import load_policy
from deid_udf.privacy import Prior
from deid_udf.report.audit import page
from tests.spark.published import entry, publish, refused, row

POLICY = load_policy(Path(__file__).resolve().parents[2] / "conf/policy/street.yaml")


@dataclass(frozen=True)
class Published:
    """A lake, its folder, and what an audit said of it."""

    lake: Lake
    folder: Path
    found: Audit

    def named(self, check: str) -> set[str]:
        return {violation.subject for violation in self.found.violations if violation.check == check}


@pytest.fixture(scope="module")
def clean(spark, tmp_path_factory) -> Published:
    """Two runs: five images and one that was refused; a copy, a memoised draw and a prior among them."""
    folder = tmp_path_factory.mktemp("lake")
    lake = open_lake(spark.newSession(), folder.as_uri())
    copy = row("c", []) | {"copy_of": "a", "content_sha256": row("a", [])["content_sha256"]}
    publish(
        lake, "r1", POLICY, [row("a", [entry(0), entry(1, review=True, score=0.25)]), row("b", []), copy, refused("x")]
    )
    repeated = entry(1, memo_of="d/0", epsilon=Decimal(0))
    publish(lake, "r2", POLICY, [row("d", [entry(0), repeated]), row("e", [entry(0, Prior("face"))], sequence=None)])
    return Published(lake, folder, audit(lake, "here"))


@pytest.fixture(scope="module")
def tampered(clean) -> Published:
    """The same lake after a run that the gate would have refused, after changes in the table, and in a file."""
    bad = [
        row("cheap", [entry(0, epsilon=Decimal(1))]),
        row("unknown", [entry(0, version=99)]),
        row("wordy", [entry(0, guarantee="none")]),
        row("dear", [entry(i) for i in range(9)]),  # ε 72 under a cap of 64
        row("exif", [], exif=True),
    ]
    publish(clean.lake, "r3", POLICY, bad)
    table = clean.lake.table(RELEASED)
    clean.lake.spark.sql(f"DELETE FROM {table} WHERE image_id = 'b'")
    clean.lake.spark.sql(f"UPDATE {table} SET epsilon_total = 1 WHERE image_id = 'a'")
    clean.lake.spark.sql(f"UPDATE {table} SET protected = x'00' WHERE image_id = 'd'")
    clean.lake.spark.sql(f"DELETE FROM {clean.lake.table(RUNS)} WHERE run_id = 'r2'")
    _swap(clean.folder, row("e", [])["protected"])
    return Published(clean.lake, clean.folder, audit(clean.lake, "here"))


def _swap(folder: Path, image: bytes) -> None:
    """Overwrite an image inside its data file, whose length stays."""
    (file,) = (f for f in folder.rglob("*.parquet") if image in f.read_bytes())
    file.write_bytes(file.read_bytes().replace(image, image[:-20] + bytes(20)))
    (file.parent / f".{file.name}.crc").unlink(missing_ok=True)


def test_a_clean_lake_has_no_violation_and_adds_up(clean):
    found = clean.found
    assert found.violations == []
    assert (found.total.images, found.total.objects, found.total.epsilon) == (5, 5, Decimal(24))
    assert {s.key["run_id"]: s.epsilon for s in found.by_run} == {"r1": Decimal(16), "r2": Decimal(8)}
    scopes = {s.key["sequence_id"]: s.epsilon for s in found.scopes["sequence_id"]}
    assert scopes == {"s1": Decimal(24), None: Decimal(0)}
    assert found.quarantined == {"truncated": 1}
    assert {(e.mechanism, e.memoised): e.objects for e in found.events} == {
        ("laplace_vector", False): 3, ("laplace_vector", True): 1, ("prior", False): 1
    }  # fmt: skip


def test_what_no_detector_was_sure_of_is_listed_for_a_person(clean):
    (only,) = review(clean.lake).collect()
    assert (only["image_id"], only["object_id"], only["kind"], only["box"]) == ("a", 1, "face", [1, 1, 9, 9])
    assert (only["score"], only["outcome"]) == (0.25, "replaced")


def test_caps_left_and_both_accountants(clean):
    first = clean.found.caps["image_id"][0]
    assert (first["image_id"], first["left"]) == ("a", Decimal(48))
    daily = [spend.epsilon for spend in clean.found.spent["sequence_id"] if spend.key["sequence_id"] == "s1"]
    assert sum(daily) == clean.found.caps["sequence_id"][0]["spent"] == Decimal(24)
    (composed,) = [c for c in clean.found.composed if c.scope["sequence_id"] == "s1"]
    assert (composed.releases, composed.plain, composed.guarantee) == (3, Decimal(24), "pure")
    assert all(0 < bound <= Decimal(24) for bound in composed.pld.values() if bound is not None)


def test_an_audit_of_one_run(clean):
    found = audit(clean.lake, "here", run_id="r2")
    assert (found.total.images, found.total.epsilon, found.violations) == (2, Decimal(8), [])
    with pytest.raises(LakeError, match="no run 'r9'; there are r2, r1"):
        audit(clean.lake, "here", run_id="r9")


def test_changes_in_the_table_are_named_from_its_history(tampered):
    assert {"image a", "image b", "image d"} <= tampered.named("history")
    evidence = {v.subject: v.evidence for v in tampered.found.violations if v.check == "history"}
    assert evidence["image b"].startswith("removed by snapshot")
    assert "epsilon_total was 16" in evidence["image a"]


def test_sums_and_bytes_that_do_not_match_are_named(tampered):
    assert "image a (run r1)" in tampered.named("total")
    assert {"image d (run r2)", "image e (run r2)"} <= tampered.named("bytes")


def test_ledgers_that_claim_too_little_are_named(tampered):
    names = {f"image {name} (run r3)" for name in ("cheap", "unknown", "wordy")}
    assert tampered.named("mechanism") == names
    assert tampered.named("guarantee") == {"image wordy (run r3)"}


def test_spending_above_a_cap_is_named(tampered):
    assert "image_id=dear" in tampered.named("cap")
    assert not {"image_id=a", "sequence_id=s1"} & tampered.named("cap")


def test_metadata_is_named(tampered):
    assert "image exif (run r3)" in tampered.named("sample")


def test_runs_that_do_not_match_are_named(tampered):
    assert {"run r1", "run r2"} <= tampered.named("run")  # an image is missing; the run's own row is


def test_the_report_begins_with_the_violations(tampered):
    text = page(tampered.found)
    assert text.index("removed by snapshot") < text.index("images released")


def test_a_data_file_that_was_rewritten_is_named_and_not_read(tampered):
    (file, *_) = tampered.folder.rglob("run_id=r3/status=released/*.parquet")
    pq.write_table(pq.ParquetFile(file).read().slice(1), file)
    (file.parent / f".{file.name}.crc").unlink(missing_ok=True)
    found = audit(tampered.lake, "here")
    assert [file.name in v.subject for v in found.violations if v.check == "file"] == [True]
    assert found.total.images == 0
    assert "violation" in page(found)


def test_a_place_without_a_lake_says_so(spark, tmp_path):
    with pytest.raises(LakeError, match="no released table"):
        audit(open_lake(spark.newSession(), tmp_path.as_uri()), "there")
