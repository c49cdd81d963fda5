"""Plates measured: how well they are read, what mechanisms leave of them, and what one costs.

python -m benchmarks.plates reading --data DIR [--reader ppocr_v6]    # real plates: measured, never shown
python -m benchmarks.plates mechanisms            # no pictures at all
python -m benchmarks.plates speed                 # drawn plates
python -m benchmarks.plates released              # drawn plates: what is read before and after
python -m benchmarks.plates street --data DIR     # real plates, as the default policy releases them
python -m benchmarks.plates gallery --out FILE    # drawn plates, before and after
"""

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from rapidfuzz.distance import Levenshtein

from benchmarks.plate_scenes import Look, scene
from deid_udf.compose import compose
from deid_udf.detect.boxes import box_corners
from deid_udf.detect.clp import Clp
from deid_udf.detect.edges import refined
from deid_udf.detect.region import Frame, Region
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.plates import code
from deid_udf.plates.draw import draw_plate
from deid_udf.plates.formats import Pattern, load_format
from deid_udf.plates.identify import identify, look_at
from deid_udf.plates.lattice import Lattice, best
from deid_udf.plates.protect import PlateProtector
from deid_udf.plates.quad import Quad, quad_of
from deid_udf.plates.read import open_reader, read_plates
from deid_udf.policy import CyclicLaplace, Plates, RandomizedResponse, load_policy
from deid_udf.privacy import OsNoise
from deid_udf.protect import Target
from deid_udf.schema import Outcome

FORMATS = {
    "us": ["us-generic"],
    "eu": ["eu"],
    "br": ["br-old", "br-mercosur"],
    "cn": ["cn-blue", "cn-yellow", "cn-green"],
}
Place = tuple[int, Quad]


def reading(data: Path, reader: str) -> None:
    """`plates_cn/` as detected by `clp`, and `eval/plates_openalpr/` from its true boxes."""
    for half, name in ((0, "training"), (1, "validation")):
        for colour in ("blue", "yellow"):
            frames, places, texts, all_plates = chinese(data / "plates_cn", half, colour)
            read = texts_of(frames, places, "cn", reader)
            report(f"plates_cn {name} half, {colour}, detected by clp", read, texts, all_plates)
            latin = latin_part(frames, places, reader)
            report("  the same but for the province", latin, [text[1:] for text in texts], all_plates)
    labels = json.loads((data / "eval/plates_openalpr/annotations.json").read_text())
    by_region = defaultdict(list)
    for row in labels:
        by_region[row["region"]].append(row)
    together: list[tuple[str, str]] = []
    for region, rows in sorted(by_region.items()):
        frames = [load(data / "eval/plates_openalpr/images" / row["file"]) for row in rows]
        objects = [(i, plate) for i, row in enumerate(rows) for plate in row["objects"]]
        read = texts_of(frames, [(i, box_corners(tuple(plate["box"]))) for i, plate in objects], region, reader)
        texts = [plate["text"] for _, plate in objects]
        report(f"plates_openalpr {region}, true box", read, texts, len(texts))
        together += zip(read, texts, strict=True)
    report("plates_openalpr, true box", [r for r, _ in together], [t for _, t in together], len(together))


