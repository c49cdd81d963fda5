import hashlib
import json

from pyspark.sql import Row

from deid_udf.lake.checks import policies_of
from deid_udf.models import ROOT
from deid_udf.policy import load_policy


def test_a_policy_that_was_edited_is_named():
    policy = load_policy(ROOT / "conf/policy/street.yaml")
    good = Row(run_id="r1", policy_hash=policy.hash, policy=policy.canonical())
    edited = Row(
        run_id="r2", policy_hash=policy.hash, policy=policy.canonical().replace('"image":"64"', '"image":"640"')
    )
    broken = Row(run_id="r3", policy_hash=policy.hash, policy="{}")
    policies, found = policies_of([good, edited, broken])
    assert policies == {policy.hash: policy}  # caps are checked against what was hashed
    assert [violation.subject for violation in found] == ["run r2", "run r3"]


def test_a_policy_of_an_earlier_version_keeps_its_hash():
    told = json.loads(load_policy(ROOT / "conf/policy/street.yaml").canonical())
    del told["detection"]["merge_iou"]  # a setting that came later
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    policies, found = policies_of([Row(run_id="r1", policy_hash=digest, policy=text)])
    assert (list(policies), found) == ([digest], [])
