"""Commands as the documentation shows them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from deid_udf.models import ROOT

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
_SHELL = ("", "bash", "console", "sh")  # languages of blocks that hold commands

#: Pages whose every command of some job is run as it stands there, at other places, and the test that does it.
AS_SHOWN = {
    ("quickstart.md", "jobs/ingest.py"): "tests/spark/test_pages.py",
    ("quickstart.md", "jobs/deidentify.py"): "tests/spark/test_pages.py",
    ("detection.md", "jobs/deidentify.py"): "tests/spark/test_pages.py",
    ("detection.md", "jobs/audit.py"): "tests/spark/test_pages.py",
    ("auditor.md", "jobs/audit.py"): "tests/spark/test_pages.py",
    ("operator.md", "jobs/erase.py"): "tests/spark/test_erasure.py",
}


def commands(page: Path) -> Iterator[list[str]]:
    """Commands of a page, in words, without what stands before the program and without redirection."""
    for line in _lines(page):
        words = shlex.split(line, comments=True)
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|")), len(words))
            command = words[:end]
            yield command[: command.index(">")] if ">" in command else command
            words = words[end + 1 :]


def options_of(name: str, script: str) -> list[list[str]]:
    """What follows a script's name, for each command of a page with it."""
    (page,) = (page for page in PAGES if page.name == name)
    return [words[words.index(script) + 1 :] for words in commands(page) if script in words]


def _lines(page: Path) -> Iterator[str]:
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        if language in _SHELL:
            yield from block.replace("\\\n", " ").splitlines()
    for code in re.findall(r"`([^`\n]+)`", page.read_text()):  # in the running text, those that name a script's options
        if re.match(r"(\S*python |spark-submit )?(jobs|benchmarks)/[a-z_]+\.py ", code):
            yield code