def chinese(folder: Path, half: int, colour: str) -> tuple[list[Frame], list[Place], list[str], int]:
    """Every second plate of a colour: frames, places of the detected ones, their texts, and how many there are."""
    with (folder / "index.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["colour"] == colour][half::2]
    frames = [load(folder / "images" / row["file"]) for row in rows]
    places, texts = [], []
    for i, (row, regions) in enumerate(zip(rows, Clp("cpu", 0.1).detect(frames), strict=True)):
        x, y = float(row["centre_x"]), float(row["centre_y"])
        here = [r for r in regions if r.box[0] <= x <= r.box[2] and r.box[1] <= y <= r.box[3]]
        if here:
            places.append((i, quad_of(max(here, key=lambda r: r.score))))
            texts.append(row["text"])
    return frames, places, texts, len(rows)


def texts_of(frames: Sequence[Frame], places: Sequence[Place], region: str, reader: str) -> list[str]:
    formats, generic = [load_format(name) for name in FORMATS[region]], load_format("generic")
    lattices = read_plates(frames, places, open_reader(reader, "cpu"))
    found = [
        identify(some, look_at(frames[frame], quad), formats, generic)
        for some, (frame, quad) in zip(lattices, places, strict=True)
    ]
    return ["" if one is None else one.text for one in found]


def latin_part(frames: Sequence[Frame], places: Sequence[Place], reader: str) -> list[str]:
    """What a reader makes of the symbols after the province, which EasyOCR does not know."""
    pattern = load_format("cn-blue").expand()[0]
    rest = Pattern(pattern.alphabets[1:], pattern.separators[1:])
    read = [
        min((fit for one in some if (fit := best(one, rest))), key=lambda fit: fit.gap, default=None)
        for some in read_plates(frames, places, open_reader(reader, "cpu"))
    ]
    return ["" if fit is None else fit.text for fit in read]


def report(what: str, read: Sequence[str], texts: Sequence[str], plates: int) -> None:
    exact = sum(a == b for a, b in zip(read, texts, strict=True))
    edits = np.mean([Levenshtein.distance(a, b) for a, b in zip(read, texts, strict=True)])
    print(f"{what}: {plates} plates, {len(texts)} detected, exact {exact / plates:.3f}, mean edits {edits:.2f}")


def mechanisms(plates: int = 20_000) -> None:
    """At equal worst-case ε: what survives of Chinese blue plates drawn at random."""
    pattern = load_format("cn-blue").expand()[0]
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, m, plates) for m in pattern.moduli], 1)
    steps = sum(m // 2 for m in pattern.moduli)
    contexts = [(b"benchmark", i.to_bytes(4, "big")) for i in range(plates)]
    texts = [code.decode(row, pattern) for row in codes.tolist()]
    print("| ε | mechanism | province survives | whole text survives | symbols changed | edit distance |")
    for epsilon in (1, 4, 7, 14, 28):
        response = RandomizedResponse(name="randomized_response", epsilon=Decimal(epsilon))
        unit = Fraction(epsilon, steps).limit_denominator(10**12)
        laplace = CyclicLaplace(name="cyclic_laplace", epsilon=round(Decimal(unit.numerator) / unit.denominator, 12))
        for choice in (response, laplace):
            noisy = code.mechanism(choice, pattern).release(codes, noise=OsNoise(), contexts=contexts)
            changed = (noisy != codes).sum(1)
            survives = np.mean(noisy[:, 0] == codes[:, 0]), np.mean(changed == 0)
            new = [code.decode(row, pattern) for row in noisy.tolist()]
            edits = np.mean([Levenshtein.distance(a, b) for a, b in zip(texts, new, strict=True)])
            shares = f"{survives[0]:.3f} | {survives[1]:.4f} | {changed.mean():.2f} | {edits:.2f}"
            print(f"| {epsilon} | {choice.name} | {shares} |")


def speed(batch: int = 32, rounds: int = 5) -> None:
    """Wall and processor milliseconds a plate, in one batch of drawn plates 36 px high, edges and swap included."""
    form = load_format("cn-blue")
    pattern = form.expand()[0]
    rng = np.random.default_rng(0)
    frames, targets = [], []
    for i in range(batch):
        text = code.decode([int(rng.integers(m)) for m in pattern.moduli], pattern)
        frame = np.full((200, 320, 3), 150, np.uint8)
        flat = draw_plate(form, form.layouts[0], pattern, text)
        frame[80:116, 100:213] = cv2.resize(flat, (113, 36), interpolation=cv2.INTER_AREA)
        frames.append(np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.8), np.uint8))
        box = (85.0, 75.0, 228.0, 121.0)
        region = Region("plate", 1.0, box, "drawn", corners=box_corners((100, 80, 213, 116)))
        targets.append(Target(i, region, (b"benchmark", bytes([i])), None, True))
    policy = Plates(mechanism=RandomizedResponse(name="randomized_response", epsilon=Decimal(7)))
    protector = PlateProtector(policy, noise=OsNoise(), device="cpu")
    protector.replace(frames, targets)
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(rounds):
        for frame, target in zip(frames, targets, strict=True):
            refined(frame, quad_of(target.region))
        for frame, replacement in zip(frames, protector.replace(frames, targets), strict=True):
            compose(frame, [replacement])
    each = 1000 / (rounds * batch)
    wall, processor = (time.perf_counter() - wall) * each, (time.process_time() - processor) * each
    print(f"edges + read + code + render + swap: {wall:.1f} ms a plate (processor {processor:.1f}), batch of {batch}")


