FROM node:24-slim AS dependencies
WORKDIR /docket
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --no-audit

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data NODE_COMPILE_CACHE=/tmp/node-compile-cache
WORKDIR /docket
RUN mkdir /data && chown node:node /data
COPY --from=dependencies /docket/node_modules node_modules
COPY package.json openapi.yaml ./
COPY migrations migrations
COPY generated generated
COPY src src
USER node
VOLUME /data
EXPOSE 3000
# SIGTERM drains: readiness says no, running requests end.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/v1/health`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--max-semi-space-size=32", "--v8-pool-size=2", "src/main.ts"]
