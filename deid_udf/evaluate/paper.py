"""What the paper reports, to stand beside what is measured here: its Tables 1 and 2, in plain units."""

from typing import Literal

Method = Literal["blur", "mosaic", "ours"]
Table = dict[str, dict[Method, float]]

# Table 1: 4,000 street images. L0 and SSIM are printed there in hundreds and hundredths, ALD_p in hundredths.
TABLE_1: Table = {
    "dhash": {"blur": 12873.65, "mosaic": 13370.19, "ours": 641.71},
    "ssim": {"blur": 0.9818, "mosaic": 0.9770, "ours": 0.9933},
    "l0": {"blur": 169_225, "mosaic": 165_257, "ours": 44_674},
    "l2": {"blur": 9983.06, "mosaic": 14757.19, "ours": 18593.41},
    "ald_2": {"blur": 0.0399, "mosaic": 0.0523, "ours": 0.104},
}

# Table 2: face images (89 face swaps in the text, 4,000 in the caption).
TABLE_2: Table = {
    "dhash": {"blur": 4047.80, "mosaic": 4427.79, "ours": 134.25},
    "ssim": {"blur": 0.6463, "mosaic": 0.4815, "ours": 0.9738},
    "l0": {"blur": 100_940, "mosaic": 102_225, "ours": 23_672},
    "l2": {"blur": 5832.96, "mosaic": 10812.2, "ours": 2045.48},
    "ald_2": {"blur": 0.1668, "mosaic": 0.2864, "ours": 0.0582},
}

LARGER_IS_BETTER = frozenset({"ssim"})
