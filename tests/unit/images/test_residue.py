from PIL import Image

from deid_udf.images.residue import residue
from tests.unit.images.pictures import LIMITS, exif_block, picture, saved, srgb_profile


def test_names_what_is_left():
    data = saved(picture(), "JPEG", exif=b"Exif\0\0" + exif_block(b"x"), comment=b"here", icc_profile=b"no profile")
    assert residue(data + b"trailer", LIMITS) == ("comment", "bytes after the end", "EXIF", "a damaged colour profile")
    assert residue(saved(picture(), "PNG", dpi=(72, 72)), LIMITS) == ("chunk pHYs",)
    assert residue(saved(picture(), "TIFF", software="here"), LIMITS) == ("tag 305",)


def test_a_profile_and_an_orientation_are_no_residue():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert residue(saved(picture(), "JPEG", icc_profile=srgb_profile(), exif=exif), LIMITS) == ()
    exif[0x0110] = "Model"
    assert residue(saved(picture(), "JPEG", exif=exif), LIMITS) == ("EXIF",)
    assert residue(saved(picture(), "JPEG", exif=exif), LIMITS, {"Model"}) == ()
