import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from PIL import ExifTags, Image

from deid_udf.errors import UsageError
from deid_udf.lake.ingest import Ingested, ingest
from deid_udf.lake.walk import PathTemplate
from deid_udf.schema import RECORD


def _jpeg(size: tuple[int, int] = (40, 30), exif: Image.Exif | None = None) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, "teal").save(stream, "JPEG", exif=exif or Image.Exif())
    return stream.getvalue()


def _turned_jpeg() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {ExifTags.Base.DateTimeOriginal: "2026:11:24 08:00:00", ExifTags.Base.OffsetTimeOriginal: "+08:00"}
    )
    return _jpeg(exif=exif)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    png = io.BytesIO()
    Image.new("L", (7, 5)).save(png, "PNG")
    files = {
        "cam1/seq1/a.jpg": _turned_jpeg(),
        "cam1/seq1/b c#.jpg": _jpeg(),
        "cam1/seq2/grey.png": png.getvalue(),
        "cam1/seq2/text.jpg": b"no image at all",
        "cam1/seq2/empty.jpg": b"",
        "stray.jpg": _jpeg((8, 8)),
    }
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _rows(records: Path) -> dict[str, dict]:
    return {row["image_id"]: row for row in ds.dataset(records, format="parquet").to_table().to_pylist()}


def test_every_file_becomes_a_record(spark, source, tmp_path):
    records = tmp_path / "records"
    done = ingest(spark, str(source), records.as_uri(), template=PathTemplate("{camera_id}/{sequence_id}/{name}"))
    assert done == Ingested(records=6, images=4, unreadable=2, unfetched=0, outside_template=1)

    rows = _rows(records)
    for name, row in rows.items():
        data = (source / name).read_bytes()
        assert (row["image"], row["content_sha256"]) == (data, hashlib.sha256(data).hexdigest())
        assert row["uri"] == (source / name).as_uri()
    turned = rows["cam1/seq1/a.jpg"]
    assert (turned["format"], turned["width"], turned["height"]) == ("jpeg", 30, 40)
    assert turned["captured_at"] == datetime(2026, 11, 24, tzinfo=UTC)
    assert (turned["camera_id"], turned["sequence_id"]) == ("cam1", "seq1")
    assert rows["cam1/seq2/grey.png"]["format"] == "png"
    assert {rows[f"cam1/seq2/{n}.jpg"]["format"] for n in ("text", "empty")} == {None}
    assert rows["stray.jpg"]["sequence_id"] is None


def test_again_gives_the_same_records(spark, source, tmp_path):
    records = tmp_path / "records"
    ingest(spark, str(source), records.as_uri())
    before = _rows(records)
    ingest(spark, str(source), records.as_uri())
    assert _rows(records) == before


def test_by_uri_keeps_bytes_out_and_columns_in(spark, source, tmp_path):
    (tmp_path / "list.csv").write_text(
        f"path,sequence_id,weather,captured_at\n{source}/cam1/seq1/a.jpg,s,rain,2020-01-01\n{source}/absent.jpg,s,,\n"
    )
    records = tmp_path / "records"
    done = ingest(spark, str(tmp_path / "list.csv"), str(records), inline=False)
    assert (done.images, done.unfetched) == (1, 1)

    rows = _rows(records)
    found, absent = rows[f"{source}/cam1/seq1/a.jpg"], rows[f"{source}/absent.jpg"]
    assert list(found) == [*RECORD.names, "weather"]
    assert (found["image"], found["weather"], found["width"]) == (None, "rain", 30)
    assert found["content_sha256"] == hashlib.sha256((source / "cam1/seq1/a.jpg").read_bytes()).hexdigest()
    assert found["captured_at"] == datetime(2020, 1, 1, tzinfo=UTC)  # what the CSV tells outranks EXIF
    assert (absent["content_sha256"], absent["image"]) == (None, None)


def test_only_records_are_ever_overwritten(spark, source, tmp_path):
    precious = tmp_path / "thesis.txt"
    precious.write_text("years")
    with pytest.raises(UsageError, match=r"thesis\.txt"):
        ingest(spark, str(source), tmp_path.as_uri())
    with pytest.raises(UsageError, match="inside their own source"):
        ingest(spark, str(source), (source / "records").as_uri())
    assert precious.read_text() == "years"
