"""A lake read by another implementation than the one that wrote it: PyIceberg, without a JVM."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import load_catalog
from pyiceberg.table import StaticTable, Table

from deid_udf.policy import Policy


def table(lake: Path | str, name: str = "released", env: Mapping[str, str] | None = None) -> Table | None:
    """A table of the lake, or None where there is none yet: of a folder, or of a namespace of the REST catalog."""
    if isinstance(lake, Path):
        metadata = lake / "deid" / name / "metadata"
        hint = metadata / "version-hint.text"
        if not hint.exists():
            return None
        return StaticTable.from_metadata((metadata / f"v{hint.read_text().strip()}.metadata.json").as_posix())
    prefix = "PYICEBERG_CATALOG__LAKE__"
    found = {k.removeprefix(prefix): v for k, v in (env or {}).items() if k.startswith(prefix)}
    properties = {k.lower().replace("s3__", "s3.").replace("__", ".").replace("_", "-"): v for k, v in found.items()}
    catalog = load_catalog("lake", type="rest", **properties)
    return catalog.load_table(f"{lake}.{name}") if catalog.table_exists(f"{lake}.{name}") else None


def rows(lake: Path | str, name: str = "released", env: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """All published rows."""
    found = table(lake, name, env)
    if found is None or found.current_snapshot() is None:
        return []
    read: pa.Table = found.scan().to_arrow()
    return read.to_pylist()


def branches(lake: Path | str, env: Mapping[str, str] | None = None) -> set[str]:
    """Branches of `released`."""
    found = table(lake, "released", env)
    return set(found.metadata.refs) if found else set()


def check(published: list[dict[str, Any]], policy: Policy) -> None:
    """What must be true of `released` at any moment, whatever was killed."""
    keys = Counter((row["image_id"], row["content_sha256"], row["policy_hash"]) for row in published)
    assert all(n == 1 for n in keys.values()), f"released twice: {[k for k, n in keys.items() if n > 1]}"
    spent: Counter[Any] = Counter()
    for row in published:
        assert row["status"] == "released"
        assert row["objects"] is not None
        assert row["output_sha256"] == hashlib.sha256(row["protected"]).hexdigest()
        assert row["epsilon_total"] == sum((o["epsilon"] for o in row["objects"]), Decimal(0))
        assert policy.budget.image is None or row["epsilon_total"] <= policy.budget.image
        for scope in policy.budget.scopes:
            spent[(scope.cap, *(row[c] for c in scope.columns))] += row["epsilon_total"]
    for (cap, *scope), total in spent.items():
        assert total <= cap, f"cap {cap} of {scope} exceeded: {total}"


def data_files(lake: Path) -> set[str]:
    """Names of all data files of `released` in a folder, published or not."""
    return {file.name for file in (lake / "deid" / "released" / "data").rglob("*.parquet")}


def published_files(lake: Path) -> set[str]:
    """Names of the data files that `main`'s history needs."""
    found = table(lake)
    if found is None:
        return set()
    paths = found.inspect.all_files()["file_path"].to_pylist()
    return {str(path).rsplit("/", 1)[-1] for path in paths}
