"""Convert a classifier to LiteRT (float32 and int8), ONNX and Keras.

Every file carries the description in its own metadata. The same classifier gives the same bytes.
"""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.parallel import available_cores
from tench.export.canonical_onnx import canonicalize
from tench.export.graph import INPUT_NAME, exported_function, input_signature
from tench.model.network.classifier import classifier_parts
from tench.model.network.keras_setup import tf
from tench.run.silence import silenced_stderr

METADATA_NAME = "tench.json"  # key of the description in each format's metadata
OPSET = 18  # ONNX operator set: supported by runtimes since ONNX Runtime 1.14 (2023)

ImageArrays = Sequence[NDArray[np.uint8]]  # each (size, size, 3)


def export_litert(classifier: Any) -> bytes:
    """Convert a classifier to LiteRT, float32, batch size 1."""
    from tensorflow.python.framework import convert_to_constants

    call, inputs = exported_function(classifier), input_signature(classifier, 1)
    traced = tf.function(call, inputs).get_concrete_function()
    folded = convert_to_constants.convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # the order in which TensorFlow flattens a dict
    module = tf.Module()  # for a signature with named inputs and outputs
    module.call = tf.function(lambda image: dict(zip(names, folded(image), strict=True)), inputs)
    concrete = module.call.get_concrete_function()
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert())


def quantize_int8(content: bytes, classifier: Any, images: ImageArrays) -> bytes:
    """Quantize the backbone of a float32 LiteRT model to 8-bit integers, keeping its metadata.

    Weights are quantized per channel, activations per tensor with the range they take on `images`.
    The layers after the backbone, 1 % of the work, stay in float32: an 8-bit softmax would round
    probabilities to multiples of 1/256.

    Args:
        content: The float32 model.
        classifier: The Keras model that it was converted from.
        images: Calibration images.
    """
    from ai_edge_quantizer import quantizer, recipe

    backbone, _ = classifier_parts(classifier)
    steps = [{**step, "regex": f"^{backbone.name}"} for step in recipe.static_wi8_ai8()]
    quantizing = quantizer.Quantizer(bytearray(content), steps)
    inputs = [{INPUT_NAME: image[None].astype(np.float32)} for image in images]
    with silenced_stderr(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about channels of zeros, which have no scale
        ranges = quantizing.calibrate({"serving_default": inputs}, num_threads=available_cores())
        return bytes(quantizing.quantize(ranges).quantized_model)


def add_litert_metadata(content: bytes, description: Mapping[str, Any]) -> bytes:
    """Add a description to the metadata of a LiteRT model."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def export_onnx(classifier: Any, description: Mapping[str, Any]) -> bytes:
    """Convert a classifier to ONNX, float32, any batch size."""
    import onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with silenced_stderr():
        import tf2onnx

        call = tf.function(exported_function(classifier))
        model, _ = tf2onnx.convert.from_function(
            call, input_signature(classifier, None), opset=OPSET
        )
    model = canonicalize(model)
    onnx.helper.set_model_props(model, {METADATA_NAME: json.dumps(description)})
    return bytes(model.SerializeToString(deterministic=True))


def export_keras(file: Path, description: Mapping[str, Any], target: Path) -> None:
    """Copy a .keras file and add a description to the archive."""
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(zipfile.ZipInfo(name), source.read(name))
        archive.writestr(zipfile.ZipInfo(METADATA_NAME), json.dumps(description))
