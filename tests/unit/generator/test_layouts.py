"""Checkpoints of the two public layouts: converted, they make the pictures that their own code makes."""

import pytest
import torch

from deid_udf.errors import ModelError
from deid_udf.generator.checkpoint import StyleGan2Faces, save_published
from deid_udf.generator.layouts import convert
from deid_udf.generator.published import PublishedStyleGan2
from jobs import convert_generator
from tests.unit.generator.originals import KERNEL, Nvidia, Rosinality

ORIGINALS = [Rosinality, Nvidia]


@pytest.mark.parametrize("original", ORIGINALS)
def test_a_converted_network_makes_the_original_s_pictures(original):
    theirs = original()
    state = convert(theirs.state)
    ours = PublishedStyleGan2(state)
    z = torch.randn(3, state["mapping.layers.0.weight"].shape[1], generator=torch.Generator().manual_seed(1))
    wanted = theirs(z.double())
    assert wanted.shape == (3, 3, 16, 16) and wanted.std() > 0.1
    torch.testing.assert_close(ours(z).double(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("original", ORIGINALS)
def test_a_checkpoint_on_disk_becomes_a_generator(original, tmp_path, capsys):
    theirs = original()
    content = {"g_ema": theirs.state, "d": {}} if original is Rosinality else theirs.state
    torch.save(content, tmp_path / "mine.pt")
    out = tmp_path / "mine.safetensors"
    assert convert_generator.main([str(tmp_path / "mine.pt"), "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("mine:\n  role: face generator\n")
    generator = StyleGan2Faces("mine", out, "cpu")
    z = torch.randn(2, generator.z_dim)
    made = generator.synthesize(generator.map(z), 16)
    torch.testing.assert_close(made.double(), theirs(z.double()), rtol=1e-4, atol=1e-4)
    half = generator.synthesize(generator.map(z), 8)
    torch.testing.assert_close(half, torch.nn.functional.avg_pool2d(made, 2))


def test_code_is_never_run(tmp_path, capsys):
    (tmp_path / "ran").unlink(missing_ok=True)

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"g_ema": Trap()}, tmp_path / "trap.pt")
    assert convert_generator.main([str(tmp_path / "trap.pt"), "--out", str(tmp_path / "o.safetensors")]) == 2
    assert "trap.pt is not a plain state dict" in capsys.readouterr().err
    assert not (tmp_path / "ran").exists() and not (tmp_path / "o.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("synthesis.b8.torgb.bias"), "missing"),
        (lambda s: s.update({"synthesis.b8.skip.weight": torch.zeros(1)}), r"skip\.weight not expected"),
        (lambda s: s.update({"mapping.embed.weight": torch.zeros(1)}), r"embed\.weight not expected"),
        (lambda s: s.update({"synthesis.b8.resample_filter": KERNEL.roll(1, 0)}), "only the published blur"),
    ],
    ids=["a layer short", "residual architecture", "classes", "another blur"],
)
def test_other_architectures_are_refused(change, said):
    state = Nvidia().state
    change(state)
    with pytest.raises(ModelError, match=said):
        convert(state)


def test_noise_is_left_out():
    theirs = Rosinality()
    loud = theirs.state | {name: value * 100 for name, value in theirs.state.items() if "noise" in name}
    a, b = convert(theirs.state), convert(loud)
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_file_keeps_what_was_converted(tmp_path):
    state = convert(Nvidia().state)
    save_published(state, tmp_path / "g.safetensors")
    generator = StyleGan2Faces("g", tmp_path / "g.safetensors", "cpu")
    z = torch.randn(2, 5)
    assert torch.equal(generator.map(z), PublishedStyleGan2(state).mapping(z))
