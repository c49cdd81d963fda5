import os
from pathlib import Path

import pytest

from deid_udf.images.memory import memory_file


def test_holds_content_in_anonymous_memory_and_is_gone_afterwards():
    before = len(list(Path("/proc/self/fd").iterdir()))
    with memory_file(b"content") as path:
        assert Path(path).readlink().as_posix().startswith("/memfd:")
        assert Path(path).read_bytes() == b"content"
        Path(path).write_bytes(b"new")
        assert Path(path).read_bytes() == b"new"
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(RuntimeError), memory_file():
        raise RuntimeError
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_shared_memory_serves_where_there_is_no_anonymous_memory(monkeypatch):
    def refuse(name: str) -> int:
        raise OSError("not on this kernel")

    monkeypatch.setattr(os, "memfd_create", refuse)
    with memory_file(b"content") as path:
        assert path.startswith("/dev/shm/")
        assert Path(path).read_bytes() == b"content"
        assert Path(path).stat().st_mode & 0o077 == 0
    assert not Path(path).exists()
