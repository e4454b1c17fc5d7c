# Builds with nothing but this checkout and a package index:
#   docker build -t llm-to-anthropic .
#   docker build -t llm-to-anthropic --build-arg REQUIREMENTS=vertex .   # with what Vertex AI needs

# Pin this to a digest before you rely on an image: PYTHON_IMAGE=python:3.13-slim@sha256:...
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
# Which of requirements/*.txt is installed.
ARG REQUIREMENTS=core
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/source
COPY requirements requirements
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install \
        --require-hashes --only-binary :all: -r "requirements/${REQUIREMENTS}.txt" \
    && python -m venv --without-pip /opt/build \
    && python -m pip --python /opt/build/bin/python install \
        --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/build/bin/python -m hatchling build -t wheel -d /opt/dist \
    && python -m pip --python /opt/venv/bin/python install --no-deps --no-index /opt/dist/*.whl

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="llm-to-anthropic" \
      org.opencontainers.image.description="Anthropic's API in front of every model" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/venv /opt/venv
# The root file system may be read-only: nothing is written but, by libraries, to /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# A configuration file mounted here as llm-to-anthropic.toml is found.
WORKDIR /etc/llm-to-anthropic
USER 65532:65532
EXPOSE 8082
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s --retries=3 CMD ["llm-to-anthropic", "health"]
ENTRYPOINT ["llm-to-anthropic"]
CMD ["proxy"]
