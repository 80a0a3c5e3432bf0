"""Contestant: PyTorch, eager, with its default number of threads.

Tensors in memory are indexed by a random permutation (a DataLoader would be slower), Adam is fused, and convolutions
run in channels_last and, on a CPU with AMX, under bfloat16 autocast. Like the others it keeps the loss and one metric
of each epoch, and reads them at its end.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from works import (
    EVALUATION_BATCH_SIZE,
    LEARNING_RATE,
    Score,
    Work,
    cpu_has_amx,
    read_arguments,
    report,
    timed_evaluation,
)


class LastStep(nn.Module):  # type: ignore[misc]  # PyTorch need not be installed
    """An LSTM that gives its last step."""

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True)

    def forward(self, sequence: Tensor) -> Tensor:
        """`(batch, steps, width)` in, `(batch, units)` out."""
        return self.lstm(sequence)[0][:, -1]


def build(work: Work, example: Tensor) -> nn.Module:
    """Make the model; one pass of `example` gives the lazy layers their shapes."""
    modules: list[nn.Module] = []
    for kind, value in work.layers:
        match kind:
            case "convolution":
                modules += [nn.LazyConv2d(value, 3), nn.ReLU()]
            case "max_pooling":
                modules.append(nn.MaxPool2d(value))
            case "flatten":
                modules.append(nn.Flatten())
            case "dense":
                modules += [nn.LazyLinear(value), nn.ReLU()]
            case "lstm":
                modules.append(LastStep(example.shape[-1], value))
    model = nn.Sequential(*modules, nn.LazyLinear(work.outputs))
    model(example)
    return model


given = read_arguments()
work = given.work
is_class = work.outputs > 1
is_half = work.has_convolutions and cpu_has_amx()


def load(split: str) -> tuple[Tensor, Tensor]:
    """The split as tensors; images with their channels in front, as PyTorch counts the axes."""
    features, target = (torch.from_numpy(array) for array in given.load(split))
    if work.has_convolutions:
        features = features.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    return features, target.long() if is_class else target[:, None]


x, y = load("train")
x_test, y_test = load("test")
model = build(work, x[:1])
if work.has_convolutions:
    model = model.to(memory_format=torch.channels_last)
optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
loss_function = nn.CrossEntropyLoss() if is_class else nn.MSELoss()


def predict(features: Tensor) -> Tensor:
    """Run the model in its precision; float32 comes out."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half):
        return model(features).float()


def metric(output: Tensor, target: Tensor) -> Tensor:
    """Number of right answers, or sum of absolute errors."""
    return (output.argmax(1) == target).sum() if is_class else (output - target).abs().sum()


def train_epoch() -> tuple[float, float]:
    """One pass over the training split; its mean loss and metric."""
    loss_sum, metric_sum = torch.zeros(()), torch.zeros(())
    for index in torch.randperm(len(x)).split(work.batch_size):
        features, target = x[index], y[index]
        output = predict(features)
        loss = loss_function(output, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            loss_sum += loss * len(index)
            metric_sum += metric(output, target)
    return loss_sum.item() / len(x), metric_sum.item() / len(x)


@torch.inference_mode()  # type: ignore[untyped-decorator]
def evaluate() -> Score:
    """Score the test split."""
    total = torch.zeros(())
    for features, target in zip(x_test.split(EVALUATION_BATCH_SIZE), y_test.split(EVALUATION_BATCH_SIZE), strict=True):
        output = predict(features)
        total += metric(output, target) if is_class else (output - target).square().sum()
    return {"accuracy" if is_class else "mse": total.item() / len(x_test)}


epoch_seconds = []
for _ in range(given.epochs):
    started = time.perf_counter()
    train_epoch()
    epoch_seconds.append(time.perf_counter() - started)
score, evaluate_seconds = timed_evaluation(evaluate)
report(
    epoch_seconds=epoch_seconds,
    train_seconds=sum(epoch_seconds),
    score=score,
    evaluate_seconds=evaluate_seconds,
    precision="bfloat16" if is_half else "float32",
    parameters=sum(parameter.numel() for parameter in model.parameters()),
)
