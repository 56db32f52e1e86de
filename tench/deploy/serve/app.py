"""The web application: a page at /, and /predict, /health, /metrics, /neighbors, /docs."""

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
    400: "no image, or an invalid form",
    408: "the client is too slow",
    413: "the request is too large",
    415: "the Content-Type is neither an image nor a form",
    422: "no image in the request can be read; `reason` contains why",
    421: "the Host header is not an allowed host",
    503: "busy, or not finished in time: try again",
}
TIMEOUT_TEXT = "not finished within {:g} s (--timeout): send fewer or smaller images"
# No scripts, styles or images of other sites; blob: and data: are the user's own images.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
API_DESCRIPTION = (
    "Send one image as the body, or several as files of a form. Images are decoded and resized as "
    "for training. They are not stored."
)


def make_app(
    exported: ExportedClassifier, predict_upload: PredictUpload, timeout: float
) -> FastAPI:
    """Create the application for a classifier.

    Args:
        exported: Description of the classifier.
        predict_upload: Function of `open_worker_pool`.
        timeout: Time limit for the images of a request, in seconds.
    """
    reference_set = read_reference_set(exported)
    app = FastAPIOffline(title="Tench", description=API_DESCRIPTION, redoc_url=None)
    pool, budget = ThreadPoolExecutor(available_cores()), MemoryBudget()
    server_metrics = create_metrics()

    async def predict_request(
        request: Request, top: int, explain: bool
    ) -> list[SerializedPrediction]:
        loop = asyncio.get_running_loop()
        with budget.reserve() as reservation:
            uploads = await read_uploads(request, reservation)
            futures = [
                loop.run_in_executor(pool, predict_upload, upload, top, explain)
                for upload in uploads
            ]
            predictions = await gather_within(futures, timeout)
        for prediction in predictions:
            server_metrics.images.labels(prediction.flag).inc()
        return predictions

    @app.post(
        "/predict",
        response_model=PredictResponse,
        responses={status: {"description": text} for status, text in ERROR_RESPONSES.items()},
        openapi_extra=REQUEST_BODY_SCHEMA,
    )
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, description="number of classes to list")] = 5,
        explain: Annotated[bool, Query(description="add a Grad-CAM image")] = False,
    ) -> Response:
        """Predict the class of images."""
        started, status = time.perf_counter(), 500
        server_metrics.in_flight.inc()
        try:
            predictions = await predict_request(request, top, explain)
            status = 422 if all(one.flag == UNREADABLE for one in predictions) else 200
            items = ",".join(prediction.json_text for prediction in predictions)
            return Response(f'{{"predictions":[{items}]}}', status, media_type="application/json")
        except HTTPException as error:
            status = error.status_code
            raise
        except ClientDisconnect:
            status = 499  # nginx's status for it; no client receives it
            return Response(status_code=400)
        except MemoryError:
            status = 503
            raise HTTPException(status, "not enough memory for this image: try again") from None
        except TimeoutError:
            status = 503
            raise HTTPException(status, TIMEOUT_TEXT.format(timeout)) from None
        finally:
            server_metrics.in_flight.dec()
            server_metrics.requests.labels(status).inc()
            server_metrics.latency.observe(time.perf_counter() - started)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        """Status of the server, and the classes of its classifier."""
        return {"status": "ok", "classes": list(exported.classes)}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Metrics for Prometheus."""
        return Response(generate_latest(server_metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.get(
        "/neighbors/{row}.webp",
        response_class=Response,
        responses={404: {"description": "there is no such image"}},
    )
    async def neighbor(row: int) -> Response:
        """Thumbnail of a training image."""
        try:
            return Response(read_reference_image(reference_set, row), media_type="image/webp")
        except KeyError:
            raise HTTPException(404, "no such training image in this export") from None

    app.exception_handler(Exception)(internal_error_response)
    add_page(app, ("page.html", "page.css", "page.js"))
    app.router.on_shutdown.append(partial(pool.shutdown, cancel_futures=True))
    return app


async def gather_within(
    futures: Sequence[asyncio.Future[SerializedPrediction]], timeout: float
) -> list[SerializedPrediction]:
    """Gather the results of futures; on an error, cancel those that have not started.

    Raises:
        TimeoutError: They take longer than `timeout` seconds.
    """
    try:
        async with asyncio.timeout(timeout):
            return list(await asyncio.gather(*futures))
    finally:
        for future in futures:
            future.cancel()


def add_page(app: FastAPI, names: Sequence[str]) -> None:
    """Add the files of the web page; the first is served at /."""

    def page_file(name: str) -> FileResponse:
        headers = {
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        return FileResponse(PAGE_FOLDER / name, headers=headers)

    for name in names:
        path = "/" if name == names[0] else f"/{name}"
        app.get(path, include_in_schema=False, response_class=FileResponse)(
            partial(page_file, name)
        )


def internal_error_response(_: Request, error: Exception) -> JSONResponse:
    """Response for an error of the server itself; uvicorn logs its traceback."""
    return JSONResponse({"detail": f"internal error: {type(error).__name__}"}, 500)
