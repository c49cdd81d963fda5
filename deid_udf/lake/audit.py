"""The audit: what was spent, what is left, and whether the published tables are what they claim, from them alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import repeat
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from deid_udf.errors import LakeError
from deid_udf.lake import checks, spending
from deid_udf.lake.check_history import check_erasures, check_exported, check_history, check_runs
from deid_udf.lake.checks import Violation
from deid_udf.lake.erasures import Erasure, erased_rows, read_erasures, spent_in
from deid_udf.lake.rescan import Rescan, rescan
from deid_udf.lake.select import ROWS_A_TASK
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import read_history
from deid_udf.lake.spending import Event, Spend
from deid_udf.lake.tables import QUARANTINE, RELEASED, RUNS, exists
from deid_udf.ledger import to_decimal
from deid_udf.metrics.measured import Known, known_recall, read_measurements
from deid_udf.policy import Policy
from deid_udf.privacy import Event as MechanismEvent
from deid_udf.privacy import Mechanism, MixedGuarantees, PlainSum, Pld, UnknownEvent, mechanism_from_event

DELTAS = (Fraction(1, 10**6), Fraction(1, 10**9))
SAMPLE = 64  # images that go through the gate's checks again
AGAIN = 16  # images that a nightly audit looks at again
_SCOPES = 50  # scopes that are listed, of each kind
_DAILY = 5  # scopes whose spending is told day by day, of each kind
_COMPOSED = 5  # scopes whose ε is composed by the PLD accountant
_MOST_RELEASES = 10_000  # beyond it, composing a scope takes minutes


@dataclass(frozen=True, slots=True)
class Composed:
    """One scope's cost by two accountants.

    Attributes:
        scope: its columns.
        releases: charged objects.
        plain: the plain sum; None is unbounded.
        pld: δ → ε by privacy loss distributions; None where unbounded or too many releases.
        guarantee: the weakest word.
        mixed: `metric` releases stand among `pure` ones at their worst case.
    """

    scope: Mapping[str, str | None]
    releases: int
    plain: Decimal | None
    pld: Mapping[str, Decimal | None]
    guarantee: str
    mixed: bool


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found, as of one published snapshot.

    Attributes:
        location: the lake.
        run_id: the run that the sums are restricted to, or None; checks are always of everything.
        at: when.
        snapshot_id: the published state that was read.
        total: everything.
        by_run, by_day: ε by run and by day of release.
        scopes: cap columns, joined by "+" → the scopes that spent most.
        caps: cap columns → the scopes with least left of the newest policy's cap.
        spent: cap columns → what the first few of these spent day by day, images apart.
        events: objects by treatment.
        images: how many images spent how much.
        top_images: those that spent most.
        composed: the scopes that spent most, by two accountants.
        runs: as in the table, newest first.
        policies: policy hash → canonical text.
        recall: policy hash → what is known of its detectors' recall, beside ε since ε does not cover what they miss.
        rescan: how much was looked at again.
        quarantined: reason → images.
        erasures: what was taken out again by order, oldest first.
        violations: all breaches; empty is what a reader hopes for.
    """

    location: str
    run_id: str | None
    at: datetime
    snapshot_id: int
    total: Spend
    by_run: list[Spend]
    by_day: list[Spend]
    scopes: dict[str, list[Spend]]
    caps: dict[str, list[dict[str, Any]]]
    spent: dict[str, list[Spend]]
    events: list[Event]
    images: list[tuple[Decimal | None, int]]
    top_images: list[Spend]
    composed: list[Composed]
    runs: list[dict[str, Any]]
    policies: dict[str, str]
    recall: dict[str, list[Known]]
    rescan: Rescan
    quarantined: dict[str, int]
    erasures: list[Erasure]
    violations: list[Violation]

    def as_dict(self) -> dict[str, Any]:
        """Plain lists and mappings; decimals and times stay what they are."""
        return asdict(self)


