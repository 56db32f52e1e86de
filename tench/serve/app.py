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

from tench.core.parallel import cores
from tench.exported.folder import Exported
from tench.exported.neighbours import read_neighbours, small_picture
from tench.serve.answering import UNREADABLE, Answered, Answers
from tench.serve.counting import new_counts
from tench.serve.limits import Held
from tench.serve.uploads import BYTES, FORM, uploads
from tench.serve.workers import Look

PAGE = Path(__file__).parent / "page"
BINARY = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": BINARY,
            BYTES: BINARY,
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "pictures": {"type": "array", "items": BINARY["schema"], "minItems": 1}
                    },
                    "required": ["pictures"],
                }
            },
        },
    }
}
REFUSALS = {
    400: "no picture, or a form that cannot be taken apart",
    408: "the client was too slow",
    413: "the request is too large",
    415: "another Content-Type than a picture's or a form's",
    422: "no picture in the request can be read; `reason` says why",
    421: "the Host header names another host than the server's",
    503: "busy, or not done in time: try again",
}
LATE = "not done within {:g} s (--timeout): send fewer or smaller images"
# No other site's script, style or picture; what is shown is the user's own picture.
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
POLICY += "img-src 'self' blob: data:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
ABOUT = """Send one picture as the body, or several as files of a form. Each is read and resized as
the training pictures were; nothing of it is kept."""


def make_app(exported: Exported, look: Look, timeout: float) -> FastAPI:
    """The server for a classifier.

    Args:
        exported: the classifier.
        look: of `looking`.
        timeout: seconds for the images of a request.
    """
    known = read_neighbours(exported)
    app = FastAPIOffline(title="Tench", description=ABOUT, redoc_url=None)
    pool, held, counts = ThreadPoolExecutor(cores()), Held(), new_counts()

    async def looked_at(request: Request, top: int, explain: bool) -> list[Answered]:
        loop = asyncio.get_running_loop()
        with held.room() as room:
            sent = await uploads(request, room)
            asked = [loop.run_in_executor(pool, look, one, top, explain) for one in sent]
            said = await all_of(asked, timeout)
        for one in said:
            counts.pictures.labels(one.kind).inc()
        return said

    @app.post(
        "/predict",
        response_model=Answers,
        responses={status: {"description": text} for status, text in REFUSALS.items()},
        openapi_extra=BODY,
    )
    async def predict(
        request: Request,
        top: Annotated[int, Query(ge=1, description="how many classes to list")] = 5,
        explain: Annotated[bool, Query(description="with a Grad-CAM picture")] = False,
    ) -> Response:
        """Name pictures."""
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
            raise HTTPException(status, "not enough memory for this picture now") from None
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
        "/neighbours/{place}.webp",
        response_class=Response,
        responses={404: {"description": "there is no such picture"}},
    )
    async def neighbour(place: int) -> Response:
        """A small copy of a training picture."""
        try:
            return Response(small_picture(known, place), media_type="image/webp")
        except KeyError:
            raise HTTPException(404, "no such training picture in this export") from None

    app.exception_handler(Exception)(failed)
    add_page(app, ("page.html", "page.css", "page.js"))
    app.router.on_shutdown.append(partial(pool.shutdown, cancel_futures=True))
    return app


async def all_of(futures: Sequence[asyncio.Future[Answered]], timeout: float) -> list[Answered]:
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
        safe = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        return FileResponse(PAGE / name, headers=safe | {"Referrer-Policy": "no-referrer"})

    for name in names:
        path = "/" if name == names[0] else f"/{name}"
        app.get(path, include_in_schema=False, response_class=FileResponse)(partial(give, name))


def failed(_: Request, error: Exception) -> JSONResponse:
    """The answer where the server itself is wrong; its trace goes to the log."""
    return JSONResponse({"detail": f"the server failed: {type(error).__name__}"}, 500)
