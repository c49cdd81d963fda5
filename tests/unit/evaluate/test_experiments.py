"""Curves compare mechanisms at equal worst-case ε."""

from decimal import Decimal
from fractions import Fraction

import pytest

from deid_udf.evaluate.experiments import EPSILONS, policies
from deid_udf.pipeline import Pipeline
from deid_udf.policy import CyclicLaplace, RandomizedResponse, load_policy
from deid_udf.privacy import KeyedNoise


@pytest.mark.parametrize("mechanism", ["randomized_response", "cyclic_laplace"])
def test_the_rows_of_a_plate_curve_spend_what_their_name_says(mechanism):
    street = load_policy("conf/policy/street.yaml")
    alone = street.model_copy(update={"plates": street.plates.model_copy(update={"fallback": "cn-blue"})})
    curve = policies("plates", alone)
    for epsilon in EPSILONS:
        pipeline = Pipeline(curve[f"{mechanism} epsilon={epsilon}"], noise=KeyedNoise(bytes(32)))
        cost = pipeline._protectors["plate"].cost
        assert cost is not None
        assert 0 <= Fraction(epsilon) - cost < Fraction(1, 10**9)
    last = curve[f"{mechanism} epsilon=inf"].plates.mechanism
    assert isinstance(last, (RandomizedResponse, CyclicLaplace))
    assert last.epsilon > Decimal(15)
