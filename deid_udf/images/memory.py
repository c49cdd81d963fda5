"""Files that live in memory only, for libraries that take nothing but a file name."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(content: bytes = b"") -> Iterator[str]:
    """The path of a file that is never on a disk, holding `content`; gone when the context ends.

    Anonymous memory (`memfd_create`), or `/dev/shm` where the kernel has none.
    """
    try:
        descriptor = os.memfd_create("image")
    except (AttributeError, OSError):
        with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
            file.write(content)
            file.flush()
            yield file.name
        return
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