def released(plates: int = 384) -> None:
    """Whether a recogniser reads the new text, and never the old one, in drawn scenes of every difficulty."""
    rng = np.random.default_rng(1)
    names = ("cn-blue", "cn-yellow", "cn-green", "eu", "br-old", "br-mercosur")
    looks = [
        Look(
            height=rng.uniform(14, 60),
            yaw=rng.uniform(-50, 50),
            roll=rng.uniform(-8, 8),
            night=i % 5 == 0,
            dirt=0.6 * (i % 7 == 0),
            blur=rng.uniform(0.5, 1.0),
            noise=rng.uniform(1, 5),
        )
        for i in range(plates)
    ]
    scenes = [scene(names[i % len(names)], look, rng) for i, look in enumerate(looks)]
    choice = RandomizedResponse(name="randomized_response", epsilon=Decimal(7))
    protector = Recording(Plates(mechanism=choice, formats=names), noise=OsNoise(), device="cpu")
    targets = [Target(i, s.region, (b"benchmark", i.to_bytes(2, "big")), None, True) for i, s in enumerate(scenes)]
    made = protector.replace([s.frame for s in scenes], targets)
    frames = [compose(s.frame, [r])[0] for s, r in zip(scenes, made, strict=True)]
    after = read_plates(frames, [(i, s.quad) for i, s in enumerate(scenes)], open_reader("ppocr_v4", "cpu"))
    new = np.array([spells(some, *shown) for some, shown in zip(after, protector.shown, strict=True)])
    old = np.array([spells(some, s.pattern, s.text) for some, s in zip(after, scenes, strict=True)])
    replaced = np.array([r.outcome is Outcome.REPLACED for r in made])
    edits = [Levenshtein.distance(s.text, text) for s, (_, text) in zip(scenes, protector.shown, strict=True)]
    high, steep = np.array([look.height for look in looks]) >= 20, np.abs([look.yaw for look in looks]) > 30
    print(f"{plates} plates; through the mechanism {replaced.mean():.3f}; mean edit distance {np.mean(edits):.2f}")
    print(f"new text read, at least 20 px high and up to 30 degrees of yaw: {new[high & ~steep].mean():.3f}")
    print(f"the same at 30 to 50 degrees: {new[high & steep].mean():.3f}")
    print(f"new text read, below 20 px: {new[~high].mean():.3f}; old text read, all: {old.mean():.3f}")


def street(data: Path) -> None:
    """The default policy on the validation half of `plates_cn`: what is read before and after."""
    policy = load_policy("conf/policy/street.yaml")
    finders = tuple(choice for choice in policy.detection.detectors if choice.model != "centerface")
    detection = policy.detection.model_copy(update={"detectors": finders})
    with (data / "plates_cn/index.csv").open(encoding="utf-8") as file:
        labels = list(csv.DictReader(file))
    rows = [row for colour in ("blue", "yellow") for row in [r for r in labels if r["colour"] == colour][1::2]]
    names = sorted({row["file"] for row in rows})
    frames = [load(data / "plates_cn/images" / name) for name in names]
    found = find_private(frames, detection, open_detectors(detection, "cpu"))
    regions = [(i, f.region) for i, some in enumerate(found) for f in some if f.region.kind == "plate"]
    protector = Recording(policy.plates, noise=OsNoise(), device="cpu")
    targets = [Target(i, r, (b"benchmark", n.to_bytes(2, "big")), None, True) for n, (i, r) in enumerate(regions)]
    made = protector.replace(frames, targets)
    after = [
        compose(frame, [m for m, (j, _) in zip(made, regions, strict=True) if j == i])[0]
        for i, frame in enumerate(frames)
    ]
    reader = open_reader(policy.plates.reader, "cpu")
    seen = read_plates(after, [(i, quad_of(region)) for i, region in regions], reader)
    blue = load_format("cn-blue").expand()[0]
    high, new, old, edits = [], [], [], []
    for (i, region), lattices, (pattern, text) in zip(regions, seen, protector.shown, strict=True):
        quad = quad_of(region)
        high.append(float(np.linalg.norm(quad[3] - quad[0])) >= 20 and bool(text))
        new.append(spells(lattices, pattern, text))
        x0, y0, x1, y1 = region.box
        for row in rows:
            here = x0 <= float(row["centre_x"]) <= x1 and y0 <= float(row["centre_y"]) <= y1
            if row["file"] == names[i] and here and text:
                old.append(spells(lattices, blue, row["text"]))
                edits.append(Levenshtein.distance(row["text"], text))
    read = np.mean(np.array(new)[high])
    print(f"{len(regions)} regions; {sum(high)} of 20 px or more, new text read {read:.3f}")
    print(f"{len(old)} labelled plates: old text read {sum(old)}, mean edit distance {np.mean(edits):.2f}")


