"""For notebooks: one function over a Spark column. Without Spark, `deid_udf.pipeline.Pipeline` takes NumPy arrays."""

from pathlib import Path
from typing import TYPE_CHECKING

from deid_udf.policy import Policy, load_policy

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def deidentify_column(
    df: "DataFrame",
    *,
    policy: Policy | str | Path,
    column: str = "image",
    image_id: str | None = None,
    into: str = "deid",
) -> "DataFrame":
    """Protect a column of encoded images.

    Each evaluation of the result is a release with noise of its own, unless DEID_NOISE_KEY_FILE names a key: write it
    once and read what was written. Caps hold within `df`; what other frames spent is not known here, which is what
    `jobs/deidentify.py` and its lake are for.

    Args:
        df: any frame with the images; the policy's scope columns, if it has caps by scope.
        policy: the policy, or its file.
        column: encoded images (binary).
        image_id: column that names an image in its ledger entries; by default its content hash does.
        into: the new column: a struct of `schema.RESULT` and the content's hash. `status` says whether `protected` is
            there.

    Raises:
        PolicyError: a policy that cannot be read.
        UsageError: a scope column that `df` lacks.
    """
    from pyspark.sql import functions as F

    from deid_udf.lake.allowances import with_allowances
    from deid_udf.lake.udf import fingerprint, inputs, noise_source, protect, spread

    policy = policy if isinstance(policy, Policy) else load_policy(policy)
    content = F.sha2(F.col(column), 256)
    own = {"image": F.col(column), "content_sha256": content, "image_id": F.col(image_id) if image_id else content}
    aside = {f"_{name}": F.col(name) for name in own if name in df.columns}
    work = df.withColumns(aside).withColumns(own)
    work = spread(with_allowances(work, policy), policy)
    done = work.withColumn(into, protect(policy, fingerprint(noise_source()))(inputs(work.columns, policy)))
    return done.select(*(F.col(f"_{n}").alias(n) if f"_{n}" in aside else F.col(n) for n in df.columns), into)
