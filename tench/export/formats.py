"""A classifier as LiteRT in floats and in 8-bit integers, as ONNX and as Keras, each with its
description in its metadata. The same classifier gives the same bytes."""

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

METADATA_NAME = "tench.json"  # in every format's own metadata
OPSET = 18  # of ONNX: known to all runtimes of the last years

ImageArrays = Sequence[NDArray[np.uint8]]  # each (size, size, 3)


def export_litert(classifier: Any) -> bytes:
    """LiteRT, float32, an image at a time."""
    from tensorflow.python.framework import convert_to_constants

    call, inputs = exported_function(classifier), input_signature(classifier, 1)
    traced = tf.function(call, inputs).get_concrete_function()
    folded = convert_to_constants.convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # as TensorFlow flattens them
    module = tf.Module()  # gives the model a signature with names
    module.call = tf.function(lambda image: dict(zip(names, folded(image), strict=True)), inputs)
    concrete = module.call.get_concrete_function()
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert())


def quantize_int8(content: bytes, classifier: Any, images: ImageArrays) -> bytes:
    """A float32 LiteRT model with the backbone in 8-bit integers; its metadata stay.

    Weights a channel each, activations a tensor each with the range they take on `images`. What
    lies behind the backbone, a hundredth of the work, stays in floats: a softmax in 8 bits would
    know probabilities in steps of 1/256.
    """
    from ai_edge_quantizer import quantizer, recipe

    backbone, _ = classifier_parts(classifier)
    steps = [{**step, "regex": f"^{backbone.name}"} for step in recipe.static_wi8_ai8()]
    quantizing = quantizer.Quantizer(bytearray(content), steps)
    inputs = [{INPUT_NAME: image[None].astype(np.float32)} for image in images]
    with silenced_stderr(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # channels of zeros have no scale
        ranges = quantizing.calibrate({"serving_default": inputs}, num_threads=available_cores())
        return bytes(quantizing.quantize(ranges).quantized_model)


def add_litert_metadata(content: bytes, description: Mapping[str, Any]) -> bytes:
    """A LiteRT model with a description in its metadata."""
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
    """ONNX, float32, for any number of images at a time."""
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
    """A copy of a .keras file with a description beside Keras's own entries."""
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(zipfile.ZipInfo(name), source.read(name))
        archive.writestr(zipfile.ZipInfo(METADATA_NAME), json.dumps(description))
