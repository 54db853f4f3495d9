import { readFile } from 'node:fs/promises'
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

/** No logo, no fields that this server ignores, and nothing wider than a telephone. */
const STYLE = `
  .swagger-ui .topbar { display: none }
  .swagger-ui .info { margin: 32px 0 }
  .swagger-ui .scheme-container { box-shadow: none; border-bottom: 1px solid #e5e7eb; padding: 16px 0 }
  .swagger-ui .opblock .opblock-section-header { flex-wrap: wrap }
  .swagger-ui .renderedMarkdown code { overflow-wrap: anywhere }
  .swagger-ui .response-col_links { display: none }
  .swagger-ui .dialog-ux .modal-ux-content { max-height: calc(100vh - 160px) }
  .swagger-ui .dialog-ux .scope-def, .swagger-ui .dialog-ux .scopes h2 a { display: none }
  .swagger-ui .dialog-ux .wrapper:has(> [for="password_type"], > [for="client_id_password"], > [for="client_secret_password"]) { display: none }
`

/** For telephones, and for the Authorize dialog: Swagger UI opens it at its last field, past the username. */
const SCRIPT = `
document.head.insertAdjacentHTML('beforeend', '<meta name="viewport" content="width=device-width, initial-scale=1">')
new MutationObserver((changes) => {
  const username = changes.flatMap(({ addedNodes }) => [...addedNodes]).map((node) => node.querySelector?.('#oauth_username')).find(Boolean)
  username?.focus()
  username?.closest('.modal-ux-content').scrollTo(0, 0)
}).observe(document.getElementById('swagger-ui'), { childList: true, subtree: true })
`

type OAuth2Login = { auth: object; token: object }

/** Runs in the browser: a login outlives a reload as its access token alone. Swagger UI would store the password and the refresh token as well. */
const forgetSecrets = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorizeOauth2:
          (authorize: (login: OAuth2Login) => unknown) =>
          ({ auth, token }: OAuth2Login) =>
            authorize({ auth: { ...auth, password: '' }, token: { ...token, refresh_token: undefined } }),
      },
    },
  },
})

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
        defaultModelsExpandDepth: 0,
        plugins: [forgetSecrets],
      },
      theme: {
        title: document.info.title,
        css: [{ filename: 'docket.css', content: STYLE }],
        js: [{ filename: 'docket.js', content: SCRIPT }],
      },
    })
  })

  const json = JSON.stringify(document)
  app.get('/openapi.yaml', (_request, reply) => reply.header('Cache-Control', 'no-cache').type('application/yaml; charset=utf-8').send(text))
  app.get('/openapi.json', (_request, reply) => reply.header('Cache-Control', 'no-cache').type('application/json; charset=utf-8').send(json))

  app.get('/redoc/redoc.standalone.js', async (_request, reply) =>
    reply
      .header('Cache-Control', 'public, max-age=3600')
      .type('text/javascript; charset=utf-8')
      .send(await redocScript()),
  )
  app.get('/redoc', (_request, reply) =>
    reply.header('Content-Security-Policy', pagePolicy('worker-src blob:')).type('text/html; charset=utf-8').send(redocPage(document.info.title)),
  )
}

const redocPage = (title: string) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><link rel="icon" href="data:,"><style>body { margin: 0 }</style></head>
<body><redoc spec-url="/openapi.json"></redoc><script src="/redoc/redoc.standalone.js"></script></body>
</html>
`

/** Redoc as its package ships it, save for the one picture that it would fetch from a CDN. Read each time: it is large and rarely asked for. */
async function redocScript(): Promise<string> {
  const file = createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js')
  return (await readFile(file, 'utf8')).replaceAll('https://cdn.redoc.ly/redoc/logo-mini.svg', 'data:,')
}
