import os
import pty
import select
import subprocess
import sys

SCRIPT = """
from time import sleep
from deid_udf.progress import Progress
with Progress("protect", 5):
    sleep(1.2)
"""


def test_a_bar_on_the_terminal_even_where_stdout_and_stderr_are_pipes():
    ours, theirs = pty.openpty()
    take = f"import os, fcntl, termios; fcntl.ioctl({theirs}, termios.TIOCSCTTY, 0)\n"
    done = subprocess.run(
        [sys.executable, "-c", take + SCRIPT],
        pass_fds=[theirs],
        capture_output=True,
        start_new_session=True,
        timeout=60,
    )
    drawn = os.read(ours, 65536).decode() if select.select([ours], [], [], 1)[0] else ""
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == (b"", b"")
    assert "protect" in drawn
    assert "0/5" in drawn


def test_no_terminal_no_bar():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, start_new_session=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")
