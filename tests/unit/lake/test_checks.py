from decimal import Decimal

import pytest
from pyspark.sql import Row

from deid_udf.lake.checks import Violation, check_runs, policies_of
from deid_udf.lake.spending import Spend
from deid_udf.models import ROOT
from deid_udf.policy import load_policy


def _run(run_id="r1", **changes):
    told = {"run_id": run_id, "snapshot_id": 1, "released": 2, "quarantined": 1, "objects": 3, "epsilon": Decimal(16)}
    return Row(**(told | changes))


def _spend(run_id="r1", images=2, objects=3, epsilon=Decimal(16)):
    return Spend({"run_id": run_id}, images, objects, epsilon, epsilon)


def test_runs_that_say_what_the_tables_hold_pass():
    assert check_runs([_spend()], [_run()], {1: 1}) == []
    two = [_run(released=1, objects=1, epsilon=Decimal(8)), _run(released=1, objects=2, epsilon=Decimal(8))]
    assert check_runs([_spend()], two, {1: 1}) == []  # two attempts of one run


@pytest.mark.parametrize(
    ("spend", "run", "quarantined", "evidence"),
    [
        (_spend(images=1), _run(), 1, "1 images, it says 2"),
        (_spend(epsilon=Decimal(15)), _run(), 1, "15 ε, it says 16"),
        (_spend(epsilon=None), _run(), 1, "None ε, it says 16"),
        (_spend(), _run(), 0, "0 quarantined images, it says 1"),
    ],
)
def test_runs_that_say_something_else_are_named(spend, run, quarantined, evidence):
    assert check_runs([spend], [run], {1: quarantined}) == [Violation("run", "run r1", evidence)]


def test_rows_of_no_run_and_runs_without_rows_are_named():
    found = check_runs([_spend("stray")], [_run("gone", quarantined=0)], {})
    assert {violation.subject for violation in found} == {"run stray", "run gone"}


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
