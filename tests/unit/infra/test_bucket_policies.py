"""The bucket policies, asked what they would answer: each role gets its work done and nothing more."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path("infra/s3/policies")
ROLES = sorted(file.stem for file in FOLDER.glob("*.json"))
BUCKETS = ("records", "lake", "models", "export", "reports")


def allowed(role: str, action: str, bucket: str, key: str | None = "a/b", *, tls: bool = True) -> bool:
    """AWS's evaluation, as far as these files use it: an explicit deny wins, else there must be an allow."""
    arn = f"arn:aws:s3:::example-deid-{bucket}" + (f"/{key}" if key else "")
    answer = False
    for statement in json.loads((FOLDER / f"{role}.json").read_text())["Statement"]:
        condition = statement.get("Condition", {"Bool": {"aws:SecureTransport": str(tls).lower()}})
        (operator, test), *rest = condition.items()
        assert operator == "Bool" and not rest, "the evaluator knows no other condition"
        if not _matches(action, statement["Action"]) or not _matches(arn, statement["Resource"]):
            continue
        if test["aws:SecureTransport"] != str(tls).lower():
            continue
        if statement["Effect"] == "Deny":
            return False
        answer = True
    return answer


def _matches(value: str, patterns: str | list[str]) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(re.fullmatch(re.escape(p).replace(r"\*", ".*").replace(r"\?", "."), value) for p in listed)


def test_there_is_one_for_each_role():
    assert ROLES == ["auditor", "ingest", "reader", "writer"]


@pytest.mark.parametrize("role", ROLES)
def test_every_statement_is_complete_and_no_allowance_has_a_wildcard(role):
    document = json.loads((FOLDER / f"{role}.json").read_text())
    assert document["Version"] == "2012-10-17"
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(sids) == len(set(sids))
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            assert all(re.fullmatch(r"s3:[A-Za-z]+", action) for action in statement["Action"])
            assert all(re.fullmatch(r"arn:aws:s3:::example-[a-z-]+(/\*)?", r) for r in statement["Resource"])


WORK = {
    "ingest": {("s3:PutObject", "records"), ("s3:DeleteObject", "records"), ("s3:GetObject", "records")},
    "writer": {
        ("s3:GetObject", "records"),
        ("s3:GetObject", "models"),
        ("s3:GetObject", "lake"),
        ("s3:PutObject", "lake"),
        ("s3:DeleteObject", "lake"),
        ("s3:PutObject", "export"),
    },
    "auditor": {
        ("s3:GetObject", "lake"),
        ("s3:GetObject", "models"),
        ("s3:GetObject", "export"),
        ("s3:PutObject", "reports"),
    },
    "reader": {("s3:GetObject", "export"), ("s3:GetObject", "reports")},
}
ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_can_do_its_work_and_touch_no_other_object(role):
    granted = {(action, bucket) for action in ACTIONS for bucket in BUCKETS if allowed(role, action, bucket)}
    assert granted == WORK[role]


@pytest.mark.parametrize("role", ROLES)
def test_nobody_may_change_a_bucket_or_the_rights_to_it(role):
    for action in ("PutBucketPolicy", "DeleteBucket", "PutBucketAcl", "PutLifecycleConfiguration"):
        assert not any(allowed(role, f"s3:{action}", bucket, None) for bucket in BUCKETS)
    for action in ("PutObjectAcl", "BypassGovernanceRetention", "DeleteObjectVersion"):
        assert not any(allowed(role, f"s3:{action}", bucket) for bucket in BUCKETS)


@pytest.mark.parametrize("role", ROLES)
def test_without_tls_nothing_is_answered(role):
    assert any(allowed(role, action, bucket) for action, bucket in WORK[role])
    assert not any(allowed(role, action, bucket, tls=False) for action, bucket in WORK[role])


def test_originals_are_seen_by_ingest_and_the_job_alone():
    assert [role for role in ROLES if allowed(role, "s3:GetObject", "records")] == ["ingest", "writer"]
    assert [role for role in ROLES if allowed(role, "s3:ListBucket", "records", None)] == ["ingest", "writer"]
