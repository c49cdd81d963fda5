"""The right to erasure, word for word as docs/operator.md gives it to operators."""

import re
from pathlib import Path

from deid_udf.lake.run import deidentify
from deid_udf.lake.session import open_lake, read_records
from tests.support.lakes import rows
from tests.support.records import faces_policy, record, street, write_records

DOCUMENTED = "cam-1/2026-11-24/0001.jpg"


def _statements() -> list[str]:
    page = Path("docs/operator.md").read_text()
    (block,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return [statement for statement in block.split(";") if statement.strip()]


def test_after_an_erasure_no_file_of_the_lake_holds_the_image(spark, tmp_path, models_cache):
    erased, kept = record(DOCUMENTED, street(0)), record("kept", street(1))
    copied = record("copy", street(0))
    folder = tmp_path / "lake"
    lake = open_lake(spark, folder.as_uri())
    records = read_records(spark, write_records(tmp_path / "records", [erased, kept, copied]))
    deidentify(lake, records, faces_policy(), "night")
    (picture,) = [row["protected"] for row in rows(folder) if row["image_id"] == DOCUMENTED]

    def holding() -> list[Path]:
        return [file for file in folder.rglob("*") if file.is_file() and picture[:2000] in file.read_bytes()]

    assert holding()
    for statement in _statements():
        lake.spark.sql(statement)
    assert [row["image_id"] for row in rows(folder)] == ["kept"]
    assert holding() == []
