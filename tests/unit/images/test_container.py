import pytest

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.container import Limits


@pytest.mark.parametrize(
    ("width", "height", "reason"),
    [
        (0, 5, Reason.UNREADABLE),
        (5, 0, Reason.UNREADABLE),
        (101, 10, Reason.TOO_LARGE),
        (2**31, 2**31, Reason.TOO_LARGE),
    ],
)
def test_sizes_beyond_the_limit(width, height, reason):
    with pytest.raises(Quarantined) as caught:
        Limits(max_pixels=1000).check_pixels(width, height)
    assert caught.value.reason == reason


def test_the_limit_itself_is_allowed():
    Limits(max_pixels=1000).check_pixels(100, 10)