def audit(
    lake: Lake,
    location: str,
    run_id: str | None = None,
    *,
    sample: int = SAMPLE,
    again: int = 0,
    records: DataFrame | None = None,
    exported: str | None = None,
) -> Audit:
    """Audit a lake.

    Args:
        lake: an opened lake.
        location: its name in the report.
        run_id: restricts the sums to one run; None is all of them.
        sample: how many images go through the gate's checks again.
        again: how many images are looked at again by the detectors of their policy, which takes their models.
        records: image records that may hold some originals, for the second look to compare with.
        exported: where `export` put the images; none of them may be one that was erased.

    Raises:
        LakeError: no released table there, or no such run.
    """
    if not exists(lake):
        raise LakeError(f"{location}: no released table; has a run published here?")
    history = read_history(lake)
    erasures = read_erasures(lake, history)
    runs = lake.spark.table(lake.table(RUNS)).orderBy(F.desc("finished_at")).collect()
    known = list(dict.fromkeys(run["run_id"] for run in runs))
    if run_id is not None and run_id not in known:
        raise LakeError(f"{location}: no run {run_id!r}; there are {', '.join(known[:10]) or 'none'}")

    # Spark's fixed 200 partitions would cost a small lake most of its time.
    rows = int(history.snapshots[history.main].summary.get("total-records", 0))
    tasks = max(lake.spark.sparkContext.defaultParallelism, rows // ROWS_A_TASK)
    lake.spark.conf.set("spark.sql.shuffle.partitions", tasks)
    released = lake.spark.read.option("versionAsOf", history.main).table(lake.table(RELEASED))
    broken = checks.check_files(lake, history.main)
    if broken:  # nothing that would be read from there means anything
        released = released.limit(0)
    policies, wrong_policies = checks.policies_of(runs)
    caps, columns = checks.caps_of(policies), _scope_columns(policies.values())
    newest = policies.get(runs[0]["policy_hash"]) if runs else None
    everything = {
        c: spending.by_scope(released, c, _SCOPES, spent_in(erasures, c))
        for c in dict.fromkeys([*columns, ("image_id",), *caps])
    }
    amounts, events = spending.by_amount(released), spending.by_event(released)
    rescanned, found_again = rescan(released, policies, again, history.main, records)
    violations = broken or [
        *wrong_policies,
        *check_runs(spending.by_time(amounts)["run"], runs, _quarantined_by_write(lake), erasures),
        *check_history(lake, history, runs),
        *check_erasures(released, history, erasures),
        *(check_exported(exported, erasures) if exported else ()),
        *checks.check_rows(released, policies),
        *checks.check_once(released),
        *checks.check_events(released, events),
        *checks.check_caps(released, erased_rows(lake, erasures, runs), caps, everything),
        *checks.check_sample(released, policies, sample, history.main),
        *found_again,
    ]
    chosen, spends = released, everything
    if run_id is not None:
        chosen = released.where(F.col("run_id") == run_id)
        amounts, events = spending.by_amount(chosen), spending.by_event(chosen)
        spends = {c: spending.by_scope(chosen, c, _SCOPES) for c in [*columns, ("image_id",)]}
    capped = _scope_columns([newest]) if newest else []
    time = spending.by_time(amounts)
    return Audit(
        location=location,
        run_id=run_id,
        at=datetime.now(UTC),
        snapshot_id=history.main,
        total=next(iter(time["all"]), Spend({}, 0, 0, Decimal(0), Decimal(0))),
        by_run=time["run"],
        by_day=time["day"],
        scopes={"+".join(c): spends[c] for c in columns},
        caps={"+".join(c): spending.caps_left(everything[c], cap) for c, cap in _caps(newest).items()},
        spent={"+".join(c): spending.by_day(released, everything[c][:_DAILY], c) for c in capped},
        events=events,
        images=spending.distribution(amounts),
        top_images=spends["image_id",],
        composed=[c for name in columns for c in compose(chosen, spends[name][:_COMPOSED], name)],
        runs=[run.asDict() for run in runs],
        policies={digest: policy.canonical() for digest, policy in policies.items()},
        recall=_recall(policies, runs),
        rescan=rescanned,
        quarantined=_quarantined(lake, run_id),
        erasures=erasures,
        violations=violations,
    )


def compose(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> list[Composed]:
    """Scopes by two accountants: as if everything in a scope were about one person."""
    if not spends:
        return []
    charged: dict[tuple[str | None, ...], list[tuple[Mechanism, int]]] = {}
    for row in spending.events_of(released, spends, columns):
        event = MechanismEvent(row["mechanism"], row["version"], spending.parameters_of(row))
        try:
            mechanism = mechanism_from_event(event)
        except UnknownEvent:
            continue  # a violation of its own
        charged.setdefault(tuple(row[c] for c in columns), []).append((mechanism, row["count"]))
    return [_composed(spend, charged.get(tuple(spend.key[c] for c in columns), [])) for spend in spends]


def _composed(spend: Spend, charged: Sequence[tuple[Mechanism, int]]) -> Composed:
    releases = [m for mechanism, count in charged for m in repeat(mechanism, count)]
    names = [f"{float(delta):g}" for delta in DELTAS]
    try:
        plain = PlainSum().compose(releases, metric_at_worst_case=True)
    except MixedGuarantees as error:  # DP-Pix has neighbours of its own
        return Composed(spend.key, len(releases), None, dict.fromkeys(names), str(error), mixed=False)
    pld: dict[str, Decimal | None] = {}
    for delta, name in zip(DELTAS, names, strict=True):
        bounded = plain.epsilon is not None and len(releases) <= _MOST_RELEASES
        cost = Pld(delta).compose(releases, metric_at_worst_case=True).epsilon if bounded else None
        pld[name] = to_decimal(cost)
    return Composed(spend.key, len(releases), to_decimal(plain.epsilon), pld, str(plain.guarantee), plain.mixed)


def _quarantined_by_write(lake: Lake) -> dict[int, int]:
    counts = lake.spark.table(lake.table(QUARANTINE)).groupBy("snapshot_id").count().collect()
    return {row["snapshot_id"]: row["count"] for row in counts}


def _scope_columns(policies: Any) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(scope.columns for policy in policies for scope in policy.budget.scopes))


def _caps(newest: Policy | None) -> dict[tuple[str, ...], Decimal]:
    """The newest policy's caps by scope columns."""
    if newest is None:
        return {}
    caps = {scope.columns: scope.cap for scope in newest.budget.scopes}
    if newest.budget.image is not None:
        caps["image_id",] = newest.budget.image
    return caps


def _recall(policies: Mapping[str, Policy], runs: Sequence[Row]) -> dict[str, list[Known]]:
    measurements = read_measurements()
    weights = {run["policy_hash"]: run["models"] for run in reversed(runs)}  # the newest run's
    return {
        digest: known_recall(policy.detection, weights[digest], measurements) for digest, policy in policies.items()
    }


def _quarantined(lake: Lake, run_id: str | None) -> dict[str, int]:
    rows = lake.spark.table(lake.table(QUARANTINE))
    if run_id is not None:
        rows = rows.where(F.col("run_id") == run_id)
    return {row["reason"]: row["count"] for row in rows.groupBy("reason").count().orderBy("reason").collect()}
