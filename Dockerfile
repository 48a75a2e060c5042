# syntax=docker/dockerfile:1

# Three images from one file:
#   docker build --target trainer            -t latent-trainer .
#   docker build --target service            -t latent .              (no TensorFlow in it)
#   docker build --target service-tensorflow -t latent-tensorflow .   (the reference engine; GPU: see docs/operations.md)

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    LATENT_STORE=/store
RUN groupadd --gid 10001 latent \
    && useradd --uid 10001 --gid latent --no-create-home --home-dir /tmp --shell /usr/sbin/nologin latent \
    && install --directory --owner=latent --group=latent /store
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY model_store model_store
COPY service service
COPY training training
COPY latent latent
COPY client client


FROM base AS trainer
RUN python -m pip install --constraint constraints.txt '.[train,parquet]'
WORKDIR /tmp
USER 10001:10001
VOLUME /store
# matplotlib and Keras want a place for their caches: /tmp is the one that a read-only root leaves.
ENV MPLCONFIGDIR=/tmp/matplotlib \
    KERAS_HOME=/tmp/keras
ENTRYPOINT ["latent"]
CMD ["train", "mnist-vae"]


FROM base AS serving
RUN python -m pip install --constraint constraints.txt .
WORKDIR /tmp
USER 10001:10001
VOLUME /store
ENV LATENT_HOST=0.0.0.0 \
    LATENT_PORT=8000 \
    LATENT_LOG_FORMAT=json \
    LATENT_DRAIN_S=3
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-m", "service.server.healthcheck"]
CMD ["latent", "serve"]


FROM serving AS service-tensorflow
USER 0
WORKDIR /src
RUN python -m pip install --constraint constraints.txt '.[tensorflow]'
WORKDIR /tmp
USER 10001:10001
ENV LATENT_ENGINE=tensorflow


# The last stage is what a build without --target makes.
FROM serving AS service
