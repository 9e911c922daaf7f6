# The server alone, small and without root:
#   docker build -t bridge .
#   docker run -p 5050:5050 -e BRIDGE_API_KEY=… -e TWILIO_ACCOUNT_SID=… -e TWILIO_AUTH_TOKEN=… \
#     -e BRIDGE_SINKS=wav -v "$PWD/recordings:/data/recordings" bridge
# It listens on all addresses and therefore refuses to start without BRIDGE_API_KEY.

FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src src
# The environment is made without pip: nothing in the image installs anything later.
RUN python -m venv --without-pip /opt/bridge \
    && python -m pip --python /opt/bridge/bin/python install --no-cache-dir --disable-pip-version-check .

FROM python:3.13-slim
COPY --from=build /opt/bridge /opt/bridge
# A numeric user needs no account; the folder is where recordings go.
RUN install --directory --owner=10001 --group=10001 /data /data/recordings
ENV PATH=/opt/bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BRIDGE_HOST=0.0.0.0 \
    BRIDGE_PORT=5050
WORKDIR /data
USER 10001:10001
VOLUME /data/recordings
EXPOSE 5050
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"BRIDGE_PORT\"]}/healthz', timeout=4)"]
CMD ["bridge", "serve"]
