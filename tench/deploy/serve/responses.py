"""Responses of the server: the bytes of an image in, JSON out."""

import base64
import io
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field

from tench.core.errors import UnreadableError
from tench.data.decode.decoder import decode_image
from tench.deploy.runtime.predictor import (
    LOW_CONFIDENCE,
    OUT_OF_DISTRIBUTION,
    Classifier,
    Prediction,
    draw_explanation,
    predict_image,
)
from tench.deploy.serve.uploads import Upload

NO_FLAG = "none"
UNREADABLE = "unreadable"

Probability = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=0, le=2, description="1 - cosine of the pooled features")]


class ClassProbability(BaseModel):
    """A class and its probability."""

    class_name: str
    probability: Probability


class NearestImage(BaseModel):
    """A training image near the uploaded image."""

    class_name: str
    distance: Distance
    image: str | None = Field(description="URL of a thumbnail; null if the export has none")


class ImagePrediction(BaseModel):
    """Prediction for one image."""

    name: str = Field(description="file name in the form; empty if the body is the image")
    class_name: str | None = Field(description="most likely class; null if unreadable")
    probability: Probability | None
    flag: str | None = Field(
        description=f"{LOW_CONFIDENCE} or {OUT_OF_DISTRIBUTION} if the prediction is unreliable, "
        "else null"
    )
    distance: Distance | None = None
    classes: list[ClassProbability] = []
    nearest: list[NearestImage] = []
    explanation: str | None = Field(default=None, description="Grad-CAM image, as a data URI")
    reason: str | None = Field(default=None, description="why the image is unreadable, else null")


class PredictResponse(BaseModel):
    """Predictions for the images of a request, in order."""

    predictions: list[ImagePrediction]


class SerializedPrediction(NamedTuple):
    """Prediction for one image, ready to send."""

    flag: str  # the prediction's flag, NO_FLAG or UNREADABLE
    json_text: str  # an ImagePrediction


def unreadable_prediction(name: str, reason: str) -> SerializedPrediction:
    """Response for an image that cannot be read."""
    content = ImagePrediction(
        name=name, class_name=None, probability=None, flag=None, reason=reason
    )
    return SerializedPrediction(UNREADABLE, content.model_dump_json())


def explanation_data_uri(prediction: Prediction) -> str:
    """Grad-CAM image as a data URI."""
    out = io.BytesIO()
    draw_explanation(prediction).save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def predict_upload(
    classifier: Classifier, upload: Upload, top: int, explain: bool
) -> SerializedPrediction:
    """Predict an uploaded image.

    Args:
        classifier: An open classifier.
        upload: The image.
        top: Number of classes to list.
        explain: Whether to add a Grad-CAM image.

    Raises:
        MemoryError: The image does not fit in memory.
    """
    try:
        prediction = predict_image(classifier, decode_image(io.BytesIO(upload.content)))
    except UnreadableError as error:
        return unreadable_prediction(upload.name, str(error))
    has_images = classifier.reference_set.images is not None
    content = ImagePrediction.model_construct(  # needs no validation
        name=upload.name,
        class_name=prediction.classes[0][0],
        probability=prediction.classes[0][1],
        flag=prediction.flag or None,
        distance=prediction.distance,
        classes=[
            ClassProbability.model_construct(class_name=name, probability=probability)
            for name, probability in prediction.classes[:top]
        ],
        nearest=[
            NearestImage.model_construct(
                class_name=neighbor.class_name,
                distance=neighbor.distance,
                image=f"neighbors/{neighbor.row}.webp" if has_images else None,
            )
            for neighbor in prediction.nearest
        ],
        explanation=explanation_data_uri(prediction) if explain else None,
    )
    return SerializedPrediction(prediction.flag or NO_FLAG, content.model_dump_json())
