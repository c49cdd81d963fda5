"""The operators' page: every command parses, and names only files, targets and options that exist."""

import re
import subprocess
from pathlib import Path

import pytest

PAGES = [Path("docs/operator.md"), Path("SECURITY.md")]
#: What a reader is told to make, or has already.
MADE = re.compile(r"^(build/|\.venv|docs/decisions|https?:)")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=str)
class TestPage:
    def test_every_command_parses(self, page):
        for block in blocks(page, "bash"):
            done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
            assert done.returncode == 0, f"{done.stderr}\n{block}"

    def test_every_file_exists(self, page):
        text = page.read_text()
        linked = [page.parent / target for target in re.findall(r"\]\(([^)#]+)\)", text) if not MADE.match(target)]
        quoted = re.findall(r"(?<![\w./-])((?:conf|deid_udf|docs|infra|jobs|tests|benchmarks)/[\w./-]*[\w/])", text)
        missing = [str(f) for f in [*linked, *map(Path, quoted)] if not f.exists()]
        assert not missing

    def test_every_target_exists(self, page):
        makefile = Path("Makefile").read_text()
        for target in re.findall(r"`make ([a-z0-9-]+)`", page.read_text()):
            assert re.search(rf"^{target}:.*##|^{target}[^=]*:", makefile, re.MULTILINE)

    def test_every_option_of_a_job_is_one_that_it_has(self, page):
        for script, options in re.findall(r"((?:jobs|benchmarks)/\w+\.py)([^\n`]*)", page.read_text()):
            source = Path(script).read_text()
            for option in re.findall(r"--[a-z-]+", options):
                assert option == "--help" or f'"{option}"' in source


def test_the_settings_that_the_page_names_are_those_of_the_dag():
    dag = Path("infra/airflow/dags/deid_nightly.py").read_text()
    page = Path("docs/operator.md").read_text()
    named = {name.lower() for name in re.findall(r"AIRFLOW_VAR_(\w+)", page)}
    assert named == set(re.findall(r"var\.value\.(\w+)", dag))
