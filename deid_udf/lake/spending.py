"""ε that was spent, from published rows alone: by run, day, scope, image and mechanism. Sums are exact decimals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from deid_udf.lake.allowances import EPSILON_TYPE, spent_by


@dataclass(frozen=True, slots=True)
class Spend:
    """What one group of images spent.

    Attributes:
        key: the group's name by column; empty for everything.
        images, objects: how many.
        epsilon: Σ over the images; None is unbounded.
        largest: the largest image's Σ; None is unbounded.
    """

    key: Mapping[str, str | None]
    images: int
    objects: int
    epsilon: Decimal | None
    largest: Decimal | None


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


def by_time(released: DataFrame) -> dict[str, list[Spend]]:
    """Everything ("all"), by run and by day of release, in one pass."""
    rows = released.withColumn("day", F.date_format("released_at", "yyyy-MM-dd"))
    found = rows.groupingSets([[], ["run_id"], ["day"]], "run_id", "day").agg(*_sums(), F.grouping_id().alias("_set"))
    named = {0b11: ("all", ()), 0b01: ("run", ("run_id",)), 0b10: ("day", ("day",))}
    spends: dict[str, list[Spend]] = {name: [] for name, _ in named.values()}
    for row in found.collect():
        name, columns = named[row["_set"]]
        spends[name].append(_spend(row, columns))
    return {name: sorted(some, key=lambda s: str(s.key)) for name, some in spends.items()}


def by_scope(released: DataFrame, columns: Sequence[str], most: int) -> list[Spend]:
    """The scopes that spent most, unbounded ones first.

    They are found by a hash of their names, which is short to shuffle where scopes are millions, then summed by name.
    """
    scope = F.xxhash64(*columns)
    sums = spent_by(released.select(scope.alias("_scope"), "epsilon_total"), ["_scope"])
    top = sums.orderBy(F.desc("_unbounded"), F.desc("_spent")).limit(most).select("_scope").collect()
    found = released.where(scope.isin([row["_scope"] for row in top])).groupBy(*columns).agg(*_sums())
    return [_spend(row, columns) for row in found.orderBy(F.desc_nulls_first("epsilon")).limit(most).collect()]


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
        F.array_sort(F.map_entries(entry["parameters"])).alias("parameters"),
        entry["memo_of"].isNotNull().alias("memoised"),
    ).agg(F.count("*").alias("objects"))
    return sorted((_event(row) for row in grouped.collect()), key=lambda e: (e.kind, e.outcome, e.cause, -e.objects))


def distribution(released: DataFrame) -> list[tuple[Decimal | None, int]]:
    """How many images spent how much, in order of ε; unbounded last."""
    found = released.groupBy("epsilon_total").count().orderBy(F.asc_nulls_last("epsilon_total"))
    return [(row["epsilon_total"], row["count"]) for row in found.collect()]


def events_of(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> list[Row]:
    """Charged events of some scopes: the scope's columns, `mechanism`, `version`, `parameters`, `count`."""
    objects = _of(released, spends, columns).select(*columns, F.explode("objects").alias("e"))
    charged = objects.where("e.memo_of is null and (e.epsilon is null or e.epsilon > 0)")
    parameters = F.array_sort(F.map_entries("e.parameters")).alias("parameters")
    return charged.groupBy(*columns, "e.mechanism", "e.version", parameters).count().collect()


def caps_left(spends: Sequence[Spend], cap: Decimal) -> list[dict[str, Any]]:
    """What scopes have left of a cap: their columns, `cap`, `spent`, `left` (None where unbounded)."""
    return [
        {**spend.key, "cap": cap, "spent": spend.epsilon}
        | {"left": None if spend.epsilon is None else cap - spend.epsilon}
        for spend in spends
    ]


def _of(released: DataFrame, spends: Sequence[Spend], columns: Sequence[str]) -> DataFrame:
    """The rows of some scopes."""
    names = [tuple(spend.key[c] for c in columns) for spend in spends]
    scopes = released.sparkSession.createDataFrame(names, ", ".join(f"`{c}` string" for c in columns))
    same = [released[c].eqNullSafe(scopes[c]) for c in columns]
    return released.join(F.broadcast(scopes), same, "left_semi")


def _sums() -> list[Column]:
    unbounded = F.bool_or(F.col("epsilon_total").isNull())
    return [
        F.count("image_id").alias("images"),
        F.coalesce(F.sum(F.size("objects")), F.lit(0)).alias("objects"),
        F.when(~unbounded, F.sum("epsilon_total").cast(EPSILON_TYPE)).alias("epsilon"),
        F.when(~unbounded, F.max("epsilon_total")).alias("largest"),
    ]


def _spend(row: Row, columns: Sequence[str]) -> Spend:
    key = {column: None if row[column] is None else str(row[column]) for column in columns}
    return Spend(key, row["images"], row["objects"], row["epsilon"], row["largest"])


def _event(row: Row) -> Event:
    values = row.asDict()
    values["parameters"] = {entry["key"]: entry["value"] for entry in values["parameters"] or ()}
    values["public"] = tuple(values["public"] or ())
    return Event(**values)
