"""The stage embed on TensorFlow, as with a GPU it would run, but here on the processor."""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pipeline_clones import run_command, set_params


def features(project: Path) -> dict[str, NDArray[np.float32]]:
    """All features, by their file."""
    folder = project / "data/features"
    return {str(file.relative_to(folder)): np.load(file) for file in folder.rglob("*.npy")}


def test_embed_on_tensorflow_gives_the_features_of_litert(own_project: Path) -> None:
    set_params(own_project, {"backbone.engine": "tensorflow"})
    litert = features(own_project)
    answer = run_command(own_project, sys.executable, "-m", "stages.embed")
    assert answer.returncode == 0, answer.stdout
    tensorflow = features(own_project)
    assert tensorflow.keys() == litert.keys()
    assert {name.split("/")[0] for name in litert} == {"pooled", "activations"}
    for name, expected in litert.items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(tensorflow[name] / scale, expected / scale, atol=1e-3)
        assert not np.array_equal(tensorflow[name], expected)  # which only LiteRT itself gives
