"""The server's addresses: /predict, /health, /metrics, /docs, and a page for people at /."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tench.core.parallel import available_cores
from tench.deploy.runtime.export_folder import ExportedClassifier
from tench.deploy.runtime.neighbors import read_reference_image, read_reference_set
from tench.deploy.serve.limits import MemoryBudget
from tench.deploy.serve.responses import UNREADABLE, PredictResponse, SerializedPrediction
from tench.deploy.serve.server_metrics import create_metrics
from tench.deploy.serve.uploads import BYTES_TYPE, FORM_TYPE, read_uploads
from tench.deploy.serve.workers import PredictUpload

PAGE_FOLDER = Path(__file__).parent / "page"
BINARY_SCHEMA = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
REQUEST_BODY_SCHEMA = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": BINARY_SCHEMA,
            BYTES_TYPE: BINARY_SCHEMA,
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "images": {"type": "array", "items": BINARY_SCHEMA["schema"], "minItems": 1}
                    },
                    "required": ["images"],
                }
            },
        },
    }
}
ERROR_RESPONSES = {
    400: "no image, or a form that cannot be taken apart",
    408: "the client was too slow",
    413: "the request is too large",
    415: "another Content-Type than an image's or a form's",
    422: "no image in the request can be read; `reason` says why",
    421: "the Host header names another host than the server's",
    503: "busy, or not done in time: try again",
}
LATE = "not done within {:g} s (--timeout): send fewer or smaller images"
# No other site's script, style or image; what is shown is the user's own image.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
)
CONTENT_SECURITY_POLICY += (
    "img-src 'self' blob: data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
API_DESCRIPTION = """Send one image as the body, or several as files of a form. Each is read and resized as
the training images were; nothing of it is kept."""


def make_app(exported: ExportedClassifier, look: PredictUpload, timeout: float) -> FastAPI:
    """The server for a classifier.

    Args:
        exported: the classifier.
        look: of `looking`.
        timeout: seconds for the images of a request.
    """
    known = read_reference_set(exported)
    app = FastAPIOffline(title="Tench", description=API_DESCRIPTION, redoc_url=None)
    pool, held, counts = ThreadPoolExecutor(available_cores()), MemoryBudget(), create_metrics()

    async def looked_at(request: Request, top: int, explain: bool) -> list[SerializedPrediction]:
        loop = asyncio.get_running_loop()
        with held.room() as room:
            sent = await read_uploads(request, room)
            asked = [loop.run_in_executor(pool, look, one, top, explain) for one in sent]
            said = await all_of(asked, timeout)
        for one in said:
            counts.images.labels(one.kind).inc()
        return said

    @app.post(
        "/predict",
        response_model=PredictResponse,
        responses={status: {"description": text} for status, text in ERROR_RESPONSES.items()},
        openapi_extra=REQUEST_BODY_SCHEMA,
    )
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, description="how many classes to list")] = 5,
        explain: Annotated[bool, Query(description="with a Grad-CAM image")] = False,
    ) -> Response:
        """Name images."""
        started, status = time.perf_counter(), 500
        counts.waiting.inc()
        try:
            said = await looked_at(request, top, explain)
            status = 422 if all(one.kind == UNREADABLE for one in said) else 200
            content = f'{{"answers":[{",".join(one.text for one in said)}]}}'
            return Response(content, status, media_type="application/json")
        except HTTPException as error:
            status = error.status_code
            raise
        except ClientDisconnect:
            status = 499  # as nginx counts those who left; nobody gets it
            return Response(status_code=400)
        except MemoryError:
            status = 503
            raise HTTPException(status, "not enough memory for this image now") from None
        except TimeoutError:
            status = 503
            raise HTTPException(status, LATE.format(timeout)) from None
        finally:
            counts.waiting.dec()
            counts.requests.labels(status).inc()
            counts.seconds.observe(time.perf_counter() - started)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Whether the server answers, and with what."""
        return {"status": "ok", "classes": list(exported.classes)}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts and durations, for Prometheus."""
        return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get(
        "/neighbors/{place}.webp",
        response_class=Response,
        responses={404: {"description": "there is no such image"}},
    )
    async def neighbor(place: int) -> Response:
        """A small copy of a training image."""
        try:
            return Response(read_reference_image(known, place), media_type="image/webp")
        except KeyError:
            raise HTTPException(404, "no such training image in this export") from None

    app.exception_handler(Exception)(internal_error_response)
    add_page(app, ("page.html", "page.css", "page.js"))
    app.router.on_shutdown.append(partial(pool.shutdown, cancel_futures=True))
    return app


async def all_of(
    futures: Sequence[asyncio.Future[SerializedPrediction]], timeout: float
) -> list[SerializedPrediction]:
    """The results of all futures, within `timeout` seconds; if one fails or is late (TimeoutError),
    those that have not begun never will."""
    try:
        async with asyncio.timeout(timeout):
            return list(await asyncio.gather(*futures))
    finally:
        for one in futures:
            one.cancel()


def add_page(app: FastAPI, names: Sequence[str]) -> None:
    """Add the page for people; the first name is its address /."""

    def give(name: str) -> FileResponse:
        safe = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
        }
        return FileResponse(PAGE_FOLDER / name, headers=safe | {"Referrer-Policy": "no-referrer"})

    for name in names:
        path = "/" if name == names[0] else f"/{name}"
        app.get(path, include_in_schema=False, response_class=FileResponse)(partial(give, name))


def internal_error_response(_: Request, error: Exception) -> JSONResponse:
    """The answer where the server itself is wrong; its trace goes to the log."""
    return JSONResponse({"detail": f"the server failed: {type(error).__name__}"}, 500)
