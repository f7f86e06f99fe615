# SPDX-License-Identifier: MIT
# netbench in an image: built from these sources, with nothing but what `requirements/runtime.txt` pins.
#
#   docker build -t netbench .
#   docker run --rm --network host --cap-drop ALL --cap-add NET_RAW --cap-add NET_ADMIN netbench inspect -i eth0
#
# See docs/docker.md. Without a registry: BASE is any image that was imported, and PIP_FLAGS says where wheels lie in the context.
ARG BASE=debian:12-slim

FROM ${BASE} AS build
ARG PIP_FLAGS=
COPY . /src
WORKDIR /src
RUN packaging/system_packages.sh run "$(command -v python3)" && python3 -m venv /opt/netbench \
    && /opt/netbench/bin/pip install --disable-pip-version-check --no-cache-dir --quiet ${PIP_FLAGS} --require-hashes -r requirements/runtime.txt \
    && PATH=/opt/netbench/bin:$PATH pip install --disable-pip-version-check --quiet --no-cache-dir --no-deps --no-build-isolation --no-index .

FROM ${BASE}
RUN command -v python3 && command -v ip && command -v nft \
    || { apt-get update && apt-get install -y --no-install-recommends iproute2 nftables python3 && rm -rf /var/lib/apt/lists/*; }
COPY --from=build /opt/netbench /opt/netbench
ENV PATH=/opt/netbench/bin:$PATH
WORKDIR /reports
ENTRYPOINT ["netbench"]
