# The executor in a container of its own: it opens no port, and needs the engine's socket and a volume for its data.
#   docker build --file infra/executor.Dockerfile --tag slipway-executor .
# docs/deploy.md says how to run it. tests/docker/executor_image.py reads its ENV, USER, VOLUME, HEALTHCHECK and ENTRYPOINT.

FROM python:3.13-slim AS packages
COPY local_runtime/requirements.txt /
# The list is a whole closure, so what only the server and the embedded store need can be left out.
RUN grep -vE '^(fastapi|httptools|mangum|moto|pydantic|pydantic-core|starlette|uvicorn|uvloop|werkzeug)==' /requirements.txt > /executor.txt \
 && pip install --no-cache-dir --no-deps --target /app/site --requirement /executor.txt

FROM python:3.13-slim
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-client && rm -rf /var/lib/apt/lists/*
COPY --from=packages /app/site /app/site
COPY chalicelib /app/chalicelib
COPY local_runtime /app/local_runtime
RUN python -m compileall -q /app && install --directory --owner 10001 --group 10001 --mode 0700 /data
WORKDIR /app
ENV PYTHONPATH=/app:/app/site PYTHONUNBUFFERED=1 SLIPWAY_DATA=/data
USER 10001:10001
VOLUME ["/data"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["python", "-m", "local_runtime.executor", "--health"]
ENTRYPOINT ["python", "-m", "local_runtime.executor"]
