# syntax=docker/dockerfile:1

FROM python:3.13-slim AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
# The lock names every package with its hashes, so there is nothing to resolve.
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --no-deps --requirement requirements.lock
COPY stages stages
COPY pipeline pipeline
COPY orchestration orchestration
COPY api api
# The user of the final image cannot write bytecode.
RUN python -m compileall -q --invalidation-mode unchecked-hash api orchestration pipeline stages

FROM python:3.13-slim AS penstock
# A new named volume takes its owner from the folder that it is mounted on.
RUN groupadd --system --gid 10001 penstock \
    && useradd --system --uid 10001 --gid penstock --no-create-home penstock \
    && install --directory --owner penstock --group penstock --mode 0700 /data /data/payloads
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY LICENSE /app/
ENV PATH=/venv/bin:$PATH PENSTOCK_DATA_DIR=/data
WORKDIR /app
USER penstock
EXPOSE 8000
ENTRYPOINT ["python", "-m", "api"]

# The worker of the queue `render`: docs/how-to/render-pages.md
FROM penstock AS render
USER root
RUN apt-get update && apt-get install --yes --no-install-recommends chromium \
    && rm --recursive --force /var/lib/apt/lists/*
COPY requirements-render.lock ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --no-deps --requirement requirements-render.lock
# The user has no home; Chromium wants one.
ENV HOME=/tmp
USER penstock
