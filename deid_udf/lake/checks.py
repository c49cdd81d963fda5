"""What must hold in published tables, checked from them alone. Every breach is a row with its evidence.

Checked are the rows against themselves (bytes, hashes, sums), against the mechanisms that they name, against the
policies' caps at every release in history. Iceberg's history, and what other tables say, is `check_history.py`.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pandas as pd
from py4j.protocol import Py4JJavaError
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from deid_udf.errors import PolicyError
from deid_udf.lake.allowances import EPSILON_TYPE, of_scopes, spent_by
from deid_udf.lake.gate import violations as violations_of_row
from deid_udf.lake.session import Lake
from deid_udf.lake.snapshots import iceberg_table
from deid_udf.lake.spending import Event, Spend, by_hash
from deid_udf.lake.tables import RELEASED
from deid_udf.ledger import to_decimal
from deid_udf.policy import Policy, parse_policy
from deid_udf.privacy import Event as MechanismEvent
from deid_udf.privacy import UnknownEvent, mechanism_from_event
from deid_udf.schema import Status

MOST = 100  # rows that one check names
REQUESTS = 16  # at once, to the store
KEY = ["image_id", "content_sha256", "policy_hash"]
_WIDE = "decimal(37,18)"  # two of these add up to DECIMAL(38, 18) exactly; two DECIMAL(38, 18) are rounded


@dataclass(frozen=True, slots=True)
class Violation:
    """One breach.

    Attributes:
        check: which rule.
        subject: what breaks it: an image, a run, a scope, a snapshot.
        evidence: what was found, and what should have been.
    """

    check: str
    subject: str
    evidence: str


def policies_of(runs: Iterable[Row]) -> tuple[dict[str, Policy], list[Violation]]:
    """The policies in force by hash, and those whose text is not what was hashed."""
    policies: dict[str, Policy] = {}
    broken = []
    for run in runs:
        try:
            policy = parse_policy(run["policy"], f"run {run['run_id']}")
        except PolicyError as error:
            broken.append(Violation("policy", f"run {run['run_id']}", str(error).splitlines()[0]))
            continue
        # Of the text as it was written: a later version of this code may fill in settings that it did not have.
        digest = hashlib.sha256(run["policy"].encode()).hexdigest()
        if digest == run["policy_hash"]:
            policies[digest] = policy
        else:
            evidence = f"its text has hash {digest}, the run says {run['policy_hash']}"
            broken.append(Violation("policy", f"run {run['run_id']}", evidence))
    return policies, broken


def check_files(lake: Lake, snapshot_id: int) -> list[Violation]:
    """The data files are there, and as long as when they were committed."""
    files = lake.spark.read.option("versionAsOf", snapshot_id).table(f"{lake.table(RELEASED)}.files")
    rows = files.select("file_path", "file_size_in_bytes").collect()
    store = iceberg_table(lake).io()
    with ThreadPoolExecutor(REQUESTS) as pool:
        sizes = list(pool.map(lambda row: _size(store, row["file_path"]), rows))
    found = []
    for row, size in zip(rows, sizes, strict=True):
        if size != row["file_size_in_bytes"]:
            told = "it is gone, or out of reach" if size is None else f"it has {size} bytes"
            evidence = f"{told}, {row['file_size_in_bytes']} were committed; no row can be trusted, none was read"
            found.append(Violation("file", row["file_path"], evidence))
    return found[:MOST]


def check_rows(released: DataFrame, policies: Mapping[str, Policy]) -> list[Violation]:
    """Each row against itself: bytes and hashes, sums and largest, copies, guarantee words, its policy."""
    spent, words = F.col("objects.epsilon"), F.col("objects.guarantee")  # an object's other fields stay unread
    total = F.aggregate(spent, _wide(F.lit(0)), lambda a, e: _wide(a + _wide(e)))
    largest = F.array_max(spent)
    unbounded = F.exists(spent, lambda e: e.isNull())
    strict = [h for h, policy in policies.items() if not policy.experiment]
    rules: list[tuple[str, Column]] = [
        ("status", F.col("status") != str(Status.RELEASED)),
        ("bytes", F.col("protected").isNull()),
        ("bytes", F.sha2("protected", 256) != F.col("output_sha256")),
        ("original", (F.size(spent) > 0) & (F.col("output_sha256") == F.col("content_sha256"))),
        ("ledger", spent.isNull()),
        ("total", ~F.col("epsilon_total").eqNullSafe(total.cast(EPSILON_TYPE))),
        ("largest", ~F.col("epsilon_max").eqNullSafe(F.when(~unbounded, F.coalesce(largest, _zero())))),
        ("copy", F.col("copy_of").isNotNull() & (F.size(spent) > 0)),
        ("policy", ~F.col("policy_hash").isin(list(policies))),
        ("guarantee", F.col("policy_hash").isin(strict) & F.exists(words, lambda w: w == "none")),
    ]
    evidence = {
        "status": F.concat(F.lit("status "), F.col("status")),
        "bytes": F.concat(F.lit("its bytes have sha256 "), F.coalesce(F.sha2("protected", 256), F.lit("(none)")),
                          F.lit(", its row says "), F.coalesce("output_sha256", F.lit("(none)"))),
        "original": F.lit("it has regions, but its bytes are the original's"),
        "ledger": F.lit("it has no ledger"),
        "total": F.concat(F.lit("its row says ε "), _text("epsilon_total"), F.lit(", its objects add up to "),
                          _text(total)),
        "largest": F.concat(F.lit("its row says at most ε "), _text("epsilon_max"), F.lit(" an object, it is "),
                            _text(largest)),
        "copy": F.lit("a copy that spends"),
        "policy": F.concat(F.lit("no run knows its policy "), F.col("policy_hash")),
        "guarantee": F.lit("an object without guarantee under a policy that is no experiment"),
    }  # fmt: skip
    names = F.filter(F.array(*(F.when(broken, F.lit(name)) for name, broken in rules)), lambda n: n.isNotNull())
    told = F.create_map(*(part for name, text in evidence.items() for part in (F.lit(name), text)))
    found = released.withColumn("_names", F.array_distinct(names)).where(F.size("_names") > 0)
    found = found.select(subject(), F.explode("_names").alias("name"), told.alias("told"))
    return [Violation(r["name"], r["subject"], r["told"][r["name"]]) for r in found.limit(MOST).collect()]


def check_once(released: DataFrame) -> list[Violation]:
    """No image twice under one policy."""
    # By a hash first, which is short to shuffle: it may find too many, and misses none.
    whole = released.select(*KEY, F.xxhash64(*KEY).alias("_key"))
    suspects = by_hash(whole.select("_key"), "_key").groupBy("_key").count().where("count > 1")
    if suspects.isEmpty():
        return []
    twice = whole.join(suspects, "_key", "left_semi").groupBy(*KEY).count().where("count > 1").limit(MOST).collect()
    return [Violation("once", f"image {row['image_id']}", f"released {row['count']} times") for row in twice]


def check_events(released: DataFrame, events: Sequence[Event]) -> list[Violation]:
    """Every object's ε is its mechanism's worst case (nothing, where the draw was memoised), and so is its word."""
    found = []
    for event in events:
        wrong = _wrong_with(event)
        if wrong:
            subjects = _images_with(released, event)
            found += [Violation("mechanism", subject, wrong) for subject in subjects]
    return found[:MOST]


def caps_of(policies: Mapping[str, Policy]) -> dict[tuple[str, ...], dict[str, Decimal]]:
    """What may be spent: scope columns → policy hash → cap. An image's own cap is its id's and its content's."""
    caps: dict[tuple[str, ...], dict[str, Decimal]] = {}
    for digest, policy in policies.items():
        for scope in policy.budget.scopes:
            caps.setdefault(scope.columns, {})[digest] = scope.cap
        if policy.budget.image is not None:
            for column in ("image_id", "content_sha256"):
                caps.setdefault((column,), {})[digest] = policy.budget.image
    return caps


