"""What each image may spend, before anything is spent: its share of every cap that it stands under (privacy.md §5).

A scope's cap is for all versions of all its images together, so what is published already counts, and what was erased
since: it was seen. Two runs that read the same published state cannot both publish (`publish.py`), which is what makes
these numbers hold.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import reduce

import pandas as pd
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import DecimalType

from deid_udf.errors import UsageError
from deid_udf.policy import Policy
from deid_udf.privacy.budgets import Standing
from deid_udf.schema import EPSILON

EPSILON_TYPE = DecimalType(EPSILON.precision, EPSILON.scale)
ALLOWANCE = "allowance"


def with_allowances(
    images: DataFrame, policy: Policy, published: DataFrame | None = None, erased: DataFrame | None = None
) -> DataFrame:
    """Add the column `allowance` DECIMAL(38, 18); null where no cap applies.

    Args:
        images: what will be protected, one row an image: `image_id`, `content_sha256` and the policy's scope columns.
        policy: the caps.
        published: released rows, `epsilon_total` among them; None where nothing was ever released.
        erased: table `erasures`; its images cannot come back (`select.py`), so that only scopes have to know of it.

    Raises:
        UsageError: a scope column that the images do not have.
    """
    missing = sorted(set(policy.scope_columns()) - set(images.columns))
    if missing:
        raise UsageError(f"the policy's scopes need columns that the records lack: {', '.join(missing)}")
    for column in policy.scope_columns():
        if published is not None and column not in published.columns:  # a column that came with these records
            published = published.withColumn(column, F.lit(None).cast(images.schema[column].dataType))
    shares: list[str] = []
    for scope in policy.budget.scopes:
        shares.append(f"_share_{len(shares)}")
        scopes = images.groupBy(*scope.columns).agg(F.count("*").alias("_images"))
        before = published
        if published is not None and erased is not None:
            before = with_erased(published, erased, scopes, scope.columns)
        standing = _standing(scopes, scope.columns, scope.cap, before, F.col("_images"), shares[-1])
        images = _join(images, standing, scope.columns)
    if policy.budget.image is not None:
        # Two names for one picture: its id, and its content. Neither may spend more than the cap.
        for column in ("image_id", "content_sha256"):
            if published is not None and column in images.columns:
                shares.append(f"_share_{len(shares)}")
                some = images.select(column).where(F.col(column).isNotNull()).distinct()
                standing = _standing(some, (column,), policy.budget.image, published, F.lit(1), shares[-1])
                images = _join(images, standing, (column,))
        shares.append("_share_image")
        images = images.withColumn(shares[-1], F.lit(policy.budget.image).cast(EPSILON_TYPE))
    least = F.lit(None).cast(EPSILON_TYPE)
    if shares:
        least = F.least(*shares) if len(shares) > 1 else F.col(shares[0])
    return images.withColumn(ALLOWANCE, least).drop(*shares)


def spent_by(published: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Σ ε of released rows by some columns: `_spent` DECIMAL(38, 18), and `_unbounded` where one of them has no ε."""
    return published.groupBy(*columns).agg(
        F.coalesce(F.sum("epsilon_total"), F.lit(Decimal(0)).cast(EPSILON_TYPE)).cast(EPSILON_TYPE).alias("_spent"),
        F.bool_or(F.col("epsilon_total").isNull()).alias("_unbounded"),
    )


def scope_hash(columns: Sequence[str]) -> Column:
    """Hex sha256 of a scope's columns and values: what is kept of the scope of an erased image."""
    return F.sha2(F.to_json(F.struct(*columns)), 256)


def of_scopes(erased: DataFrame, scopes: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Erased rows with the columns of their scopes, of which they hold a hash alone, as far as `scopes` tells them.

    Args:
        erased: `scopes`, as in table `erasures`, and whatever else is wanted.
        scopes: one row a scope.
        columns: the scope's.
    """
    gone = erased.withColumn("_hash", F.element_at("scopes", F.lit("+".join(columns))))
    named = scopes.select(*columns, scope_hash(columns).alias("_hash"))
    return named.join(F.broadcast(gone), "_hash").drop("_hash", "scopes")


def with_erased(published: DataFrame, erased: DataFrame, scopes: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Scope columns and `epsilon_total` of released rows, and of what was erased from some of their scopes."""
    gone = of_scopes(erased.select("scopes", F.col("epsilon").alias("epsilon_total")), scopes, columns)
    spent = [*columns, "epsilon_total"]
    return published.select(*spent).unionByName(gone.select(*spent))


def _standing(
    scopes: DataFrame, columns: Sequence[str], cap: Decimal, published: DataFrame | None, images: Column, name: str
) -> DataFrame:
    """Each scope's share for one image, as column `name`. A scope with an unbounded release has nothing left."""
    limit = F.lit(cap).cast(EPSILON_TYPE)
    spent: Column = F.lit(Decimal(0)).cast(EPSILON_TYPE)
    if published is not None:
        scopes = _join(scopes, spent_by(published, columns), columns)
        spent = F.when(F.col("_unbounded"), limit).otherwise(F.coalesce("_spent", spent))
    return scopes.select(*columns, _share(limit, spent, images).alias(name))


@pandas_udf(EPSILON_TYPE)  # type: ignore[call-overload, untyped-decorator]
def _share(cap: pd.Series, spent: pd.Series, images: pd.Series) -> pd.Series:
    return pd.Series([Standing(c, s, int(n)).share for c, s, n in zip(cap, spent, images, strict=True)], dtype="object")


def _join(left: DataFrame, right: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Left join where null equals null: images without a sequence share one scope."""
    renamed = right.select(*(F.col(c).alias(f"_of_{c}") if c in columns else F.col(c) for c in right.columns))
    same = reduce(Column.__and__, (left[c].eqNullSafe(renamed[f"_of_{c}"]) for c in columns))
    return left.join(renamed, same, "left").drop(*(f"_of_{c}" for c in columns))
