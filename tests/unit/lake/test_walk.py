from datetime import UTC, datetime
from pathlib import Path

import pytest

from deid_udf.errors import UsageError
from deid_udf.lake.walk import PathTemplate, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cam 1/s#1/a.jpg", "cam 1/s#1/deep/b.png", "top.txt", "_SUCCESS", ".hidden/c.jpg"):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return tmp_path / "in"


def test_every_visible_file_is_listed_once(folder):
    table = walk(str(folder))
    assert table["image_id"].to_pylist() == ["top.txt", "cam 1/s#1/a.jpg", "cam 1/s#1/deep/b.png"]
    assert table["uri"][1].as_py() == (folder / "cam 1/s#1/a.jpg").as_uri()
    assert walk(folder.as_uri()).equals(table)


def test_scope_columns_come_from_the_path(folder):
    rows = walk(str(folder), PathTemplate("{camera_id}/{sequence_id}/{name}")).to_pylist()
    assert [(row["camera_id"], row["sequence_id"]) for row in rows] == [
        (None, None),
        ("cam 1", "s#1"),
        ("cam 1", "s#1"),
    ]


@pytest.mark.parametrize("template", ["{camera_id}", "{a}/{a}/{name}", "{}/{name}", "{image_id}/{name}"])
def test_a_template_that_makes_no_sense_is_refused(template):
    with pytest.raises(UsageError, match="path-template"):
        PathTemplate(template)


def test_nothing_to_ingest_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no files"):
        walk(str(tmp_path))
    with pytest.raises(UsageError, match="not a folder"):
        walk(str(tmp_path / "absent"))


def test_csv_names_files_ids_times_and_further_columns(tmp_path):
    listing = tmp_path / "list.csv"
    listing.write_text(
        "path,image_id,captured_at,weather\nx/a b.jpg,,2026-11-24T08:00:00+08:00,rain\ns3a://b/k.png,two,,\n"
    )
    first, second = walk(str(listing)).to_pylist()
    assert first == {
        "image_id": "x/a b.jpg",
        "uri": (tmp_path / "x/a b.jpg").as_uri(),
        "captured_at": datetime(2026, 11, 24, tzinfo=UTC),
        "weather": "rain",
    }
    assert second == {"image_id": "two", "uri": "s3a://b/k.png", "captured_at": None, "weather": None}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\na.jpg\n", "either `uri` or `path`"),
        ("path,uri\na,b\n", "either `uri` or `path`"),
        ("path,content_sha256\na,b\n", "ingest makes content_sha256 itself"),
        ("path,x\na\n", "line 2: 1 fields"),
        ("path,x\n,1\n", "line 2: no path"),
        ("path,captured_at\na,yesterday\n", "line 2: captured_at"),
    ],
)
def test_a_csv_that_cannot_be_understood_says_where(tmp_path, text, message):
    listing = tmp_path / "list.csv"
    listing.write_text(text)
    with pytest.raises(UsageError, match=message):
        walk(str(listing))
