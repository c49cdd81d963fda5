"""Faces: what a new one costs (`speed`), how near a projection comes (`projection`), what a release keeps (`kept`).

The tables of docs/faces.md, and the seams that ways of blending leave (`seams`). `projection`, `kept` and `seams`
measure on a folder of pictures that the reader brings; nothing of those pictures is stored. `sheet` draws the page's
picture, of the synthetic persons of package `openpeople` alone.
"""

import argparse
import os
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from deid_udf import models, policy
from deid_udf.compose import compose
from deid_udf.detect.region import Frame
from deid_udf.detect.registry import open_detectors
from deid_udf.detect.union import find_private
from deid_udf.faces.encoder import SIZE
from deid_udf.faces.landmarks import landmarks_of_crops
from deid_udf.faces.perceptual import MODEL, load_perceptual_loss
from deid_udf.faces.project import encode, optimise
from deid_udf.faces.protect import FaceProtector
from deid_udf.generator.registry import MobileStyleGan, open_latent_space
from deid_udf.inference import keep_freed_memory
from deid_udf.metrics.privacy import DLIB_FACE_THRESHOLD, FaceEmbedder, face_distance
from deid_udf.privacy import KeyedNoise
from deid_udf.protect import Target
from deid_udf.training.encoder import HELD_OUT_EVERY

DETECTION = policy.Detection(detectors=(policy.DetectorChoice(model="centerface", threshold=0.3),))
SHEET = [(f"P{i:03d}", kind) for i in (1, 2, 4, 5, 6, 7) for kind in ("amateur_selfie", "studio_portrait")]
TILE = 180  # pixels
PART = 4  # faces projected together
RING = 4  # pixels on each side of a mask's border that the seam is measured on


