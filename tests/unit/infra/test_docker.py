"""The image's recipe and its entry point, as far as they can be judged without an engine."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

FOLDER = Path("infra/docker")


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (FOLDER / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line.strip()]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in instructions():
        if word == "FROM":
            found[rest.split(" AS ")[1]] = [("FROM", rest.split(" AS ")[0])]
        elif found:
            found[list(found)[-1]].append((word, rest))
    return found


def test_both_images_come_from_a_build_stage_and_end_without_root():
    recipe = stages()
    assert list(recipe) == ["model-cache", "build", "cpu", "cuda"]
    for image in ("cpu", "cuda"):
        users = [rest for word, rest in recipe[image] if word == "USER"]
        assert users[-1] == "10001:10001"
    assert ("COPY", "--from=build /opt/deid /opt/deid") in recipe["cpu"]
    assert not any("make" in rest.split() for word, rest in recipe["cpu"] if word == "RUN")


def test_the_user_is_the_one_that_the_pods_run_as():
    assert "runAsUser: 10001" in (FOLDER.parent / "kubernetes/spark-application.yaml").read_text()


def test_everything_that_is_copied_exists_and_reaches_the_builder():
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    admitted = [Path(line[1:]) for line in ignored if line.startswith("!")]
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            for source in map(Path, rest.split()[:-1]):
                assert source.exists()
                assert any(source == a or a in source.parents for a in admitted)


def test_nothing_secret_or_unpinned_gets_in():
    text = "\n".join(f"{word} {rest}" for word, rest in instructions())
    assert not re.search(r"^ADD ", text, re.MULTILINE)
    assert not re.search(r"curl|wget|:latest", text)
    assert r"sed -i '/^spark\.authenticate\.secret/d'" in text
    assert re.search(r"pip install .*--require-hashes", text)
    for line in (FOLDER / "cuda.lock").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"\S+==\S+ --hash=sha256:[0-9a-f]{64}", line)


@pytest.mark.parametrize("gpus", [[], ["0"], ["0", "1", "2"]])
def test_the_discovery_script_says_what_nvidia_smi_sees(gpus, tmp_path):
    """`nvidia-smi` is the machine's; where there is none, a stand-in prints what it would."""
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n" + "".join(f"echo {gpu}\n" for gpu in gpus))
    smi.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([FOLDER / "gpus.sh"], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"name": "gpu", "addresses": gpus}
