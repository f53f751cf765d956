# The server as an image. It listens on all addresses of the container, so it wants a token file:
#   docker run -p 8080:8080 -v lunette:/data -v ./tokens:/etc/lunette/tokens:ro lunette
FROM docker.io/library/debian:bookworm-slim AS build
COPY tools/packages /src/tools/packages
RUN apt-get update -qq \
 && awk '/^# \[/ { on = $2 == "[build]" } /^[^#]/ && NF && on { print $1 }' /src/tools/packages \
  | xargs apt-get install -y -qq --no-install-recommends \
 && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN cmake -S /src -B /build -G Ninja -DCMAKE_BUILD_TYPE=Release \
 && ninja -C /build lunette \
 && DESTDIR=/out cmake --install /build --prefix /usr --strip

FROM docker.io/library/debian:bookworm-slim
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends ca-certificates curl libcurl4 libevent-2.1-7 \
    libevent-pthreads-2.1-7 libjansson4 liblua5.4-0 liblz4-1 libpcre2-8-0 libsimdjson14 libsqlite3-0 libssl3 \
    libstdc++6 libwebsockets17 zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /data --create-home --skel /dev/null --shell /usr/sbin/nologin lunette
COPY --from=build /out/usr /usr
ENV LUNETTE_LISTEN=0.0.0.0:8080 LUNETTE_DATA=/data LUNETTE_TOKEN_FILE=/etc/lunette/tokens \
    LUNETTE_RULES=/usr/share/lunette/rules LUNETTE_PLUGINS=/usr/share/lunette/plugins
USER 10001
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=2s CMD curl -fs "http://127.0.0.1:${LUNETTE_LISTEN##*:}/health" || exit 1
ENTRYPOINT ["/usr/bin/lunette"]
CMD ["serve"]
