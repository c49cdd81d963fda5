import warnings

import pytest
from PIL import Image, UnidentifiedImageError

from deid_udf.errors import Quarantined, Reason
from deid_udf.images.pillow import open_as, untrusted
from tests.unit.images.pictures import picture, saved


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyError("SECRET"), Reason.UNREADABLE),
        (OSError("image file is truncated (3 bytes not processed)"), Reason.TRUNCATED),
        (Image.DecompressionBombError("SECRET"), Reason.TOO_LARGE),
        (Quarantined(Reason.UNSUPPORTED, "as it was"), Reason.UNSUPPORTED),
    ],
)
def test_every_error_becomes_a_reason_without_content(error, reason):
    with pytest.raises(Quarantined) as caught, untrusted("damaged pixels"):
        raise error
    assert caught.value.reason == reason
    assert "SECRET" not in str(caught.value)


def test_warnings_stay_inside():
    with warnings.catch_warnings(record=True) as seen, untrusted("damaged pixels"):
        warnings.warn("odd tag", stacklevel=1)
    assert not seen


def test_opens_one_format_only():
    assert open_as("png", saved(picture(), "PNG")).format == "PNG"
    with pytest.raises(UnidentifiedImageError):
        open_as("png", saved(picture(), "GIF"))
