"""A lake that an earlier version made."""

from pathlib import Path

from deid_udf.lake.session import open_lake
from deid_udf.lake.tables import RELEASED
from deid_udf.policy import load_policy
from tests.spark.published import entry, publish, row
from tests.support.lakes import rows

POLICY = load_policy(Path(__file__).resolve().parents[2] / "conf/policy/street.yaml")


def test_an_older_lake_gets_the_newer_fields_of_the_ledger(spark, tmp_path):
    lake = open_lake(spark, tmp_path.as_uri())
    publish(lake, "before", POLICY, [row("old", [entry(0)])])
    lake.spark.sql(f"ALTER TABLE {lake.table(RELEASED)} DROP COLUMN objects.element.outline")
    publish(lake, "after", POLICY, [row("new", [entry(0, outline=[1.0, 2.0, 3.0, 2.0, 3.0, 4.0])])])
    outlines = {one["image_id"]: one["objects"][0]["outline"] for one in rows(tmp_path)}
    assert outlines == {"old": None, "new": [1.0, 2.0, 3.0, 2.0, 3.0, 4.0]}
