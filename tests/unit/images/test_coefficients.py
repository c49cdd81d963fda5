import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from deid_udf.errors import Quarantined, Reason
from deid_udf.images import coefficients, jpeg
from tests.unit.images.pictures import HEIGHT, LIMITS, WIDTH, picture, saved


def bare(**options: object) -> bytes:
    return jpeg.parse(saved(picture(), "JPEG", **options), LIMITS).picture


def assert_round_trip(picture_bytes: bytes) -> None:
    content = coefficients.read(picture_bytes)
    again = coefficients.read(jpeg.parse(coefficients.write(content), LIMITS).picture)
    assert np.array_equal(content.tables, again.tables)
    for first, second in zip(content.blocks, again.blocks, strict=True):
        assert first.any()
        assert np.array_equal(first, second)


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 2}, {"progressive": True}, {"quality": 100}])
def test_round_trip(options):
    assert_round_trip(bare(**options))


def test_shapes():
    content = coefficients.read(bare(subsampling=2))
    assert content.blocks[0].shape == (-(-HEIGHT // 8), -(-WIDTH // 8), 8, 8)
    assert content.blocks[1].shape == (-(-HEIGHT // 16), -(-WIDTH // 16), 8, 8)
    assert content.tables.shape == (3, 8, 8)


def test_nothing_is_written_to_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))  # a temporary file would fail
    assert coefficients.write(coefficients.read(bare()))


def test_threads_do_not_meet():
    pictures = [bare(quality=q, subsampling=q % 3) for q in range(60, 92, 2)]
    expected = [coefficients.write(coefficients.read(p)) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda p: coefficients.write(coefficients.read(p)), pictures * 4)) == expected * 4


def test_no_descriptor_is_left_open():
    picture_bytes = bare()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        coefficients.write(coefficients.read(picture_bytes))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_table_with_zeros_is_refused():
    data = bare(quality=90)
    at = data.index(b"\xff\xdb")
    with pytest.raises(Quarantined) as caught:
        coefficients.read(data[: at + 20] + b"\0" + data[at + 21 :])
    assert caught.value.reason == Reason.ENCODE_FAILED


def test_what_huffman_tables_cannot_code_is_refused():
    content = coefficients.read(bare())
    content.blocks[0][0, 0, 3, 3] = 32_000
    with pytest.raises(Quarantined) as caught:
        coefficients.write(content)
    assert caught.value.reason == Reason.ENCODE_FAILED
