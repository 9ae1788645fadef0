# One image for migrate, provisioner, bridge and portal; the command says which. Everything installed is pinned by hash.
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

COPY schema/ schema/
COPY bridge/ bridge/
COPY portal/ portal/
RUN python -m compileall -q schema bridge portal

# A new named volume takes its owner from the image's folder: 10001 is ours, 1883 is mosquitto's in its own image.
RUN install -d -o 10001 -g 10001 -m 0700 /data && install -d -o 1883 -g 1883 -m 0750 /broker
USER 10001:10001
ENV DATA_DIR=/data BROKER_DIR=/broker LOG_FORMAT=json
CMD ["python", "-m", "portal"]
