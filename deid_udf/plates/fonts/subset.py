"""Make this folder's fonts: the glyphs that plates need, out of the open fonts they were drawn in.

    npm pack @fontsource/barlow @fontsource/barlow-condensed @fontsource/noto-sans-sc   # 5.3.0 each, then unpack
    python deid_udf/plates/fonts/subset.py UNPACKED_BARLOW UNPACKED_BARLOW_CONDENSED UNPACKED_NOTO_SANS_SC

Needs `fonttools` and `brotli`. Only run to add glyphs; the results are in the repository with their OFL 1.1.
"""

import shutil
import sys
from pathlib import Path

from fontTools import subset  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

HERE = Path(__file__).resolve().parent
LATIN = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-."
PROVINCES = "京津冀鲁晋蒙豫辽苏吉宁皖陕鄂沪黑浙甘赣湘青渝川闽黔粤桂云琼新藏"
FONTS = (
    ("files/barlow-latin-600-normal.woff2", "barlow.ttf", LATIN, "OFL-Barlow.txt"),
    ("files/barlow-condensed-latin-600-normal.woff2", "barlow-condensed.ttf", LATIN, "OFL-Barlow.txt"),
    ("files/noto-sans-sc-chinese-simplified-700-normal.woff2", "noto-sans-sc.ttf", PROVINCES, "OFL-NotoSansSC.txt"),
)


def main(folders: list[str]) -> None:
    """Subset each font of `FONTS` from the package folder in the same place of `folders`."""
    for folder, (source, target, glyphs, licence) in zip(map(Path, folders), FONTS, strict=True):
        font = TTFont(folder / source)
        options = subset.Options(layout_features=[], hinting=False, name_IDs=[0, 1, 2, 7, 13, 14], notdef_outline=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=glyphs)
        subsetter.subset(font)
        font.flavor = None
        font.save(HERE / target)
        shutil.copy(folder / "LICENSE", HERE / licence)


if __name__ == "__main__":
    main(sys.argv[1:])
