from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pyspark.sql import Row

from deid_udf.lake.check_history import check_runs
from deid_udf.lake.checks import Violation
from deid_udf.lake.erasures import Erased, Erasure
from deid_udf.lake.spending import Spend


def _run(run_id="r1", **changes):
    told = {"run_id": run_id, "snapshot_id": 1, "released": 2, "quarantined": 1, "objects": 3, "epsilon": Decimal(16)}
    return Row(**(told | changes))


def _spend(run_id="r1", images=2, objects=3, epsilon=Decimal(16)):
    return Spend({"run_id": run_id}, images, objects, epsilon, epsilon)


def test_runs_that_say_what_the_tables_hold_pass():
    assert check_runs([_spend()], [_run()], {1: 1}, []) == []
    two = [_run(released=1, objects=1, epsilon=Decimal(8)), _run(released=1, objects=2, epsilon=Decimal(8))]
    assert check_runs([_spend()], two, {1: 1}, []) == []  # two attempts of one run


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
    assert check_runs([spend], [run], {1: quarantined}, []) == [Violation("run", "run r1", evidence)]


def test_rows_of_no_run_and_runs_without_rows_are_named():
    found = check_runs([_spend("stray")], [_run("gone", quarantined=0)], {}, [])
    assert {violation.subject for violation in found} == {"run stray", "run gone"}


def test_what_was_erased_counts_as_released():
    def gone(run_id, epsilon):
        row = Erased("0" * 64, "1" * 64, run_id, "ab" * 32, 1, epsilon)
        return Erasure(7, datetime(2026, 11, 25, tzinfo=UTC), "a judge", "order 12", (row,))

    left = _spend(images=1, objects=2, epsilon=Decimal(8))
    assert check_runs([left], [_run()], {1: 1}, [gone("r1", Decimal(8))]) == []
    assert check_runs([left], [_run(epsilon=None)], {1: 1}, [gone("r1", None)]) == []
    assert check_runs([], [_run(released=1, objects=1)], {1: 1}, [gone("r1", Decimal(16))]) == []
    elsewhere = check_runs([left], [_run()], {1: 1}, [gone("r9", Decimal(8))])
    assert {violation.subject for violation in elsewhere} == {"run r1", "run r9"}
