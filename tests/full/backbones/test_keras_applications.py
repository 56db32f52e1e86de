"""backbone.weights: imagenet, for the backbones whose weights Keras itself fetches."""

import socket
from pathlib import Path

import numpy as np
import pytest

from tench.core.errors import TenchError
from tench.model.network.backbone import build_backbone
from tench.model.weights.keras_applications import load_imagenet_backbone

MOBILENET = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
DENSENET = "densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keras's folder of weights, without a network."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{port}")
    # Keras reads $KERAS_HOME once, when it is imported.
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("models")
def test_unreachable_storage_is_reported() -> None:
    before = socket.getdefaulttimeout()
    with pytest.raises(TenchError) as caught:
        load_imagenet_backbone("MobileNetV3Small")
    said = str(caught.value)
    assert said.startswith("backbone.weights = imagenet: download failed for MobileNetV3Small. ")
    assert "https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v3" in said
    assert "set backbone.weights to its path" in said
    assert "\n" not in said
    assert socket.getdefaulttimeout() == before


def test_file_in_keras_folder_serves(models: Path) -> None:
    narrow = build_backbone("MobileNetV2-0.35", 224)
    narrow.save(models / MOBILENET)
    found = load_imagenet_backbone("MobileNetV2-0.35")
    for one, other in zip(narrow.get_weights(), found.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_file_with_another_digest_than_keras_publishes_is_not_taken(models: Path) -> None:
    build_backbone("DenseNet121", 32).save(models / DENSENET)
    with pytest.raises(TenchError, match="download failed for DenseNet121"):
        load_imagenet_backbone("DenseNet121")
