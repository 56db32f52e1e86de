# HTTP server for the exported classifier in models/export (`dvc repro`, `dvc pull models/export`):
#   docker build -t tench . && docker run --read-only -p 127.0.0.1:8000:8000 tench
FROM python:3.13-slim

COPY requirements-serve.lock /app/
RUN pip install --no-cache-dir --require-hashes -r /app/requirements-serve.lock
COPY tench /app/tench
COPY models/export /model

WORKDIR /app
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65534:65534
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["python", "-m", "tench.serve", "--model", "/model", "--host", "0.0.0.0"]
