from datetime import UTC, datetime, timedelta

import pytest

from deid_udf.errors import PublishConflict, UsageError
from deid_udf.lake.cleanup import LEASE, _is_dead
from deid_udf.lake.publish import own_snapshots
from deid_udf.lake.snapshots import RUN_ID, History, Snapshot
from deid_udf.lake.write import Attempt, branch_age, branch_name, is_run_branch, run_of

NOW = datetime.now(UTC).replace(microsecond=0)


def history(parents: dict[int, int | None], heads: dict[str, int], runs: dict[int, str] | None = None) -> History:
    runs = runs or {}
    return History({i: Snapshot(i, p, NOW, {RUN_ID: runs[i]} if i in runs else {}) for i, p in parents.items()}, heads)


def attempt(branch: str = "b", base: int = 1) -> Attempt:
    return Attempt(None, "night", None, base, NOW, branch, {})  # type: ignore[arg-type]


def test_branch_names_carry_run_and_moment():
    started = datetime.now(UTC) - timedelta(hours=1)
    name = branch_name("night_1-a", started)
    assert is_run_branch(name)
    assert run_of(name) == "night_1-a"
    assert timedelta(minutes=59) < branch_age(name) < timedelta(minutes=61)
    assert name != branch_name("night_1-a", started)
    assert not is_run_branch("main")


@pytest.mark.parametrize("run_id", ["", "a/b", "..", "_a", "a b", "x" * 65, "a'b", "a`b", "A", "a.b"])
def test_run_ids_that_would_break_names(run_id):
    with pytest.raises(UsageError, match="run id"):
        branch_name(run_id, NOW)


def test_what_no_branch_reaches():
    past = history({1: None, 2: 1, 3: 1, 4: 3}, {"main": 2})
    assert [s.id for s in past.published] == [2, 1]
    assert {s.id for s in past.unreferenced} == {3, 4}


def test_a_branch_is_the_attempts_own_only_from_its_base():
    runs = {2: "night", 3: "night"}
    grown = own_snapshots(attempt(), history({1: None, 2: 1, 3: 2, 4: 3}, {"main": 1, "b": 4}, runs))
    assert [s.id for s in grown] == [4, 3, 2]
    for broken in (
        history({1: None}, {"main": 1}),  # dropped
        history({1: None}, {"main": 1, "b": 1}, runs),  # emptied
        history({1: None, 2: 1, 3: 2}, {"main": 2, "b": 3}, {2: "other", 3: "night"}),  # grown anew from a later main
        history({5: None, 6: 5}, {"main": 5, "b": 6}, {6: "night"}),  # from elsewhere
    ):
        with pytest.raises(PublishConflict):
            own_snapshots(attempt(), broken)


def test_which_branches_are_dead():
    young, old = branch_name("other", NOW), branch_name("other", NOW - LEASE - timedelta(minutes=1))
    mine = branch_name("night", NOW)
    state = history({1: None, 2: 1, 3: 1}, {"main": 2, young: 2, old: 2, mine: 2, "keep": 1})
    assert [name for name in state.heads if _is_dead(name, "night", state)] == [old, mine]
    moved = history({1: None, 2: 1, 3: 1}, {"main": 2, young: 3})
    assert _is_dead(young, "night", moved)
