"""A lake that an earlier version made."""

import json
import sys
from pathlib import Path

import pytest

from deid_udf.errors import LakeError
from deid_udf.lake.session import Lake, open_lake
from deid_udf.lake.tables import ERASURES, RELEASED
from deid_udf.policy import load_policy
from jobs.audit import TABLES, main
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


def test_an_older_lake_is_audited_as_it_is_or_said_to_be_old(spark, tmp_path, monkeypatch, capsys):
    """The newest columns say nothing of a row of before; without an older one there is no ledger to check."""
    lake = open_lake(spark, tmp_path.as_uri())
    publish(lake, "before", POLICY, [row("old", [entry(0)])])
    lake.spark.sql(f"ALTER TABLE {lake.table(RELEASED)} DROP COLUMN objects.element.outline")
    lake.spark.sql(f"ALTER TABLE {lake.table(ERASURES)} DROP COLUMN scopes")
    _append_nothing(lake)
    command = ["audit.py", "--lake", tmp_path.as_uri(), "--rescan", "0"]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    for name in TABLES:
        monkeypatch.setattr(sys, "argv", [*command, "--table", name])
        assert main() == 0
        summary = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert summary == {"table": name, "rows": int(name in ("ledger", "objects", "runs"))}

    lake.spark.sql(f"ALTER TABLE {lake.table(RELEASED)} DROP COLUMN objects.element.memo_of")
    _append_nothing(lake)
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(LakeError, match=r"written by an earlier version.*memo_of.*the next run"):
        main()


def _append_nothing(lake: Lake) -> None:
    """A snapshot that knows only the columns that are there now, as an older program's would."""
    lake.spark.table(lake.table(RELEASED)).limit(0).writeTo(lake.table(RELEASED)).append()
