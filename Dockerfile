# The workers' image: runtime packages alone, no local servers, no root, the kernel compiled already.

FROM python:3.13-slim AS build
WORKDIR /src
COPY constraints.txt pyproject.toml README.md LICENSE ./
RUN sed -n '/^uv==/,/[^\]$/p' constraints.txt | pip install --no-cache-dir --require-hashes -r /dev/stdin
COPY sentinel_cli sentinel_cli
COPY commands commands
COPY profiles profiles
COPY datasets datasets
# uv checks the hashes that a constraints file carries, for the build's own packages too.
RUN uv venv /opt/sentinel \
 && uv pip install --python /opt/sentinel/bin/python --no-cache --compile-bytecode \
      --constraints constraints.txt --build-constraints constraints.txt '.[avro]'

FROM python:3.13-slim
COPY --from=build /opt/sentinel /opt/sentinel
RUN useradd --create-home sentinel
USER sentinel
# Code for the generic processor of the architecture, so that what is compiled here runs on every host.
ENV PATH=/opt/sentinel/bin:$PATH \
    NUMBA_CPU_NAME=generic \
    NUMBA_CACHE_DIR=/home/sentinel/kernel
RUN python -m sentinel_cli.engine
WORKDIR /home/sentinel
ENTRYPOINT ["sentinel"]
CMD ["--help"]
