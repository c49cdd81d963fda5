"""The one step that publishes: fast-forward `main` to the branch, or find that another run was first.

Iceberg's fast-forward is a compare-and-swap on the table's metadata, and it is the only thing that keeps two runs from
spending one cap twice: whoever comes second was decided on a state that is no longer `main`.
"""

from deid_udf.errors import PublishConflict
from deid_udf.lake.snapshots import MAIN, History, Snapshot, change_branches
from deid_udf.lake.write import Attempt


def own_snapshots(attempt: Attempt, history: History) -> list[Snapshot]:
    """The attempt's snapshots, newest first, if its branch still stands on the state it was decided on.

    Raises:
        PublishConflict: another run took the branch away (an append would then grow it anew from elsewhere).
    """
    grown = history.grown_from(attempt.branch, attempt.base)
    written = [s.run_id for s in grown if s.run_id is not None]
    if not written or set(written) != {attempt.run_id}:
        raise PublishConflict("another run took this run's branch away; nothing was released, run it again")
    return grown


def publish(attempt: Attempt, head: int) -> None:
    """Make `head`, the branch's checked state, what readers of `main` see.

    Raises:
        PublishConflict: `main` is no longer the state that the run was decided on.
    """

    def done(history: History) -> bool:
        if head in (s.id for s in history.published):
            return True
        if history.main != attempt.base or history.heads.get(attempt.branch) != head:
            raise PublishConflict("another run published first; nothing was released, run it again")
        return False

    change_branches(attempt.lake, lambda branches: branches.fastForwardBranch(MAIN, attempt.branch), done)
