import pytest

from deid_udf.errors import Quarantined, Reason, UsageError
from deid_udf.lake.fetch import exists, fetch, put, remove


def test_there_and_back(tmp_path):
    uri = (tmp_path / "a b" / "c#.jpg").as_uri()
    put(uri, b"first")
    put(uri, b"second")
    assert fetch(uri) == b"second"
    assert fetch(str(tmp_path / "a b" / "c#.jpg")) == b"second"
    assert [file.name for file in (tmp_path / "a b").iterdir()] == ["c#.jpg"]
    assert exists(uri) and remove(uri)
    assert not exists(uri) and not remove(uri)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "none.jpg", Reason.MISSING),
        (lambda folder: folder, Reason.UNREADABLE),
        (lambda folder: (folder / "big").write_bytes(b"12345") and folder / "big", Reason.TOO_LARGE),
        (lambda folder: (folder / "file").write_bytes(b"1") and folder / "file" / "below", Reason.MISSING),
    ],
)
def test_what_cannot_be_read_has_a_reason(tmp_path, make, reason):
    with pytest.raises(Quarantined) as refused:
        fetch(make(tmp_path).as_uri(), max_bytes=4)
    assert refused.value.reason == reason


def test_unknown_schemes_are_the_callers_mistake():
    with pytest.raises(UsageError, match="ftp"):
        fetch("ftp://host/a.jpg")
