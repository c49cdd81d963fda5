"""Every command that the documentation shows is covered: run by a test or by CI, and its options and files exist."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deid_udf.models import ROOT
from deid_udf.privacy import KeyedNoise

PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
SHELL = ("", "bash", "console", "sh")  # languages of blocks that hold commands

#: Who runs each script, or for a long training the call that the script is a page around; and a word that shows it.
RUN_BY = {
    "infra/s3/server.py": ("tests/s3/test_servers.py", "server"),
    "jobs/audit.py": ("infra/airflow/dags/deid_nightly.py", "jobs/audit.py"),  # which tests/e2e/test_airflow.py runs
    "jobs/deidentify.py": ("infra/airflow/dags/deid_nightly.py", "jobs/deidentify.py"),
    "jobs/demo.py": ("tests/e2e/test_demo.py", "jobs/demo.py"),
    "jobs/erase.py": ("tests/spark/test_erasure.py", "jobs.erase"),
    "jobs/evaluate.py": ("tests/spark/test_evaluate.py", "jobs/evaluate.py"),
    "jobs/ingest.py": ("tests/spark/test_ingest.py", "ingest("),
    "jobs/train_detector.py": ("tests/unit/training/test_detector.py", "deid_udf.training.detector"),
    "jobs/train_encoder.py": ("tests/unit/training/test_encoder.py", "deid_udf.training.encoder"),
    "jobs/train_generator.py": ("tests/unit/training/test_generator.py", "deid_udf.training.generator"),
    "jobs/fit_generator.py": ("tests/unit/generator/test_latent.py", "deid_udf.generator"),
    "deid_udf.models": ("Makefile", "deid_udf.models"),
}
MAKE_RUN_BY = {
    "demo": "tests/e2e/test_demo.py",
    "lint": ".ci/run",
    "models": ".ci/run",
    "setup": ".ci/run",
    "test": ".ci/run",
}


def _blocks(page: Path) -> Iterator[str]:
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
        if language in SHELL:
            yield from block.replace("\\\n", " ").splitlines()
    for code in re.findall(r"`([^`\n]+)`", page.read_text()):  # in the running text, those that name a script's options
        if re.match(r"(\S*python |spark-submit )?(jobs|benchmarks)/[a-z_]+\.py ", code):
            yield code


def _commands(page: Path) -> Iterator[list[str]]:
    """Commands of a page, in words, without what stands before the program and without redirection."""
    for line in _blocks(page):
        words = shlex.split(line, comments=True)
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|")), len(words))
            command = words[:end]
            yield command[: command.index(">")] if ">" in command else command
            words = words[end + 1 :]


SHOWN = [
    pytest.param(page, words, id=f"{page.name}: {' '.join(words)[:60]}") for page in PAGES for words in _commands(page)
]


@pytest.mark.parametrize(("page", "words"), SHOWN)
def test_a_command_of_the_documentation_is_covered(page, words):
    program = words[0].removeprefix(".venv/bin/").removeprefix(".venv-airflow/bin/")
    if re.fullmatch(r"(jobs|benchmarks)/\w+\.py", program):
        words = ["python", *words]
        program = "python"
    covered = COVERED.get(program)
    assert covered, f"nothing covers {program}: {' '.join(words)}"
    covered(words[1:])


def _script(words: list[str]) -> None:
    """A script or module of ours: something runs it, and it knows each option that is shown."""
    start = next(i for i, word in enumerate(words) if word.endswith(".py") or word == "-m")
    for before in words[:start]:
        assert before.startswith("--") or (ROOT / before).exists(), f"no {before}"
    module = words[start] == "-m"
    name = words[start + 1] if module else words[start]
    assert module or (ROOT / name).exists(), f"no {name}"
    if not name.startswith("benchmarks/"):  # those are run by hand: a figure of the documentation says where
        assert name in RUN_BY, f"nothing runs {name}"
        file, word = RUN_BY[name]
        assert word in (ROOT / file).read_text()
    source = ROOT / (f"{name.replace('.', '/')}.py" if module else name)
    known = set(re.findall(r'add_argument\(\s*"(--[a-z0-9-]+)"', source.read_text())) | {"--help"}
    shown = {word.split("=")[0] for word in words[start + 1 :] if word.startswith("--")}
    assert shown <= known, f"{name} has no {', '.join(sorted(shown - known))}"


def _make(words: list[str]) -> None:
    for target in words:
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"make knows no {target}"
        if target != "help":
            assert re.search(rf"\b{target}\b", (ROOT / MAKE_RUN_BY[target]).read_text())


def _airflow(words: list[str]) -> None:
    run = (ROOT / "tests/e2e/test_airflow.py").read_text()
    subcommand = ", ".join(f'"{word}"' for word in words[:2])
    assert subcommand in run, f"no test runs airflow {' '.join(words[:2])}"


def _export(words: list[str]) -> None:
    """Each variable is one that the project, its tests or its tools read."""
    read = "".join(
        file.read_text() for folder in ("deid_udf", "infra", "tests/e2e") for file in (ROOT / folder).rglob("*.py")
    )
    for word in words:
        name = word.split("=")[0]
        variable = name.removeprefix("AIRFLOW_VAR_").lower() if name.startswith("AIRFLOW_VAR_") else name
        connection = name.removeprefix("AIRFLOW_CONN_").lower() if name.startswith("AIRFLOW_CONN_") else name
        assert name == "PATH" or variable in read or connection in read, f"nothing reads {name}"


def _docker(words: list[str]) -> None:
    recipe = (ROOT / words[words.index("-f") + 1]).read_text()  # tests/unit/infra/test_docker.py checks it
    assert re.search(rf"^FROM .* AS {words[words.index('--target') + 1]}$", recipe, re.MULTILINE | re.IGNORECASE)


def _kubectl(words: list[str]) -> None:
    """Files exist (tests/unit/infra/test_kubernetes.py checks them), and a secret is one that they mount or read."""
    manifests = "".join(file.read_text() for file in (ROOT / "infra/kubernetes").glob("*.yaml"))
    files = [words[i + 1] for i, word in enumerate(words) if word == "-f"]
    assert all((ROOT / file).exists() for file in files)
    if "secret" in words:
        assert words[words.index("generic") + 1] in manifests


def _openssl(words: list[str]) -> None:
    """What it prints is a noise key."""
    digits = subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout.strip()
    assert KeyedNoise(bytes.fromhex(digits)).name == "keyed"


def _files(words: list[str]) -> None:
    assert all((ROOT / word).exists() for word in words)


def _nothing(words: list[str]) -> None:
    """The shell's own."""


COVERED = {
    "python": _script,
    "spark-submit": _script,
    "job": _script,  # the quick start's alias of both
    "make": _make,
    "airflow": _airflow,
    "export": _export,
    "docker": _docker,
    "kubectl": _kubectl,
    "openssl": _openssl,
    "cat": _files,
    "alias": _nothing,
    "chmod": _nothing,
}
