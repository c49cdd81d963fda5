"""The ledger as readers want it: one row an image, one row an object, the newest version of each image.

Each is one SQL query over published rows. Where the catalog has views they are created as such; where it has none
(a folder, some REST catalogs) the functions here are the same queries.
"""

from collections.abc import Sequence
from decimal import Decimal

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from deid_udf.errors import LakeError
from deid_udf.lake.session import Lake
from deid_udf.lake.tables import ERASURES, RELEASED, RUNS, exists
from deid_udf.log import logger
from deid_udf.policy import Policy, parse_policy

_IMAGE = "image_id, content_sha256, run_id, policy_hash, released_at, copy_of, sequence_id, camera_id"
# Two of these subtract exactly into DECIMAL(38, 18).
_SPENT = "CAST(sum(epsilon_total) OVER (PARTITION BY {scope}) AS DECIMAL(37, 18))"


def ledger(lake: Lake, policy: Policy | None = None) -> DataFrame:
    """One row an image and version: ε (sequential and parallel), guarantee words, and what is left of its caps.

    Args:
        lake: the lake.
        policy: whose caps; the newest run's by default. `left_image` is of the image's own cap, `left_COLUMNS` of a
            scope's; a scope with an unbounded release has 0 left, one that spent more than the cap a negative rest.
    """
    return lake.spark.sql(_ledger(lake, policy or newest_policy(lake)))


def objects(lake: Lake) -> DataFrame:
    """One row an object: mechanism, parameters, ε, guarantee, box; no text, no latent, no seed."""
    return lake.spark.sql(_objects(lake))


def review(lake: Lake) -> DataFrame:
    """One row an object that no detector was sure of (between its low and its high threshold), for a person to look at.

    It was protected all the same.
    """
    return lake.spark.sql(_review(lake))


def newest(lake: Lake) -> DataFrame:
    """`released`, with only the newest version of each image."""
    return lake.spark.sql(_newest(lake))


def create_views(lake: Lake, policy: Policy) -> bool:
    """Create or replace the views `ledger`, `objects`, `review` and `newest`; False where the catalog has no views."""
    queries = {
        "ledger": _ledger(lake, policy),
        "objects": _objects(lake),
        "review": _review(lake),
        "newest": _newest(lake),
    }
    try:
        for name, query in queries.items():
            lake.spark.sql(f"CREATE OR REPLACE VIEW {lake.table(name)} AS {query}")
    except (PySparkException, Py4JJavaError) as error:
        logger().info("views_not_created", error=type(error).__name__)
        return False
    return True


def newest_policy(lake: Lake) -> Policy:
    """The policy of the newest run.

    Raises:
        LakeError: nothing was published yet.
    """
    rows = lake.spark.table(lake.table(RUNS)).orderBy("started_at", ascending=False).limit(1).collect()
    if not rows:
        raise LakeError("nothing was published in this lake yet")
    return parse_policy(rows[0]["policy"])


def _ledger(lake: Lake, policy: Policy) -> str:
    budget = policy.budget
    left = [] if budget.image is None else [_left(budget.image, ("image_id",), "left_image")]
    source = lake.table(RELEASED)
    told = exists(lake, ERASURES) and "scopes" in lake.spark.table(lake.table(ERASURES)).columns
    for number, scope in enumerate(budget.scopes):
        erased = f"erased_{number}" if told else ""
        left.append(_left(scope.cap, scope.columns, f"left_{'_'.join(scope.columns)}", erased))
        source += _join_erased(lake, scope.columns, erased) if told else ""
    words = "array_sort(array_distinct(transform(objects, o -> o.guarantee))) AS guarantees"
    columns = [_IMAGE, "size(objects) AS objects", "epsilon_total", "epsilon_max", words, *left]
    return f"SELECT {', '.join(columns)} FROM {source}"


def _left(cap: Decimal, columns: Sequence[str], name: str, erased: str = "") -> str:
    scope = ", ".join(f"`{column}`" for column in columns)
    spent = _SPENT.format(scope=scope)
    unbounded = f"bool_or(epsilon_total IS NULL) OVER (PARTITION BY {scope})"
    if erased:
        spent = f"CAST({spent} + coalesce({erased}.epsilon, 0) AS DECIMAL(37, 18))"
        unbounded += f" OR coalesce({erased}.unbounded, false)"
    rest = f"CAST({cap:f} AS DECIMAL(37, 18)) - {spent}"
    return f"CASE WHEN {unbounded} THEN CAST(0 AS DECIMAL(38, 18)) ELSE {rest} END AS {name}"


def _join_erased(lake: Lake, columns: Sequence[str], name: str) -> str:
    """What was erased from the row's scope (`allowances.scope_hash`), which is spent all the same."""
    sums = "CAST(sum(epsilon) AS DECIMAL(37, 18)) AS epsilon, bool_or(epsilon IS NULL) AS unbounded"
    scope = f"scopes['{'+'.join(columns)}'] AS scope"
    here = f"sha2(to_json(struct({', '.join(f'`{column}`' for column in columns)})), 256)"
    gone = f"SELECT {scope}, {sums} FROM {lake.table(ERASURES)} GROUP BY 1"
    return f" LEFT JOIN ({gone}) AS {name} ON {name}.scope = {here}"


def _objects(lake: Lake) -> str:
    return f"SELECT {_IMAGE}, o.* FROM {lake.table(RELEASED)} LATERAL VIEW explode(objects) AS o"


def _review(lake: Lake) -> str:
    columns = "object_id, kind, detector, score, box, outcome, cause"
    return f"SELECT {_IMAGE}, {columns} FROM ({_objects(lake)}) WHERE review"


def _newest(lake: Lake) -> str:
    latest = f"SELECT image_id, max(released_at) AS latest FROM {lake.table(RELEASED)} GROUP BY image_id"
    same = "v.image_id = n.image_id AND v.released_at = n.latest"
    return f"SELECT * FROM {lake.table(RELEASED)} v LEFT SEMI JOIN ({latest}) n ON {same}"
