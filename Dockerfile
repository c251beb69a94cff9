# The gateway only: PostgreSQL, MLflow and Redis are separate services (docker-compose.yml).
#
# A tag can be moved to another image, a digest cannot. To build on a digest:
#   docker buildx imagetools inspect python:3.13.15-slim-trixie
#   docker build --build-arg BASE=python:3.13.15-slim-trixie@sha256:... .
# Dependabot raises the version in a FROM, and reads none in an ARG.
ARG BASE=base
FROM python:3.13.15-slim-trixie AS base

FROM ${BASE} AS build
# pip and the build backend are in a separate environment, which the final image does not contain.
COPY requirements-build.lock requirements.lock /src/
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
        --requirement /src/requirements-build.lock \
    && python -m venv --without-pip /venv \
    && /build/bin/pip --python /venv/bin/python install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement /src/requirements.lock
COPY pyproject.toml README.md LICENSE /src/
COPY app /src/app
COPY migrations /src/migrations
RUN /build/bin/pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation \
        --wheel-dir /wheels /src \
    && /build/bin/pip --python /venv/bin/python install --no-cache-dir --no-index --no-deps \
        /wheels/*.whl

FROM ${BASE}
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin hokusai \
    # The data directory has only the first admin key.
    && install --directory --owner hokusai --mode 0700 /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOKUSAI_HOST=0.0.0.0 \
    HOKUSAI_PORT=8000 \
    HOKUSAI_DATA_DIR=/data \
    HOKUSAI_LOG_FORMAT=json
# A number, so that Kubernetes can verify that the user is not root.
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['HOKUSAI_PORT']}/livez\", timeout=2)"]
ENTRYPOINT ["hokusai-gateway"]
CMD ["serve"]