def timed(call: Callable[[], object], clock: Callable[[], float], runs: int) -> list[float]:
    """Seconds of each of `runs` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(runs):
        start = clock()
        call()
        times.append(clock() - start)
    return times


def processor_seconds(call: Callable[[], object]) -> float:
    """Processor time of the fastest run, all threads together: other programs on the machine do not count."""
    return min(timed(call, time.process_time, 3))


def wall_seconds(call: Callable[[], object]) -> float:
    """Median time of a run on all threads; for an idle machine."""
    return float(np.median(timed(call, time.perf_counter, 7)))


def speed() -> None:
    """Seconds a face on all cores, before and after freed memory is kept; then core-seconds by size and precision."""
    space = open_latent_space("mobilestylegan")
    styles = torch.from_numpy(space.from_latent(np.random.default_rng(0).standard_normal((8, space.size))))
    generator = MobileStyleGan("cpu")
    with torch.inference_mode():
        batches = {size: partial(generator.synthesize, styles, size) for size in (64, 128, 256)}
        given = [wall_seconds(batch) / 8 for batch in batches.values()]
        keep_freed_memory()
        kept = [wall_seconds(batch) / 8 for batch in batches.values()]
    print(f"batch of 8, {torch.get_num_threads()} threads\n| pixels | s a face | freed memory kept | ratio |")
    print("|---|---|---|---|")
    for size, before, after in zip(batches, given, kept, strict=True):
        print(f"| {size} | {before:.3f} | {after:.3f} | {after / before:.2f} |")
    print()
    print("| pixels | batch | float32, core-s a face | bfloat16, core-s a face | PSNR, dB |\n|---|---|---|---|---|")
    networks = [MobileStyleGan("cpu", dtype) for dtype in (torch.float32, torch.bfloat16)]
    with torch.inference_mode():
        for size, batch in ((64, 1), (64, 8), (128, 1), (128, 8), (256, 1), (256, 8)):
            some = styles[:batch]
            seconds = [processor_seconds(partial(n.synthesize, some, size)) / batch for n in networks]
            exact, fast = (network.synthesize(some, size) for network in networks)
            psnr = 10 * np.log10(4 / float((exact - fast).square().mean()))
            print(f"| {size} | {batch} | {seconds[0]:.3f} | {seconds[1]:.3f} | {psnr:.1f} |")
    crops = [np.zeros((256, 256, 3), np.uint8)] * 8
    encoding = partial(encode, crops, generator="mobilestylegan", device="cpu")
    print(f"\nencoder {processor_seconds(encoding) / 8:.4f} core-s a face, ", end="")
    print(f"68 landmarks {processor_seconds(lambda: landmarks_of_crops(crops)) / 8:.4f}")


def projection(folder: Path, count: int, steps: int, size: int) -> None:
    """Loss (Eq. 18) of the mean, the encoder, hybrid and optimisation on aligned faces, and their core-seconds.

    One run a start: its loss after n steps is what n steps reach. Printed part by part, over all faces so far.
    """
    held_out = sorted(folder.glob("*.jpg"))[::HELD_OUT_EVERY]
    faces = [_read(f) for f in held_out[:: max(1, len(held_out) // count)][:count]]
    small = np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])
    images = torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1
    space, loss = open_latent_space("mobilestylegan"), models.opened(MODEL, "cpu", load_perceptual_loss)
    start = time.process_time()
    encoded = encode(faces, generator="mobilestylegan", device="cpu")
    encoding = (time.process_time() - start) / len(faces)
    run = partial(optimise, generator=MobileStyleGan("cpu"), space=space, loss=loss, tolerance=0)
    for name, first, most, shown in (
        ("encode, then hybrid", encoded, 60, (0, 5, 10, 20, 40, 60)),
        ("mean, then optimise", np.zeros_like(encoded), steps, (0, 20, 60, 100, 200, steps)),
    ):
        found, taken, start = np.empty((most + 1, 0)), 0, time.process_time()
        print(f"\n{name}\n| faces | {' | '.join(map(str, shown))} | core-s a step |\n|---|{'---|' * (len(shown) + 1)}")
        for part in (slice(i, i + PART) for i in range(0, len(faces), PART)):
            losses = run(images[part], start=first[part], steps=most)[1]
            found = np.hstack([found, np.pad(losses, ((0, most + 1 - len(losses)), (0, 0)), mode="edge")])
            taken += losses.size
            seconds = (time.process_time() - start) / taken
            row = " | ".join(f"{v:.3f}" for v in found[list(shown)].mean(1))
            print(f"| {found.shape[1]} | {row} | {seconds:.4f} |", flush=True)
    print(f"\nencoder: {encoding:.4f} core-s a face")


def seams(folder: Path, count: int) -> None:
    """Seam of the same new faces by the way they are blended; `fill` is a plain patch, what no seam can be below."""
    frames, targets = _largest_faces(folder, count)
    prior = policy.Faces.model_validate({"mechanism": {"name": "prior"}, "projection": "encode"})
    new = FaceProtector(prior, noise=KeyedNoise(os.urandom(32)), device="cpu").replace(frames, targets)
    print("| blend | seam, median | seam, 95 % |\n|---|---|---|")
    for blend in ("feather", "poisson", "paste", "fill"):
        ratios = []
        for target, replacement in zip(targets, new, strict=True):
            before = frames[target.frame]
            after, mask = compose(before, [replace(replacement, blend=blend)])
            ratios.append(seam(before, after, mask))
        median, most = np.quantile(ratios, (0.5, 0.95))
        print(f"| {blend} | {median:.2f} | {most:.2f} |", flush=True)


def kept(folder: Path, count: int) -> None:
    """Distance between original and protected face, faces still found, and seams, by mechanism."""
    frames, targets = _largest_faces(folder, count)
    detectors, embed = open_detectors(DETECTION, "cpu"), FaceEmbedder.open()
    print(f"{len(targets)} faces of {len(frames)} pictures")
    strangers = [_distance(embed, (frames[a.frame], a), (frames[b.frame], b)) for a, b in pairwise(targets)]
    print(f"neighbours in the list, mostly strangers: mean distance {np.mean(strangers):.3f}")
    print("| mechanism | distance | below 0.6 | still found | seam, median | seam, 95 % |\n|---|---|---|---|---|---|")
    for name, mechanism in mechanisms():
        faces = policy.Faces.model_validate({"mechanism": mechanism, "projection": "encode"})
        new = FaceProtector(faces, noise=KeyedNoise(os.urandom(32)), device="cpu").replace(frames, targets)
        distances, seams, hits = [], [], 0
        for target, replacement in zip(targets, new, strict=True):
            before = frames[target.frame]
            after, mask = compose(before, [replacement])
            distances.append(_distance(embed, (before, target), (after, target)))
            seams.append(seam(before, after, mask))
            hits += any(
                overlap(f.region.box, target.region.box) for f in find_private([after], DETECTION, detectors)[0]
            )
        low, ratio = np.mean(np.array(distances) < DLIB_FACE_THRESHOLD), np.quantile(seams, (0.5, 0.95))
        print(
            f"| {name} | {np.mean(distances):.3f} | {low:.1%} | {hits / len(targets):.1%} "
            f"| {ratio[0]:.2f} | {ratio[1]:.2f} |",
            flush=True,
        )


def _largest_faces(folder: Path, count: int) -> tuple[list[Frame], list[Target]]:
    """`count` pictures spread over `folder`, and the largest face of each that has one."""
    files = sorted(folder.glob("**/*.jpg"))
    frames = [_read(file) for file in files[:: max(1, len(files) // count)][:count]]
    found = find_private(frames, DETECTION, open_detectors(DETECTION, "cpu"))
    return frames, [
        Target(i, max(some, key=lambda f: f.region.width).region, (bytes([i % 256, i // 256]),), None, True)
        for i, some in enumerate(found)
        if some
    ]


def _read(file: Path) -> Frame:
    return cv2.cvtColor(np.asarray(cv2.imread(str(file)), np.uint8), cv2.COLOR_BGR2RGB).astype(np.uint8)


def _distance(embed: FaceEmbedder, a: tuple[Frame, Target], b: tuple[Frame, Target]) -> float:
    pair = embed.embed([a[0], b[0]], [a[1].region.box, b[1].region.box])
    return float(face_distance(pair[:1], pair[1:])[0])


def sheet(out: Path) -> None:
    """Before and after, side by side, under the default mechanism."""
    with zipfile.ZipFile(models.path("openpeople")) as archive:
        names = [f"openpeople/data/curated/{person}/assets/{kind}.jpg" for person, kind in SHEET]
        photos = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_COLOR) for name in names]
    frames = [cv2.cvtColor(_limited(np.asarray(p, np.uint8), 900), cv2.COLOR_BGR2RGB).astype(np.uint8) for p in photos]
    found = find_private(frames, DETECTION, open_detectors(DETECTION, "cpu"))
    largest = [max(some, key=lambda f: f.region.width).region for some in found]
    targets = [Target(i, region, (b"sheet", bytes([i])), None, True) for i, region in enumerate(largest)]
    faces = policy.Faces.model_validate({"mechanism": {"name": "laplace_vector", "epsilon": Decimal(8)}})
    new = FaceProtector(faces, noise=KeyedNoise(os.urandom(32)), device="cpu").replace(frames, targets)
    pairs = []
    for frame, region, replacement in zip(frames, largest, new, strict=True):
        window = _window(region.box, frame.shape)
        cuts = [picture[window] for picture in (frame, compose(frame, [replacement])[0])]
        pairs.append(np.hstack([cv2.resize(cut, (TILE, TILE), interpolation=cv2.INTER_AREA) for cut in cuts]))
    rows = [np.hstack(pairs[i : i + 3]) for i in range(0, len(pairs), 3)]
    cv2.imwrite(str(out), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _limited(picture: Frame, side: int) -> Frame:
    scale = min(1.0, side / max(picture.shape))
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _window(box: tuple[float, ...], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """A square around a box, twice its size, moved inside the frame."""
    side = min(int(1.9 * max(box[2] - box[0], box[3] - box[1])), *shape[:2])
    x = int(np.clip((box[0] + box[2] - side) / 2, 0, shape[1] - side))
    y = int(np.clip((box[1] + box[3] - side) / 2, 0, shape[0] - side))
    return slice(y, y + side), slice(x, x + side)


def mechanisms() -> list[tuple[str, dict[str, object]]]:
    """The default at several ε, and the paper's at several scales."""
    pure: list[tuple[str, dict[str, object]]] = [
        (f"laplace_vector, ε = {e}", {"name": "laplace_vector", "epsilon": Decimal(e)}) for e in (1, 8, 64)
    ]
    unbounded: list[tuple[str, dict[str, object]]] = [
        (f"laplace_unbounded, scale {1 / e:g}", {"name": "laplace_unbounded", "epsilon": Decimal(str(e))})
        for e in (20, 10, 5, 2.5, 1.25)
    ]
    projected: dict[str, object] = {"name": "laplace_unbounded", "epsilon": Decimal(10**6)}
    return [("prior, ε = 0", {"name": "prior"}), *pure, *unbounded, ("projection itself, ε → ∞", projected)]


def seam(before: Frame, after: Frame, mask: NDArray[np.bool_]) -> float:
    """Mean gradient in a ring around the mask's border, over the original's in the same ring."""
    kernel = np.ones((2 * RING + 1, 2 * RING + 1), np.uint8)
    inside = mask.astype(np.uint8)
    ring = cv2.dilate(inside, kernel) > cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    gradients = []
    for frame in (after, before):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32)
        gradients.append(np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))[ring].mean())
    return float(gradients[0] / max(gradients[1], 1e-6))


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Whether two boxes share at least 0.3 of their union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common > 0.3 * ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "projection", "kept", "seams", "sheet"))
    parser.add_argument("--folder", type=Path, help="aligned faces (projection), or photographs (kept, seams)")
    parser.add_argument("--out", type=Path, default=Path("docs/images/faces.jpg"), help="picture to write (sheet)")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--size", type=int, default=SIZE, help="pixels at which projections are compared")
    options = parser.parse_args()
    if options.what == "speed":
        speed()
    elif options.what == "sheet":
        sheet(options.out)
    elif options.what == "projection":
        projection(options.folder, options.count, options.steps, options.size)
    else:
        (kept if options.what == "kept" else seams)(options.folder, options.count)


if __name__ == "__main__":
    main()
