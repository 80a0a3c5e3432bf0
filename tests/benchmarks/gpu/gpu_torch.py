"""Contestant: PyTorch, eager: the data on the device, indexed by a random permutation, autocast, fused Adam."""

from __future__ import annotations

import torch
from gpu_works import Work, arrays, read_arguments, report
from torch import Tensor, nn


class LastStep(nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
    """An LSTM that gives its last step."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True)

    def forward(self, sequence: Tensor) -> Tensor:
        """Return `(batch, units)` for `(batch, steps, width)`."""
        return self.lstm(sequence)[0][:, -1]


def build(work: Work) -> nn.Module:
    """Make the model, with lazy layers, whose shapes its first batch gives."""
    modules: list[nn.Module] = []
    for kind, value in work.layers:
        match kind:
            case "convolution_valid" | "convolution_same":
                modules.append(nn.LazyConv2d(int(value), 3, padding=kind.partition("_")[2]))
            case "batch_normalization":
                modules.append(nn.LazyBatchNorm2d())
            case "relu":
                modules.append(nn.ReLU())
            case "max_pooling":
                modules.append(nn.MaxPool2d(int(value)))
            case "dropout":
                modules.append(nn.Dropout(value))
            case "flatten":
                modules.append(nn.Flatten())
            case "dense":
                modules += [nn.LazyLinear(int(value)), nn.ReLU()]
            case "lstm":
                modules.append(LastStep(work.shape[-1], int(value)))
    return nn.Sequential(*modules, nn.LazyLinear(work.outputs))


given = read_arguments()
device = "cuda" if given.device == "gpu" else "cpu"
is_class = given.work.outputs > 1
stored_x, stored_y = arrays(given.work, examples=given.examples)
x, y = torch.from_numpy(stored_x).to(device), torch.from_numpy(stored_y).to(device)
if is_class:
    x, y = x.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last), y.long()
else:
    y = y[:, None]
model = build(given.work).to(device, memory_format=torch.channels_last if is_class else torch.preserve_format)


def prepared(images: Tensor) -> Tensor:
    """Return features as the model takes them."""
    return images.float() / 255 if is_class else images


model(prepared(x[:2]))
optimizer = torch.optim.Adam(model.parameters(), fused=True)
loss_function = nn.CrossEntropyLoss() if is_class else nn.MSELoss()
half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(given.precision)
scaler = torch.amp.GradScaler(device, enabled=given.precision == "float16")
if device == "cuda":  # as TensorFlow does
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True


def step(features: Tensor, target: Tensor) -> None:
    """Train one batch."""
    with torch.autocast(device, dtype=half, enabled=half is not None):
        output = model(prepared(features))
    loss = loss_function(output.float(), target)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()


def synchronize() -> None:
    """Wait until the device has done everything."""
    if device == "cuda":
        torch.cuda.synchronize()


def train() -> None:
    """Train an epoch."""
    for index in torch.randperm(len(x), device=device).split(given.batch_size):
        step(x[index], y[index])
    synchronize()


def train_on_one_batch() -> None:
    """Train as many steps on the first batch."""
    features, target = x[: given.batch_size], y[: given.batch_size]
    for _ in range(-(-len(x) // given.batch_size)):
        step(features, target)
    synchronize()


report(train, train_on_one_batch, given)
