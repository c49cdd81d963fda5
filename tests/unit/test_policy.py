"""Policies: exact numbers, a hash of the content alone, and messages that name the key."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deid_udf.errors import ExitCode, PolicyError
from deid_udf.policy import LaplaceVector, Policy, load_policy, parse_policy

POLICIES = sorted(Path("conf/policy").glob("*.yaml"))
STREET = Path("conf/policy/street.yaml").read_text()


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_every_shipped_policy_is_valid_and_named_like_its_file(file: Path) -> None:
    assert load_policy(file).name == file.stem


def test_the_default_is_pure_and_capped() -> None:
    policy = load_policy("conf/policy/street.yaml")
    assert isinstance(policy.faces.mechanism, LaplaceVector)
    assert policy.faces.mechanism.k == 8
    assert policy.plates.mechanism.name == "randomized_response"
    assert policy.budget.image is not None
    assert policy.budget.scopes[0].columns == ("sequence_id",)
    assert not policy.experiment


def test_baselines_do_not_claim_to_be_experiments() -> None:
    assert not load_policy("conf/policy/blur.yaml").experiment
    assert not load_policy("conf/policy/mosaic.yaml").experiment


@pytest.mark.parametrize("name", ["blur", "mosaic"])
def test_baselines_see_what_the_default_policy_sees(name):
    assert load_policy(f"conf/policy/{name}.yaml").detection == load_policy("conf/policy/street.yaml").detection


def test_the_commercial_policy_is_the_default_but_for_generator_and_licences():
    default, commercial = (load_policy(f"conf/policy/{name}.yaml") for name in ("street", "street-commercial"))
    assert "NVIDIA-NC" not in commercial.licences
    changed = {"name", "licences", "faces"}
    assert commercial.model_dump(exclude=changed) == default.model_dump(exclude=changed)
    assert commercial.faces.model_dump(exclude={"generator"}) == default.faces.model_dump(exclude={"generator"})


def _reordered(value: object) -> object:
    if isinstance(value, dict):
        return {key: _reordered(value[key]) for key in sorted(value, reverse=True)}
    return [_reordered(v) for v in value] if isinstance(value, list) else value


def test_hash_ignores_key_order_comments_and_trailing_zeros() -> None:
    policy = parse_policy(STREET)
    shuffled = yaml.safe_dump(_reordered(yaml.safe_load(STREET)), sort_keys=False)
    assert parse_policy(shuffled).hash == policy.hash
    assert parse_policy(STREET.replace("epsilon: 8,", "epsilon: 8.000,")).hash == policy.hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epsilon: 8,", "epsilon: 8.000000001,"),
        ("threshold: 0.2", "threshold: 0.21"),
        ("mask: forehead", "mask: hull"),
        ("cap: 2000", "cap: 2001"),
        ("memo: [sequence_id]", "memo: []"),
    ],
)
def test_hash_sees_every_change(old: str, new: str) -> None:
    assert old in STREET
    assert parse_policy(STREET.replace(old, new)).hash != parse_policy(STREET).hash


def test_canonical_text_reads_back_to_the_same_policy() -> None:
    policy = parse_policy(STREET)
    assert parse_policy(policy.canonical()) == policy
    assert parse_policy(policy.canonical()).hash == policy.hash


@given(st.decimals(min_value="0.000000001", max_value=10**6, places=9))
def test_epsilon_stays_exact(epsilon: Decimal) -> None:
    policy = parse_policy(STREET.replace("epsilon: 8,", f"epsilon: {epsilon:f},"))
    assert isinstance(policy.faces.mechanism, LaplaceVector)
    assert policy.faces.mechanism.epsilon == epsilon


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("laplace_vector", "gaussian", "faces.mechanism"),
        ("laplace_vector", "gaussian", "'laplace_vector'"),  # the allowed values
        ("mask: forehead", "mask: ears", "faces.mask"),
        ("epsilon: 8,", "epsilon: 0,", "epsilon"),
        ("epsilon: 8,", "epsilon: .inf,", "epsilon"),
        ("epsilon: 8,", "epsilon: .nan,", "epsilon"),
        ("k: 8", "k: 0", "k"),
        ("formats: [cn-blue]", "formats: []", "plates.formats"),
        ("name: street", "colour: red", "colour"),
        ("laplace_vector, epsilon: 8, k: 8, radius: 8", "laplace_unbounded, epsilon: 8", "unbounded"),
    ],
)
def test_a_wrong_policy_is_refused_by_key(old: str, new: str, named: str) -> None:
    assert old in STREET
    with pytest.raises(PolicyError, match="policy") as caught:
        parse_policy(STREET.replace(old, new), "street.yaml")
    assert named in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_the_papers_warp_must_be_declared_an_experiment() -> None:
    with pytest.raises(PolicyError, match="experiment"):
        parse_policy(STREET.replace("mask: forehead", "mask: hull\n  swap: paper"))


@pytest.mark.parametrize("text", ["", "[1, 2]", "a: [", "!!python/object:os.system {}"])
def test_text_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path / "none.yaml")


def test_a_policy_is_frozen() -> None:
    policy: Policy = parse_policy(STREET)
    with pytest.raises(ValueError, match="frozen"):
        policy.name = "other"
