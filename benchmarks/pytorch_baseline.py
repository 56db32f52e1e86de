"""PyTorch baseline: the paper's training in the loop of PyTorch's tutorials, without Keras.

    python -m benchmarks.pytorch_baseline [--raw data/imagenette] [--weights FILE] ...

The network is torchvision's MobileNetV2 with the weights of the Keras baseline. The same layers are
frozen, with their BatchNorm statistics. Fine-tuned layers use batch statistics. Images are resized
with antialiasing, unlike in the Keras baseline. The test set is a fifth of the validation images,
drawn once.

The last line of the output is JSON, as in the Keras baseline: history, test scores, seconds.
"""

import os
import sys
import time
from collections import defaultdict
from pathlib import Path

from benchmarks.options import parse_arguments, print_results

try:
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, random_split
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from benchmarks.pytorch_network import FEATURE_COUNT, keras_mobilenet
except ModuleNotFoundError as error:
    parse_arguments(__doc__)  # --help needs no torch
    sys.exit(
        f"error: {sys.executable} has no {error.name}. Create an environment with it: "
        "uv venv .venv-pytorch && "
        "uv pip install --python .venv-pytorch --torch-backend cpu --group pytorch"
    )

OUTPUT_ACTIVATIONS = {"sigmoid": nn.LogSigmoid(), "softmax": nn.LogSoftmax(dim=1)}


def run_epoch(
    model: nn.Module, data: DataLoader, optimizer: torch.optim.Optimizer | None = None
) -> dict[str, float]:
    """Run one epoch, with training if there is an optimizer. Returns mean loss and accuracy."""
    # applied to the logarithm of the outputs; it normalizes them, as Keras does
    criterion = nn.CrossEntropyLoss()
    loss_sum, right, seen = 0.0, 0, 0
    with torch.set_grad_enabled(optimizer is not None):
        for images, labels in data:
            outputs = model(images)
            loss = criterion(outputs, labels)
            if optimizer:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            loss_sum += loss.item() * len(labels)
            right += int((outputs.argmax(1) == labels).sum())
            seen += len(labels)
    return {"accuracy": right / seen, "loss": loss_sum / seen}


def main() -> None:
    args = parse_arguments(__doc__)
    started = time.perf_counter()
    torch.manual_seed(args.seed)

    to_tensor = transforms.Compose(
        [
            transforms.Resize((args.image_size, args.image_size)),
            transforms.ToTensor(),
            transforms.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
    train_set, val_set = (ImageFolder(f"{args.raw}/{part}", to_tensor) for part in ("train", "val"))
    classes = len(train_set.classes)
    test_set, val_set = random_split(val_set, [0.2, 0.8])
    workers = os.cpu_count() or 1
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads and {workers} workers")
    train_data, val_data, test_data = (
        DataLoader(images, args.batch_size, shuffle=images is train_set, num_workers=workers)
        for images in (train_set, val_set, test_set)
    )

    backbone, layers = keras_mobilenet(Path(args.weights))
    backbone.requires_grad_(False)
    head = nn.Sequential(
        nn.Linear(FEATURE_COUNT, args.dense_units),
        nn.ReLU(),
        nn.Dropout(args.dropout),
        nn.Linear(args.dense_units, classes),
        OUTPUT_ACTIVATIONS[args.activation],
    )
    for layer in head:
        if isinstance(layer, nn.Linear):  # Keras's initialization
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    model = nn.Sequential(backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
    model.to(memory_format=torch.channels_last)  # faster on CPU
    history: dict[str, list[float]] = defaultdict(list)

    def fit(learning_rate: float, epochs: int, frozen: list[nn.Module]) -> None:
        learned = [one for one in model.parameters() if one.requires_grad]
        optimizer = torch.optim.Adam(learned, learning_rate, eps=1e-7)  # Keras's epsilon
        for _ in range(epochs):
            model.train()
            for layer in frozen:
                layer.eval()
            scores = run_epoch(model, train_data, optimizer)
            model.eval()
            scores |= {f"val_{key}": value for key, value in run_epoch(model, val_data).items()}
            for key, value in scores.items():
                history[key].append(value)
            done = len(history["loss"])
            print(f"epoch {done}:", *(f"{key} {value:.4f}" for key, value in scores.items()))

    fit(args.learning_rate, args.epochs, layers)
    frozen = run_epoch(model, test_data)

    for layer in layers[args.fine_tune_at :]:
        layer.requires_grad_(True)
    fit(args.fine_tune_learning_rate, args.fine_tune_epochs, layers[: args.fine_tune_at])
    finetuned = run_epoch(model, test_data)

    print_results(history, frozen, finetuned, time.perf_counter() - started)


if __name__ == "__main__":
    main()
