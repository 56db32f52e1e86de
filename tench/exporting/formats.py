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

from tench.console.silence import silenced_stderr
from tench.core.parallel import cores
from tench.exporting.canonical import canonical
from tench.exporting.graph import INPUT, exported_function, signature
from tench.network.classifier import classifier_parts
from tench.network.runtime import tf

METADATA = "tench.json"  # in every format's own metadata
OPSET = 18  # of ONNX: known to all runtimes of the last years

Pictures = Sequence[NDArray[np.uint8]]  # each (size, size, 3)


def to_litert(classifier: Any) -> bytes:
    """LiteRT, float32, a picture at a time."""
    from tensorflow.python.framework import convert_to_constants

    call, inputs = exported_function(classifier), signature(classifier, 1)
    traced = tf.function(call, inputs).get_concrete_function()
    folded = convert_to_constants.convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # as TensorFlow flattens them
    module = tf.Module()  # gives the model a signature with names
    module.call = tf.function(
        lambda picture: dict(zip(names, folded(picture), strict=True)), inputs
    )
    concrete = module.call.get_concrete_function()
    with silenced_stderr():
        return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete], module).convert())


def to_int8(content: bytes, classifier: Any, pictures: Pictures) -> bytes:
    """A float32 LiteRT model with the backbone in 8-bit integers; its metadata stay.

    Weights a channel each, activations a tensor each with the range they take on `pictures`. What
    lies behind the backbone, a hundredth of the work, stays in floats: a softmax in 8 bits would
    know probabilities in steps of 1/256.
    """
    from ai_edge_quantizer import quantizer, recipe

    backbone, _ = classifier_parts(classifier)
    steps = [{**step, "regex": f"^{backbone.name}"} for step in recipe.static_wi8_ai8()]
    quantizing = quantizer.Quantizer(bytearray(content), steps)
    inputs = [{INPUT: picture[None].astype(np.float32)} for picture in pictures]
    with silenced_stderr(), redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # channels of zeros have no scale
        ranges = quantizing.calibrate({"serving_default": inputs}, num_threads=cores())
        return bytes(quantizing.quantize(ranges).quantized_model)


def with_metadata(content: bytes, description: Mapping[str, Any]) -> bytes:
    """A LiteRT model with a description in its metadata."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(description).encode(), np.uint8)
    entry.name, entry.buffer = METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def to_onnx(classifier: Any, description: Mapping[str, Any]) -> bytes:
    """ONNX, float32, for any number of pictures at a time."""
    import onnx

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with silenced_stderr():
        import tf2onnx

        call = tf.function(exported_function(classifier))
        model, _ = tf2onnx.convert.from_function(call, signature(classifier, None), opset=OPSET)
    model = canonical(model)
    onnx.helper.set_model_props(model, {METADATA: json.dumps(description)})
    return bytes(model.SerializeToString(deterministic=True))


def to_keras(file: Path, description: Mapping[str, Any], target: Path) -> None:
    """A copy of a .keras file with a description beside Keras's own entries."""
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(zipfile.ZipInfo(name), source.read(name))
        archive.writestr(zipfile.ZipInfo(METADATA), json.dumps(description))
