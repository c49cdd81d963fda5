"""Every command that the documentation shows is covered: run by a test or by CI, and its options and files exist."""

import re
import subprocess

import pytest

from deid_udf.models import ROOT
from deid_udf.privacy import KeyedNoise
from tests.support.pages import AS_SHOWN, PAGES, commands, options_of

#: The tests that run each script, in their own words.
RUN_BY = {
    "infra/s3/server.py": ["tests/s3/test_servers.py::test_by_hand_it_prints_what_to_export"],
    "jobs/audit.py": [
        "tests/spark/test_pages.py::test_the_commands_of_the_pages_do_what_the_pages_say",
        "tests/e2e/test_airflow.py::test_a_backfill_publishes_each_days_image_and_report_and_spends_once",
    ],
    "jobs/deidentify.py": [
        "tests/spark/test_pages.py::test_the_commands_of_the_pages_do_what_the_pages_say",
        "tests/s3/test_deidentify.py::test_kills_and_then_a_night",
    ],
    "jobs/demo.py": ["tests/e2e/test_demo.py::test_the_demo_protects_every_picture_and_says_so"],
    "jobs/erase.py": ["tests/spark/test_erasure.py::test_after_an_erasure_no_file_of_the_lake_holds_the_image"],
    "jobs/evaluate.py": [
        "tests/spark/test_evaluate.py::test_tables_of_image_records_stand_beside_the_papers",
        "tests/spark/test_evaluate.py::test_recall_by_size_is_resumed",
        "tests/spark/test_evaluate.py::test_a_generator_is_examined",
    ],
    "jobs/ingest.py": ["tests/spark/test_pages.py::test_the_commands_of_the_pages_do_what_the_pages_say"],
}
#: By hand, for hours: the test of what each of them calls.
BY_HAND = {
    "jobs/fit_generator.py": "tests/unit/generator/test_latent.py::test_fit_recovers_a_known_gaussian",
    "jobs/train_detector.py": "tests/unit/training/test_detector.py::test_a_run_resumes_measures_and_exports",
    "jobs/train_encoder.py": "tests/unit/training/test_encoder.py::test_a_run_learns_and_exports",
    "jobs/train_generator.py": "tests/unit/training/test_generator.py::test_a_run_resumes_and_exports",
}
MAKE_RUN_BY = {
    "demo": "tests/e2e/test_demo.py",
    "lint": ".ci/run",
    "models": ".ci/run",
    "setup": ".ci/run",
    "test": ".ci/run",
}


SHOWN = [
    pytest.param(page, words, id=f"{page.name}: {' '.join(words)[:60]}") for page in PAGES for words in commands(page)
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
    if words[start] == "-m":
        _models(words[start + 1 :])
        return
    name = words[start]
    assert (ROOT / name).exists(), f"no {name}"
    known = set(re.findall(r'add_argument\(\s*"(--[a-z0-9-]+)"', (ROOT / name).read_text())) | {"--help"}
    shown = {word.split("=")[0] for word in words[start + 1 :] if word.startswith("--")}
    assert shown <= known, f"{name} has no {', '.join(sorted(shown - known))}"
    if name in BY_HAND:
        _test(BY_HAND[name])
    elif not name.startswith("benchmarks/"):  # those are run by hand: a figure of the documentation says where
        run = set().union(*(_options_of(test) for test in RUN_BY[name]), *_options_as_shown(name), {"--help"})
        assert shown <= run, f"no test runs {name} with {', '.join(sorted(shown - run))}"


def _test(named: str) -> str:
    """The file of a test, which is there."""
    file, _, name = named.partition("::")
    text = (ROOT / file).read_text()
    assert re.search(rf"^def {name}\(", text, re.MULTILINE), f"no {named}"
    return text


def _options_of(test: str) -> set[str]:
    """Options that a test's file writes out; the night shift's tests run the DAG, which writes out its own."""
    text = _test(test)
    if "deid_nightly" in text:
        text += "".join(file.read_text() for file in (ROOT / "infra/airflow/dags").rglob("*.py"))
    return set(re.findall(r'"(--[a-z0-9-]+)', text.replace('f"', '"')))


def _options_as_shown(script: str) -> list[set[str]]:
    """Options of commands that tests take from a page."""
    shown = [options_of(page, name) for page, name in AS_SHOWN if name == script]
    return [{word.split("=")[0] for word in words if word.startswith("--")} for some in shown for words in some]


def _models(words: list[str]) -> None:
    """`list` and `fetch` of the registry; `make models` runs the latter."""
    assert words[0] == "deid_udf.models"
    assert "-m deid_udf.models fetch" in (ROOT / "Makefile").read_text()
    known = set(re.findall(r'"(--[a-z]+|list|fetch)"', (ROOT / "deid_udf/models.py").read_text()))
    assert {word for word in words[1:] if not word.startswith("s3a://")} <= known


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
