from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from deid_udf import policy
from deid_udf.baselines import BaselineProtector
from deid_udf.compose import compose
from deid_udf.detect.region import Region
from deid_udf.privacy import Guarantee, OsNoise
from deid_udf.protect import Target
from deid_udf.schema import Cause, Outcome

FRAME = np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8)


def target(box=(10.2, 20.0, 50.0, 60.7), spend=True):
    region = Region("face", 0.9, box, "test")
    return Target(frame=0, region=region, context=(b"image", b"0"), scope=None, spend=spend)


def protect(choice, **options):
    protector = BaselineProtector(choice, noise=OsNoise())
    return protector, protector.replace([FRAME], [target(**options)])[0]


@pytest.mark.parametrize(
    ("choice", "cost"),
    [
        (policy.Blur(name="blur"), None),
        (policy.Mosaic(name="mosaic"), None),
        (policy.DpPix(name="dp_pix", epsilon=Decimal("0.5")), Fraction(1, 2)),
        (policy.Fill(name="fill"), Fraction(0)),
    ],
)
def test_cost_is_the_worst_case_of_what_is_released(choice, cost):
    protector, replacement = protect(choice)
    assert protector.cost == cost == replacement.mechanism.worst_case


def test_blur_and_mosaic_change_the_box_and_nothing_else():
    for choice in (policy.Blur(name="blur"), policy.Mosaic(name="mosaic")):
        _, replacement = protect(choice)
        frame, changed = compose(FRAME, [replacement])
        assert replacement.mechanism.guarantee is Guarantee.NONE
        assert changed[20:61, 10:50].all() and changed.sum() == 41 * 40
        assert (frame[~changed] == FRAME[~changed]).all()
        inside = slice(20, 61), slice(10, 50)
        assert np.array_equal(frame[inside], replacement.content)
        assert frame[inside].std() < 0.5 * FRAME[inside].std()


def test_mosaic_has_the_cells_that_the_policy_asks_for():
    _, replacement = protect(policy.Mosaic(name="mosaic", cells=4), box=(0, 0, 40, 40))
    assert len(np.unique(replacement.content.reshape(-1, 3), axis=0)) == 16


def test_dp_pix_draws_new_noise_each_time():
    choice = policy.DpPix(name="dp_pix", epsilon=Decimal("0.5"), m=16)
    assert not np.array_equal(protect(choice)[1].content, protect(choice)[1].content)


def test_over_the_allowance_the_box_is_filled():
    _, replacement = protect(policy.DpPix(name="dp_pix", epsilon=Decimal("0.5")), spend=False)
    assert (replacement.outcome, replacement.cause) == (Outcome.FILLED, Cause.OVER_ALLOWANCE)
    assert replacement.mechanism.worst_case == 0


def test_a_box_outside_the_frame_is_no_crash():
    _, replacement = protect(policy.Blur(name="blur"), box=(200, 200, 220, 220))
    frame, changed = compose(FRAME, [replacement])
    assert not changed.any() and np.array_equal(frame, FRAME)
