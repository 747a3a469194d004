# One image; the container's command picks the process. `scripts/build-image.ts` builds it without a daemon.
ARG BUILD_IMAGE=docker.io/library/node:24-bookworm
ARG GO_IMAGE=docker.io/library/golang:1.26
# The base brings Node 24 in /nodejs/bin or /usr/local/bin and nothing else that is needed.
ARG BASE_IMAGE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${GO_IMAGE} AS supervisor
WORKDIR /source
COPY runtime-proxy/supervisor/ ./
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /supervisor .

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
COPY --from=supervisor /supervisor dist-supervisor
RUN KUBELAMBDA_SUPERVISOR=/source/dist-supervisor npm run build && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE_IMAGE}
WORKDIR /kubelambda
COPY --from=build /source/package.json ./
COPY --from=build /source/node_modules ./node_modules
COPY --from=build /source/dist ./dist
COPY --from=build /source/dist/pod/ ./
ENV PATH=/nodejs/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/kubelambda
USER 10001:10001
ENTRYPOINT ["node", "/kubelambda/dist/operator/cli/main.js"]
CMD ["help"]
