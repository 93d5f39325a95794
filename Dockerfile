# One image, every command: web (default), worker, migrate, run (both, embedded), init, doctor …
#   docker build -t bank-branch-gateway .
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/gateway
COPY requirements/core.txt /tmp/core.txt
RUN /opt/gateway/bin/pip install --require-hashes --no-deps -r /tmp/core.txt

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="bank-branch-gateway"
# libssl3 signs and verifies SM2; Debian's fixes to its signing times arrive this way (docs/adr/0005)
RUN apt-get update \
 && apt-get install -y --only-upgrade libssl3 openssl \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 gateway \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /srv/gateway --shell /usr/sbin/nologin gateway \
 && install -d -o gateway -g gateway -m 0700 /srv/gateway/var
ENV PATH=/opt/gateway/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/gateway /opt/gateway
WORKDIR /srv/gateway
COPY gateway ./gateway
USER gateway
VOLUME ["/srv/gateway/var"]
EXPOSE 8080
STOPSIGNAL SIGTERM
ENV GATEWAY_LISTEN=0.0.0.0:8080
# the doors of web (and of run); a worker has none and compose.yaml watches it in another way
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['GATEWAY_LISTEN'].rpartition(':')[2] + '/healthz', timeout=2)"]
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["web"]