def check_caps(
    released: DataFrame,
    erased: DataFrame | None,
    caps: Mapping[tuple[str, ...], Mapping[str, Decimal]],
    spends: Mapping[tuple[str, ...], Sequence[Spend]],
) -> list[Violation]:
    """No scope above the cap of the policy under which it grew, at any release in history.

    Args:
        released: published rows.
        erased: rows that were erased, as `erasures.erased_rows` tells; None is none.
        caps: as `caps_of` says.
        spends: columns → the scopes that spent most of all: where the first is within every cap, all are.
    """
    found: list[Violation] = []
    for columns, by_policy in caps.items():
        if any(spend.spent is None or spend.spent > min(by_policy.values()) for spend in spends[columns]):
            found += _over(released, erased, columns, by_policy)
    return found[:MOST]


def check_sample(released: DataFrame, policies: Mapping[str, Policy], size: int, seed: int) -> list[Violation]:
    """A sample through all that the release gate checks of an image, metadata included."""
    texts = {digest: policy.canonical() for digest, policy in policies.items()}

    def check_batches(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        known = {digest: parse_policy(text) for digest, text in texts.items()}
        for batch in batches:
            records: list[dict[str, Any]] = batch.to_dict("records")  # type: ignore[assignment]
            rows = [(row, known.get(row["policy_hash"])) for row in records]
            wrong = [
                (f"image {row['image_id']} (run {row['run_id']})", line)
                for row, policy in rows
                if policy is not None
                for line in violations_of_row(row, policy)
            ]
            yield pd.DataFrame(wrong, columns=["subject", "wrong"])

    found = sample_of(released, size, seed).mapInPandas(check_batches, "subject string, wrong string")
    return [Violation("sample", row["subject"], row["wrong"]) for row in found.limit(MOST).collect()]


def sample_of(released: DataFrame, size: int, seed: int) -> DataFrame:
    """Some rows, drawn by hash: another sample for another seed. Files that hold none of them are not read again."""
    drawn = released.select(*KEY, "run_id").orderBy(F.xxhash64(F.lit(seed), *KEY)).limit(size).collect()
    runs, contents = (sorted({row[name] for row in drawn}) for name in ("run_id", "content_sha256"))
    near = released.where(F.col("run_id").isin(runs) & F.col("content_sha256").isin(contents))
    keys = released.sparkSession.createDataFrame([tuple(row) for row in drawn], released.select(*KEY, "run_id").schema)
    return near.join(F.broadcast(keys), [*KEY, "run_id"], "left_semi")


def _wrong_with(event: Event) -> str:
    try:
        mechanism = mechanism_from_event(MechanismEvent(event.mechanism, event.version, event.parameters))
    except UnknownEvent as error:
        return str(error)
    owed = Decimal(0) if event.memoised else to_decimal(mechanism.worst_case)
    if event.epsilon != owed:
        return f"{event.mechanism} is charged ε {event.epsilon}, its parameters say {owed}"
    if event.guarantee != mechanism.guarantee:
        return f"{event.mechanism} is called {event.guarantee!r}, it is {str(mechanism.guarantee)!r}"
    if event.epsilon_unit != to_decimal(mechanism.epsilon_unit):
        return f"{event.mechanism} says ε {event.epsilon_unit} a unit, it is {to_decimal(mechanism.epsilon_unit)}"
    return ""


def _images_with(released: DataFrame, event: Event) -> list[str]:
    def same(entry: Column) -> Column:
        return (
            (entry["mechanism"] == event.mechanism)
            & (entry["version"] == event.version)
            & entry["guarantee"].eqNullSafe(F.lit(event.guarantee))
            & entry["epsilon"].eqNullSafe(F.lit(event.epsilon).cast(EPSILON_TYPE))
            & entry["epsilon_unit"].eqNullSafe(F.lit(event.epsilon_unit).cast(EPSILON_TYPE))
            & (entry["memo_of"].isNotNull() == F.lit(event.memoised))
            & (F.size(entry["parameters"]) == len(event.parameters))
            & F.forall(
                F.map_entries(entry["parameters"]),
                lambda p: F.coalesce(F.element_at(known, p["key"]) == p["value"], F.lit(False)),
            )
        )

    pairs = [F.lit(text) for pair in event.parameters.items() for text in pair]
    known = F.create_map(*pairs) if pairs else F.expr("map('', '')")
    rows = released.where(F.exists("objects", same)).select(subject()).limit(MOST)
    return [row["subject"] for row in rows.collect()]


def _over(
    released: DataFrame, erased: DataFrame | None, columns: Sequence[str], caps: Mapping[str, Decimal]
) -> list[Violation]:
    """Cumulative spend of each scope, release by release, against the cap of the policy of that release."""
    # Spent in all, by a hash of the scope: whoever was ever above a cap is among those above the least one now.
    least = F.lit(min(caps.values())).cast(EPSILON_TYPE)
    spent = [*columns, "released_at", "policy_hash", "epsilon_total"]
    rows = released.select(*spent)
    if erased is not None:
        rows = rows.unionByName(of_scopes(erased, rows.select(*columns).distinct(), columns).select(*spent))
    rows = rows.withColumn("_scope", F.xxhash64(*columns))
    suspects = spent_by(rows, ["_scope"]).where(F.col("_unbounded") | (F.col("_spent") > least))
    rows = rows.join(suspects, "_scope", "left_semi")
    limits = F.create_map(*(F.lit(part) for digest, cap in caps.items() for part in (digest, cap)))
    releases = rows.groupBy(*columns, "released_at", "policy_hash").agg(
        F.sum("epsilon_total").alias("spent"), F.count_if(F.col("epsilon_total").isNull()).alias("unbounded")
    )
    so_far = Window.partitionBy(*columns).orderBy("released_at").rangeBetween(Window.unboundedPreceding, 0)
    grown = releases.select(
        *columns,
        "released_at",
        F.element_at(limits, F.col("policy_hash")).alias("cap"),
        F.sum("spent").over(so_far).alias("so_far"),
        (F.sum("unbounded").over(so_far) > 0).alias("unbounded"),
        ((F.col("spent") > 0) | (F.col("unbounded") > 0)).alias("grew"),
    )
    over = grown.where("grew and cap is not null and (unbounded or so_far > cap)").limit(MOST).collect()
    return [
        Violation(
            "cap",
            ", ".join(f"{c}={row[c]}" for c in columns),
            f"ε {'unbounded' if row['unbounded'] else format(row['so_far'].normalize(), 'f')} "
            f"on {row['released_at']:%Y-%m-%d %H:%M}, its cap is {format(row['cap'].normalize(), 'f')}",
        )
        for row in over
    ]


def _size(store: Any, path: str) -> int | None:
    try:
        size: int = store.newInputFile(path).getLength()
    except Py4JJavaError:
        return None
    return size


def subject() -> Column:
    """Names a row of `released` in a violation."""
    return F.concat(F.lit("image "), F.col("image_id"), F.lit(" (run "), F.col("run_id"), F.lit(")")).alias("subject")


def _text(value: str | Column) -> Column:
    column = F.col(value) if isinstance(value, str) else value
    return F.coalesce(F.regexp_replace(column.cast("string"), r"\.?0+$", ""), F.lit("unbounded"))


def _wide(value: Column) -> Column:
    return value.cast(_WIDE)


def _zero() -> Column:
    return F.lit(Decimal(0)).cast(EPSILON_TYPE)
