"""Differential privacy with exact noise, exact ε and budgets that hold. Imports nothing of the project around it."""

from deid_udf.privacy.accounting import Accountant, Cost, ParallelMax, PlainSum, Pld
from deid_udf.privacy.alphabet import CyclicLaplace, Product, RandomizedResponse
from deid_udf.privacy.baselines import Baseline, DpPix, Prior
from deid_udf.privacy.budgets import Cap, Standing, affordable, allowance, granted, spent
from deid_udf.privacy.errors import (
    InexactNumber,
    InvalidParameter,
    InvalidValues,
    MixedGuarantees,
    NoiseKeyError,
    PrivacyError,
    UnknownEvent,
)
from deid_udf.privacy.events import MECHANISMS, mechanism_from_event
from deid_udf.privacy.exact import exact, to_decimal
from deid_udf.privacy.exponential import Exponential
from deid_udf.privacy.laplace import LaplaceUnbounded, LaplaceVector
from deid_udf.privacy.mechanism import Event, Guarantee, Mechanism, NoisyMechanism
from deid_udf.privacy.noise import Context, KeyedNoise, NoiseSource, OsNoise

__all__ = [
    "MECHANISMS",
    "Accountant",
    "Baseline",
    "Cap",
    "Context",
    "Cost",
    "CyclicLaplace",
    "DpPix",
    "Event",
    "Exponential",
    "Guarantee",
    "InexactNumber",
    "InvalidParameter",
    "InvalidValues",
    "KeyedNoise",
    "LaplaceUnbounded",
    "LaplaceVector",
    "Mechanism",
    "MixedGuarantees",
    "NoiseKeyError",
    "NoiseSource",
    "NoisyMechanism",
    "OsNoise",
    "ParallelMax",
    "PlainSum",
    "Pld",
    "Prior",
    "PrivacyError",
    "Product",
    "RandomizedResponse",
    "Standing",
    "UnknownEvent",
    "affordable",
    "allowance",
    "exact",
    "granted",
    "mechanism_from_event",
    "spent",
    "to_decimal",
]
