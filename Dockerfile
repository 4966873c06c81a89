# kokuin on Debian trixie, whose OpenSSL 3.5 offers X25519MLKEM768 in TLS.
# conformance/trixie_root.sh replays this file without a container engine and knows just the instructions used here.

FROM debian:trixie-slim AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/*

FROM base AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/kokuin
COPY requirements/lock.txt /src/requirements/lock.txt
RUN /opt/kokuin/bin/pip install --no-cache-dir --require-hashes --requirement /src/requirements/lock.txt
COPY . /src
RUN /opt/kokuin/bin/pip install --no-cache-dir --no-deps --no-build-isolation --check-build-dependencies /src

FROM base
COPY --from=build /opt/kokuin /opt/kokuin
# /data exists with its owner before it becomes a volume: a fresh named volume takes both over.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin kokuin \
    && install --directory --owner=kokuin --group=kokuin --mode=0700 /data
ENV PATH=/opt/kokuin/bin:/usr/local/bin:/usr/bin:/bin
ENV PYTHONUNBUFFERED=1
ENV PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 3161
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:3161/healthz', timeout=4)"]
ENTRYPOINT ["tsa"]
CMD ["serve", "--dir", "/data", "--host", "0.0.0.0"]
