"""An answer as the server gives it: a picture's bytes in, what JSON holds out."""

import base64
import io
from typing import Annotated, NamedTuple

from pydantic import BaseModel, Field

from tench.exported.answers import Answer, Classifier, answer, explanation
from tench.pictures.reading import UnreadableError, decode
from tench.serve.uploads import Upload

NONE = "none"  # no doubt
UNREADABLE = "unreadable"

Probability = Annotated[float, Field(ge=0, le=1)]
Distance = Annotated[float, Field(ge=0, le=2, description="1 - cosine of the pooled features")]


class Likely(BaseModel):
    """A class and its probability."""

    class_name: str
    probability: Probability


class Near(BaseModel):
    """A training picture near this one."""

    class_name: str
    distance: Distance
    picture: str | None = Field(description="where a small copy of it is, if it was exported")


class One(BaseModel):
    """What the classifier says of one picture."""

    name: str = Field(description="as it was sent, or empty")
    class_name: str | None = Field(description="the likeliest class; null if unreadable")
    probability: Probability | None
    doubt: str | None = Field(description="unsure, stranger or null: why not to believe it")
    distance: Distance | None = None
    classes: list[Likely] = []
    nearest: list[Near] = []
    explanation: str | None = Field(default=None, description="Grad-CAM, as a data URI")
    reason: str | None = Field(default=None, description="why it could not be read")


class Answers(BaseModel):
    """What the classifier says of every picture of a request, in their order."""

    answers: list[One]


class Answered(NamedTuple):
    """What is said of one picture, to be sent."""

    kind: str  # its doubt, or NONE or UNREADABLE
    text: str  # One, as JSON


def unreadable(name: str, reason: str) -> Answered:
    """What is said of a picture that cannot be read."""
    one = One(name=name, class_name=None, probability=None, doubt=None, reason=reason)
    return Answered(UNREADABLE, one.model_dump_json())


def shown(one: Answer) -> str:
    """Grad-CAM as a data URI."""
    out = io.BytesIO()
    explanation(one).save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def answered(classifier: Classifier, upload: Upload, top: int, explain: bool) -> Answered:
    """What the classifier says of a picture that was sent. MemoryError."""
    try:
        one = answer(classifier, decode(io.BytesIO(upload.content)))
    except UnreadableError as error:
        return unreadable(upload.name, str(error))
    there = classifier.neighbours.pictures is not None
    said = One.model_construct(
        name=upload.name,
        class_name=one.classes[0][0],
        probability=one.classes[0][1],
        doubt=one.doubt or None,
        distance=one.distance,
        classes=[
            Likely.model_construct(class_name=name, probability=probability)
            for name, probability in one.classes[:top]
        ],
        nearest=[
            Near.model_construct(
                class_name=near.class_name,
                distance=near.distance,
                picture=f"neighbours/{near.place}.webp" if there else None,
            )
            for near in one.nearest
        ],
        explanation=shown(one) if explain else None,
    )
    return Answered(one.doubt or NONE, said.model_dump_json())
