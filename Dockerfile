# The gateway alone: PostgreSQL, MLflow and Redis are services beside it (docker-compose.yml).
FROM python:3.13-slim AS build
# Wheels exist for all that is locked on the usual platforms; the compiler is for the others.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
RUN python -m venv /venv
COPY requirements.lock /srv/
RUN /venv/bin/pip install --no-cache-dir --require-hashes --requirement /srv/requirements.lock
COPY pyproject.toml README.md /srv/
COPY app /srv/app
COPY migrations /srv/migrations
RUN /venv/bin/pip install --no-cache-dir --no-deps --editable /srv

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home hokusai
COPY --from=build /venv /venv
COPY --from=build /srv /srv
# The first admin key is written to the data directory, and nothing else.
RUN install --directory --owner hokusai --mode 0700 /data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOKUSAI_HOST=0.0.0.0 HOKUSAI_DATA_DIR=/data HOKUSAI_LOG_FORMAT=json
USER hokusai
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["hokusai-gateway"]
CMD ["serve"]
