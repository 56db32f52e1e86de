"""Command line and output of the Keras and PyTorch baselines."""

import argparse
import json


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Parse the command line. The defaults are those of params.yaml."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", default="data/imagenette")
    parser.add_argument("--weights", default="models/backbone.weights.h5")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--dense-units", type=int, default=64)
    parser.add_argument("--dropout", type=float, default=0.2)
    parser.add_argument("--activation", default="sigmoid", choices=("sigmoid", "softmax"))
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--fine-tune-at", type=int, default=130)
    parser.add_argument("--fine-tune-learning-rate", type=float, default=1e-4)
    parser.add_argument("--fine-tune-epochs", type=int, default=3)
    return parser.parse_args()


def print_results(
    history: dict[str, list[float]],
    frozen: dict[str, float],
    finetuned: dict[str, float],
    seconds: float,
) -> None:
    """Print the test scores and, in the last line, all results as JSON."""
    print(f"test, before fine-tuning: {frozen}")
    print(f"test, after fine-tuning:  {finetuned}")
    result = {"history": history, "frozen": frozen, "finetuned": finetuned, "seconds": seconds}
    print(json.dumps(result))
