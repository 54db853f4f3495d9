import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance } from 'fastify'
import type { Spec } from '../contract/spec.ts'

const pagePolicy = (...more: string[]) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    ...more,
  ].join('; ')

const STYLE = `
  .swagger-ui .topbar { display: none }
  .swagger-ui .info { margin: 32px 0 }
  .swagger-ui .scheme-container { box-shadow: none; border-bottom: 1px solid #e5e7eb; padding: 16px 0 }
`

/** The document itself, and two pages that show it: Swagger UI to try it out, Redoc to read it. All from here, nothing from a CDN. */
export function serveDocs(app: FastifyInstance, { document, text }: Spec): void {
  app.register(async (scope) => {
    scope.addHook('onSend', async (_request, reply) => {
      reply.header('Content-Security-Policy', pagePolicy())
    })
    await scope.register(swagger, {
      mode: 'static',
      specification: { document: document as never },
    })
    await scope.register(swaggerUi, {
      routePrefix: '/docs',
      staticCSP: false,
      uiConfig: {
        persistAuthorization: true,
        deepLinking: true,
        displayRequestDuration: true,
        tryItOutEnabled: true,
        docExpansion: 'list',
      },
      theme: {
        title: document.info.title,
        css: [{ filename: 'docket.css', content: STYLE }],
      },
    })
  })

  const json = JSON.stringify(document)
  app.get('/openapi.yaml', (_request, reply) => reply.header('Cache-Control', 'no-cache').type('application/yaml; charset=utf-8').send(text))
  app.get('/openapi.json', (_request, reply) => reply.header('Cache-Control', 'no-cache').type('application/json; charset=utf-8').send(json))

  const script = redocScript()
  app.get('/redoc/redoc.standalone.js', (_request, reply) =>
    reply.header('Cache-Control', 'public, max-age=3600').type('text/javascript; charset=utf-8').send(script),
  )
  app.get('/redoc', (_request, reply) =>
    reply.header('Content-Security-Policy', pagePolicy('worker-src blob:')).type('text/html; charset=utf-8').send(redocPage(document.info.title)),
  )
}

const redocPage = (title: string) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>body { margin: 0 }</style></head>
<body><redoc spec-url="/openapi.json"></redoc><script src="/redoc/redoc.standalone.js"></script></body>
</html>
`

/** Redoc as its package ships it, save for the one picture that it would fetch from a CDN. */
function redocScript(): string {
  const file = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js')
  return readFileSync(file, 'utf8').replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', 'data:,')
}
