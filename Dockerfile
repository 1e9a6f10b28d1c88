# syntax=docker/dockerfile:1
# One image with all five programs; the command chooses: gateway, profile-service, content-service, simulator, yingbin.
# Checked with hadolint (`make lint`), and built with buildah, where Debian 12 and Rust 1.95 stood in for the two base images: what it
# made ran with a read-only root. Docker has not built it yet.

FROM rust:1.95-slim-bookworm AS build
# librdkafka is compiled from source, which takes a C++ compiler and make, and against the distribution's OpenSSL, of whatever
# version the distribution has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ libssl-dev make pkg-config \
    && rm -rf /var/lib/apt/lists/*
# It writes into each program the list of the crates that it is made of.
RUN cargo install --locked cargo-auditable@0.7.7
WORKDIR /src
COPY . .
# The caches belong to the builder, so the programs are copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo auditable build --release --locked --workspace --bins \
    && mkdir /out \
    && cp target/release/gateway target/release/profile-service target/release/content-service \
          target/release/simulator target/release/yingbin /out/

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="Yingbin" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 65532 nonroot \
    && useradd --uid 65532 --gid 65532 --no-create-home --shell /usr/sbin/nologin nonroot \
    && install -d -o nonroot -g nonroot /var/lib/yingbin/spool
COPY --from=build /out/ /usr/local/bin/
COPY examples /srv/yingbin/examples
COPY LICENSE /usr/share/doc/yingbin/
WORKDIR /srv/yingbin
USER 65532:65532
# gateway, profile gRPC, simulator and phone, admin
EXPOSE 8080 50051 8090 9090 9091 9092
CMD ["yingbin", "--help"]