class Recording(PlateProtector):
    """A protector that remembers what it wrote on the new plates."""

    shown: list[tuple[Pattern, str]]

    def _contents(self, *given: Any) -> list[Any]:
        contents = super()._contents(*given)
        self.shown = [(content.pattern, content.text) for content in contents]
        return contents


def spells(lattices: Sequence[Lattice], pattern: Pattern, text: str) -> bool:
    """Whether a reading under the plate's own pattern is `text`."""
    return any(fit.text == text for lattice in lattices if (fit := best(lattice, pattern)))


def gallery(out: Path) -> None:
    """Twelve drawn scenes, before above after."""
    rng = np.random.default_rng(11)
    shots = (
        ("cn-blue", Look(), 0), ("cn-blue", Look(height=44, yaw=50), 0), ("cn-blue", Look(night=True, noise=5), 0),
        ("cn-yellow", Look(height=60), 1), ("cn-green", Look(roll=8, yaw=-20), 0), ("cn-blue", Look(dirt=0.8), 0),
        ("cn-blue", Look(hidden=0.35), 0), ("eu", Look(yaw=-40, height=30), 0), ("ro", Look(night=True), 0),
        ("de", Look(roll=-5), 0), ("us-generic", Look(height=48, yaw=25), 0), ("br-mercosur", Look(height=9), 0),
    )  # fmt: skip
    scenes = [scene(name, look, rng, layout) for name, look, layout in shots]
    made = []
    for i, s in enumerate(scenes):
        policy = Plates(
            mechanism=RandomizedResponse(name="randomized_response", epsilon=Decimal(7)), formats=(s.form.name,)
        )
        protector = PlateProtector(policy, noise=OsNoise(), device="cpu")
        made += protector.replace([s.frame], [Target(0, s.region, (b"gallery", bytes([i])), None, True)])
    pairs = [np.vstack([s.frame, compose(s.frame, [r])[0]]) for s, r in zip(scenes, made, strict=True)]
    pairs = [pair[:, 90:310] for pair in pairs]
    rows = [np.hstack(pairs[i : i + 6]) for i in range(0, len(pairs), 6)]
    Image.fromarray(np.vstack(rows)).save(out, quality=88)


def load(path: Path) -> Frame:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert image is not None, path
    return np.asarray(image, np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("reading", "mechanisms", "speed", "released", "street", "gallery"))
    parser.add_argument("--data", type=Path, help="folder of the pictures (reading, street)")
    parser.add_argument("--out", type=Path, help="picture to write (gallery)")
    parser.add_argument("--reader", default="ppocr_v4")
    options = parser.parse_args()
    if options.what == "reading":
        if options.data is None:
            parser.error("reading needs --data")
        reading(options.data, options.reader)
    elif options.what == "street":
        if options.data is None:
            parser.error("street needs --data")
        street(options.data)
    elif options.what == "gallery":
        if options.out is None:
            parser.error("gallery needs --out")
        gallery(options.out)
    else:
        drawn: dict[str, Callable[[], None]] = {"mechanisms": mechanisms, "speed": speed, "released": released}
        drawn[options.what]()


if __name__ == "__main__":
    main()
