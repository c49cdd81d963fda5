"""EasyOCR's second-generation recogniser: a CRNN (Shi, Bai and Yao 2017) for the weights `english_g2`.

Convolutions of the VGG kind shrink a line's height to 3 and average it away; two bidirectional LSTMs read the columns
that are left; CTC (Graves et al. 2006) over 96 characters and the blank. Submodules bear EasyOCR's names, so that its
weights fit as they are.
"""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from deid_udf.errors import ModelError

HEIGHT = 64  # pixels of a line
CHARACTERS = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""What the classes after the blank (class 0) stand for."""

_FEATURES = 256
_HIDDEN = 256


class Crnn(nn.Module):
    """Grey lines in, one distribution over the blank and `CHARACTERS` a column out."""

    def __init__(self) -> None:
        super().__init__()
        self.FeatureExtraction = _Vgg()
        self.SequenceModeling = nn.Sequential(_BiLstm(_FEATURES), _BiLstm(_HIDDEN))
        self.Prediction = nn.Linear(_HIDDEN, 1 + len(CHARACTERS))

    def forward(self, lines: Tensor) -> Tensor:
        """(n, 1, 64, w) in [-1, 1] → (n, w // 4 - 1, 97) probabilities."""
        maps = self.FeatureExtraction(lines)  # (n, 256, 3, w // 4 - 1)
        columns = maps.mean(2).transpose(1, 2)  # (n, w // 4 - 1, 256)
        scores: Tensor = self.Prediction(self.SequenceModeling(columns))
        return scores.softmax(2)


class _Vgg(nn.Module):
    """(n, 1, 64, w) → (n, 256, 3, w // 4 - 1): two halvings of both sides, then two of the height alone."""

    def __init__(self) -> None:
        super().__init__()
        self.ConvNet = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1), nn.ReLU(),
            nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 1)),
            nn.Conv2d(128, 256, 3, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1, bias=False), nn.BatchNorm2d(256), nn.ReLU(), nn.MaxPool2d((2, 1)),
            nn.Conv2d(256, _FEATURES, 2), nn.ReLU(),
        )  # fmt: skip

    def forward(self, lines: Tensor) -> Tensor:
        maps: Tensor = self.ConvNet(lines)
        return maps


class _BiLstm(nn.Module):
    """(n, steps, inputs) → (n, steps, 256)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(inputs, _HIDDEN, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * _HIDDEN, _HIDDEN)

    def forward(self, columns: Tensor) -> Tensor:
        context: Tensor = self.linear(self.rnn(columns)[0])
        return context


def load(file: Path, device: str) -> Crnn:
    """The recogniser with the weights of a safetensors file, on `device`; `ModelError` if they are another's."""
    network = Crnn()
    try:
        network.load_state_dict(load_file(file))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(f"{file.name} does not hold the weights of EasyOCR's recogniser: {error}") from error
    return network.eval().requires_grad_(False).to(device)
