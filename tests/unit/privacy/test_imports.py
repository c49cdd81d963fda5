"""What the package may read: nothing of the project, and no generator but the two it states."""

import ast
import inspect
from pathlib import Path

import pytest

import deid_udf.privacy as privacy

FILES = sorted(Path(privacy.__file__).parent.rglob("*.py"))
GENERATORS = ("random", "numpy.random", "np.random", "torch", "scipy", "secrets", "jax")


def imported(tree: ast.AST) -> set[str]:
    """Every module name that an import statement or an attribute chain of numpy reaches."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            names |= {prefix} | {f"{prefix}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    return names


def offends(names: set[str]) -> set[str]:
    return {
        name
        for name in names
        if any(name == generator or name.startswith(f"{generator}.") for generator in GENERATORS)
        or (name.startswith("deid_udf") and not f"{name}.".startswith("deid_udf.privacy."))
        or name.startswith(".")
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_reads_no_other_generator_and_nothing_of_the_project(file):
    tree = ast.parse(file.read_text())
    assert not offends(imported(tree)) - {"deid_udf"}
    assert "__import__" not in file.read_text() and "importlib" not in file.read_text()


@pytest.mark.parametrize(
    "line",
    [
        "import random",
        "from numpy import random",
        "x = np.random.default_rng()",
        "import torch.distributions",
        "from deid_udf import errors",
        "import deid_udf.schema",
        "from .. import policy",
    ],
)
def test_would_see_an_offence(line):
    assert offends(imported(ast.parse(line))) - {"deid_udf"}


def test_no_function_takes_a_seed():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.arg | ast.keyword):
                assert "seed" not in (node.arg or "")


def test_all_that_is_public_is_documented():
    for name in privacy.__all__:
        member = getattr(privacy, name)
        assert inspect.getdoc(member) or not inspect.isroutine(member)
