import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { createApiTokens } from '../../src/api-tokens/tokens.ts'
import { createIdentity } from '../../src/auth/identity.ts'
import { ChangeFeed } from '../../src/changes/feed.ts'
import { ChangeStreams } from '../../src/changes/streams.ts'
import { createHandlers } from '../../src/handlers.ts'
import { startApp } from '../support/app.ts'
import { spec } from '../support/contract-check.ts'
import { OPERATIONS } from './walk.ts'

/** What Fastify says that it serves, as `GET /api/v1/tasks`. */
function servedBy(app: FastifyInstance): string[] {
  const branch: string[] = []
  return app
    .printRoutes({ commonPrefix: false })
    .split('\n')
    .flatMap((line) => {
      const [, indent, segment, methods] = /^((?:[│ ] {3})*)[├└]── (\S+) \((.+)\)$/.exec(line) ?? []
      if (indent === undefined || segment === undefined || methods === undefined) return []
      branch.length = indent.length / 4
      branch.push(segment)
      return methods.split(', ').map((method) => `${method} ${branch.join('')}`)
    })
}

t.test('routes', async (t) => {
  const { app, context } = await startApp(t)
  const served = servedBy(app)

  t.test('what is served below the base path is what the document describes, and HEAD', async (t) => {
    const documented = spec.operations.flatMap(({ method, path }) => {
      const route = `/api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      return method === 'GET' ? [`GET ${route}`, `HEAD ${route}`] : [`${method} ${route}`]
    })
    t.same(served.filter((route) => route.includes(' /api/')).toSorted(), documented.toSorted())
  })

  t.test('nothing is served beside it but the document and the pages that show it', async (t) => {
    const others = served.filter((route) => !route.includes(' /api/'))
    t.ok(others.length > 0)
    t.same(
      others.filter((route) => !/^(GET|HEAD) \/(openapi\.(yaml|json)|redoc(\/redoc\.standalone\.js)?|docs(\/.*)?)$/.test(route)),
      [],
    )
  })

  t.test('the generated table of operations is the document, in its order', async (t) => {
    t.same(
      OPERATIONS.map((id) => ({ id, ...operations[id] })),
      spec.operations.map(({ id, method, path, tag, schemes, scopes, parameters }) => {
        const defaults = parameters.filter(({ schema }) => schema['default'] !== undefined).map(({ name }) => name)
        return { id, method, path, tag, public: schemes.length === 0, schemes, scopes, defaults }
      }),
    )
  })

  t.test('every operation has a handler, and every handler an operation', async (t) => {
    const streams = new ChangeStreams(context, new ChangeFeed(context), async () => true)
    const handlers = createHandlers(context, createIdentity(context, app.jwt), createApiTokens(context), streams)
    t.same(Object.keys(handlers).toSorted(), OPERATIONS.toSorted())
  })
})
