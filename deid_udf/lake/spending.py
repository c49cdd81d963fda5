"""ε that was spent, from published rows alone: by run, day, scope, image and mechanism. Sums are exact decimals."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from deid_udf.lake.allowances import EPSILON_TYPE, scope_hash, spent_by
from deid_udf.schema import EPSILON


@dataclass(frozen=True, slots=True)
class Spend:
    """What one group of images spent.

    Attributes:
        key: the group's name by column; empty for everything.
        images, objects: how many.
        epsilon: Σ over the images; None is unbounded.
        largest: the largest image's Σ; None is unbounded.
        erased: Σ over the scope's images that were erased since, which is spent all the same; None is unbounded.
    """

    key: Mapping[str, str | None]
    images: int
    objects: int
    epsilon: Decimal | None
    largest: Decimal | None
    erased: Decimal | None = Decimal(0)

    @property
    def spent(self) -> Decimal | None:
        """Σ over all images that were ever there; None is unbounded."""
        return add([self.epsilon, self.erased])


@dataclass(frozen=True, slots=True)
class Event:
    """Objects that got the same treatment.

    Attributes:
        kind, outcome, cause, guarantee, noise_source, detector: as in the ledger.
        mechanism, version, parameters: the event that the ledger names.
        epsilon, epsilon_unit: what each was charged.
        memoised: whether they repeat a draw that another object was charged for.
        public: attributes that the policy declares outside the guarantee.
        objects: how many.
    """

    kind: str
    outcome: str
    cause: str
    mechanism: str
    version: int
    parameters: Mapping[str, str]
    guarantee: str
    epsilon: Decimal | None
    epsilon_unit: Decimal | None
    noise_source: str
    detector: str
    memoised: bool
    public: tuple[str, ...]
    objects: int

    @property
    def total(self) -> Decimal | None:
        """Σ over the objects; None is unbounded."""
        return None if self.epsilon is None else self.epsilon * self.objects


def by_amount(released: DataFrame) -> list[Row]:
    """Images by run, day of release and what each of them spent: few groups, for an image's ε is a sum of its policy's.

    Returns:
        columns `run_id`, `day`, `epsilon_total`, `images`, `objects`.
    """
    rows = released.withColumn("day", F.date_format("released_at", "yyyy-MM-dd"))
    return rows.groupBy("run_id", "day", "epsilon_total").agg(*_counts()).collect()


def by_time(amounts: Iterable[Row]) -> dict[str, list[Spend]]:
    """Everything ("all"), by run and by day of release."""
    found = []
    for row in amounts:
        each, images = row["epsilon_total"], row["images"]
        with localcontext(prec=2 * EPSILON.precision):
            total = None if each is None else each * images
        found.append(Spend({"run_id": row["run_id"], "day": row["day"]}, images, row["objects"], total, each))
    named: dict[str, tuple[str, ...]] = {"all": (), "run": ("run_id",), "day": ("day",)}
    return {name: _regroup(found, columns) for name, columns in named.items()}


def by_scope(
    released: DataFrame, columns: Sequence[str], most: int, erased: Mapping[str, Decimal | None] | None = None
) -> list[Spend]:
    """The scopes that spent most, unbounded ones first.

    They are found by a hash of their names (`by_hash`), then summed by name.

    Args:
        released: published rows.
        columns: the scope's.
        most: how many scopes.
        erased: `allowances.scope_hash` → Σ ε that was erased from the scope.
    """
    scope = F.xxhash64(*columns)
    sums = spent_by(by_hash(released.select(scope.alias("_scope"), "epsilon_total"), "_scope"), ["_scope"])
    top = sums.orderBy(F.desc("_unbounded"), F.desc("_spent")).limit(most).select("_scope").collect()
    wanted = scope.isin([row["_scope"] for row in top])
    if erased:  # little of a scope may be left, and much have been spent
        wanted |= scope_hash(columns).isin(list(erased))
    found = released.where(wanted).groupBy(*columns).agg(*_sums()).withColumn("_hash", scope_hash(columns))
    gone = erased or {}
    spends = [replace(_spend(row, columns), erased=gone.get(row["_hash"], Decimal(0))) for row in found.collect()]
    return sorted(spends, key=lambda s: _order(s.spent), reverse=True)[:most]


def by_hash(rows: DataFrame, key: str) -> DataFrame:
    """Rows told apart by a hash before they are grouped by it, into as many partitions as the session shuffles into.

    Where groups are as many as rows, Spark's sums before the shuffle make nothing shorter, and spill.
    """
    return rows.repartition(int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 200), key)


def by_day(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> list[Spend]:
    """What some scopes spent day by day; the key is the scope's columns and `day`, in that order."""
    key = (*columns, "day")
    rows = _of(released, spends, columns).withColumn("day", F.date_format("released_at", "yyyy-MM-dd"))
    return [_spend(row, key) for row in rows.groupBy(*key).agg(*_sums()).orderBy("day").collect()]


