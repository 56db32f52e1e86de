"""An answer as the server gives it: an image's bytes in, what JSON holds out."""

import base64
import io
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field

from tench.data.decode.decoder import UnreadableError, decode_image
from tench.deploy.runtime.predictor import Classifier, Prediction, draw_explanation, predict_image
from tench.deploy.serve.uploads import Upload

NO_FLAG = "none"  # no doubt
UNREADABLE = "unreadable"

Probability = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=0, le=2, description="1 - cosine of the pooled features")]


class ClassProbability(BaseModel):
    """A class and its probability."""

    class_name: str
    probability: Probability


class NearestImage(BaseModel):
    """A training image near this one."""

    class_name: str
    distance: Distance
    image: str | None = Field(description="where a small copy of it is, if it was exported")


class ImagePrediction(BaseModel):
    """What the classifier says of one image."""

    name: str = Field(description="as it was sent, or empty")
    class_name: str | None = Field(description="the likeliest class; null if unreadable")
    probability: Probability | None
    flag: str | None = Field(description="unsure, stranger or null: why not to believe it")
    distance: Distance | None = None
    classes: list[ClassProbability] = []
    nearest: list[NearestImage] = []
    explanation: str | None = Field(default=None, description="Grad-CAM, as a data URI")
    reason: str | None = Field(default=None, description="why it could not be read")


class PredictResponse(BaseModel):
    """What the classifier says of every image of a request, in their order."""

    answers: list[ImagePrediction]


class SerializedPrediction(NamedTuple):
    """What is said of one image, to be sent."""

    kind: str  # its doubt, or NONE or UNREADABLE
    text: str  # One, as JSON


def unreadable_prediction(name: str, reason: str) -> SerializedPrediction:
    """What is said of an image that cannot be read."""
    one = ImagePrediction(name=name, class_name=None, probability=None, flag=None, reason=reason)
    return SerializedPrediction(UNREADABLE, one.model_dump_json())


def explanation_data_uri(one: Prediction) -> str:
    """Grad-CAM as a data URI."""
    out = io.BytesIO()
    draw_explanation(one).save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def predict_upload(
    classifier: Classifier, upload: Upload, top: int, explain: bool
) -> SerializedPrediction:
    """What the classifier says of an image that was sent. MemoryError."""
    try:
        one = predict_image(classifier, decode_image(io.BytesIO(upload.content)))
    except UnreadableError as error:
        return unreadable_prediction(upload.name, str(error))
    there = classifier.neighbors.images is not None
    said = ImagePrediction.model_construct(
        name=upload.name,
        class_name=one.classes[0][0],
        probability=one.classes[0][1],
        doubt=one.flag or None,
        distance=one.distance,
        classes=[
            ClassProbability.model_construct(class_name=name, probability=probability)
            for name, probability in one.classes[:top]
        ],
        nearest=[
            NearestImage.model_construct(
                class_name=near.class_name,
                distance=near.distance,
                image=f"neighbors/{near.place}.webp" if there else None,
            )
            for near in one.nearest
        ],
        explanation=explanation_data_uri(one) if explain else None,
    )
    return SerializedPrediction(one.flag or NO_FLAG, said.model_dump_json())
