"""The right to erasure, word for word as docs/operator.md gives it to operators."""

import re
from pathlib import Path

from tests.support.lakes import rows
from tests.support.records import faces_policy, record, street

DOCUMENTED = "cam-1/2026-11-24/0001.jpg"


def _statements() -> list[str]:
    page = Path("docs/operator.md").read_text()
    (block,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return [statement for statement in block.split(";") if statement.strip()]


def test_after_an_erasure_no_file_of_the_lake_holds_the_image(lake, run, tmp_path):
    folder = tmp_path / "lake"
    run([record(DOCUMENTED, street(0)), record("kept", street(1)), record("copy", street(0))], faces_policy(), "night")
    (picture,) = [row["protected"] for row in rows(folder) if row["image_id"] == DOCUMENTED]

    def holding() -> list[Path]:
        return [file for file in folder.rglob("*") if file.is_file() and picture[:2000] in file.read_bytes()]

    assert holding()
    for statement in _statements():
        lake.spark.sql(statement)
    assert [row["image_id"] for row in rows(folder)] == ["kept"]
    assert holding() == []