def by_event(released: DataFrame) -> list[Event]:
    """Objects by kind, treatment and charge: a handful of groups, however many objects."""
    entry = F.col("entry")
    keys = ["kind", "outcome", "cause", "mechanism", "version", "guarantee", "epsilon", "epsilon_unit", "noise_source",
            "detector", "public"]  # fmt: skip
    objects = released.select(F.explode("objects").alias("entry"))
    grouped = objects.groupBy(
        *(entry[key].alias(key) for key in keys),
        *_parameters(entry["parameters"]),
        entry["memo_of"].isNotNull().alias("memoised"),
    ).agg(F.count("*").alias("objects"))
    return sorted((_event(row) for row in grouped.collect()), key=lambda e: (e.kind, e.outcome, e.cause, -e.objects))


def distribution(amounts: Iterable[Row]) -> list[tuple[Decimal | None, int]]:
    """How many images spent how much, in order of ε; unbounded last."""
    images: Counter[Decimal | None] = Counter()
    for row in amounts:
        images[row["epsilon_total"]] += row["images"]
    return sorted(images.items(), key=lambda item: _order(item[0]))


def events_of(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> list[Row]:
    """Charged events of some scopes: the scope's columns, `mechanism`, `version`, `names` and `values`, `count`."""
    objects = _of(released, spends, columns).select(*columns, F.explode("objects").alias("e"))
    charged = objects.where("e.memo_of is null and (e.epsilon is null or e.epsilon > 0)")
    return charged.groupBy(*columns, "e.mechanism", "e.version", *_parameters(F.col("e.parameters"))).count().collect()


def parameters_of(row: Row) -> dict[str, str]:
    """A mechanism's parameters, from `names` and `values`."""
    return dict(zip(row["names"] or (), row["values"] or (), strict=True))


def caps_left(spends: Sequence[Spend], cap: Decimal) -> list[dict[str, Any]]:
    """What scopes have left of a cap: their columns, `cap`, `spent`, `left` (None where unbounded)."""
    return [
        {**spend.key, "cap": cap, "spent": spend.spent}
        | {"left": None if spend.spent is None else add([cap, spend.spent.copy_negate()])}
        for spend in spends
    ]


def add(epsilons: Iterable[Decimal | None]) -> Decimal | None:
    """Σ ε, exactly; None is unbounded."""
    total = Decimal(0)
    with localcontext(prec=2 * EPSILON.precision):
        for epsilon in epsilons:
            if epsilon is None:
                return None
            total += epsilon
    return total


def _regroup(spends: Iterable[Spend], columns: Sequence[str]) -> list[Spend]:
    """Sums of groups that are told apart by fewer columns."""
    groups: dict[tuple[str | None, ...], list[Spend]] = {}
    for spend in spends:
        groups.setdefault(tuple(spend.key[c] for c in columns), []).append(spend)
    return [
        Spend(
            dict(zip(columns, name, strict=True)),
            sum(spend.images for spend in some),
            sum(spend.objects for spend in some),
            add(spend.epsilon for spend in some),
            max((spend.largest for spend in some), key=_order),
        )
        for name, some in sorted(groups.items(), key=str)
    ]


def _of(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> DataFrame:
    """The rows of some scopes."""
    names = [tuple(spend.key[c] for c in columns) for spend in spends]
    scopes = released.sparkSession.createDataFrame(names, ", ".join(f"`{c}` string" for c in columns))
    same = [released[c].eqNullSafe(scopes[c]) for c in columns]
    # Files and row groups that have none of these values are not read.
    near = [F.col(c).isin([s.key[c] for s in spends if s.key[c] is not None]) | F.col(c).isNull() for c in columns]
    return released.where(reduce(Column.__and__, near)).join(F.broadcast(scopes), same, "left_semi")


def _order(epsilon: Decimal | None) -> Decimal:
    return Decimal("Infinity") if epsilon is None else epsilon


def _counts() -> list[Column]:
    objects = F.coalesce(F.sum(F.size("objects.object_id")), F.lit(0))  # an object's other fields stay unread
    return [F.count("image_id").alias("images"), objects.alias("objects")]


def _sums() -> list[Column]:
    unbounded = F.bool_or(F.col("epsilon_total").isNull())
    return [
        *_counts(),
        F.when(~unbounded, F.sum("epsilon_total").cast(EPSILON_TYPE)).alias("epsilon"),
        F.when(~unbounded, F.max("epsilon_total")).alias("largest"),
    ]


def _spend(row: Row, columns: Sequence[str]) -> Spend:
    key = {column: None if row[column] is None else str(row[column]) for column in columns}
    return Spend(key, row["images"], row["objects"], row["epsilon"], row["largest"])


def _parameters(parameters: Column) -> list[Column]:
    """A map as two arrays to group by, much faster than sorted entries: those of one mechanism have one order."""
    return [F.map_keys(parameters).alias("names"), F.map_values(parameters).alias("values")]


def _event(row: Row) -> Event:
    values = row.asDict()
    del values["names"], values["values"]
    return Event(**values | {"parameters": parameters_of(row), "public": tuple(row["public"] or ())})
