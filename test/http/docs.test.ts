import { readFileSync } from 'node:fs'
import t from 'tap'
import { startApp } from '../support/app.ts'
import { checkProblem, spec } from '../support/contract-check.ts'

const FILE = readFileSync(new URL('../../openapi.yaml', import.meta.url))
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

t.test('docs', async (t) => {
  const { url, as } = await startApp(t)
  const get = (path: string, headers: Record<string, string> = {}) => fetch(url + path, { headers })

  t.test('/openapi.yaml: the bytes of the file', async (t) => {
    const response = await get('/openapi.yaml')
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'application/yaml; charset=utf-8')
    t.ok(Buffer.from(await response.arrayBuffer()).equals(FILE))
  })

  t.test('/openapi.json: the same document', async (t) => {
    const response = await get('/openapi.json')
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
    t.strictSame(await response.json(), JSON.parse(JSON.stringify(spec.document)))
  })

  /** What a page loads, by its address. */
  const assetsOf = (html: string, base: string) =>
    [...html.matchAll(/(?:src|href|spec-url)="(?!data:)([^"]+)"/g)].map(([, address = '']) => new URL(address, url + base).href)

  t.test('/docs: a page whose every part comes from here', async (t) => {
    const response = await get('/docs')
    t.equal(response.status, 200)
    t.match(response.headers.get('content-type'), /^text\/html; charset=utf-8$/i)
    t.equal(response.headers.get('content-security-policy'), PAGE_POLICY)
    const html = await response.text()
    t.match(html, /<title>Docket<\/title>/)
    // The policy forbids scripts inside the page.
    t.notMatch(html, /<script(?![^>]*\bsrc=)[^>]*>/)

    const assets = assetsOf(html, '/docs')
    t.ok(assets.length >= 5)
    for (const asset of assets) {
      t.ok(asset.startsWith(`${url}/docs/`), asset)
      const part = await fetch(asset)
      t.equal(part.status, 200, asset)
      t.equal(part.headers.get('content-security-policy'), PAGE_POLICY, asset)
      const type = asset.endsWith('.css') ? 'text/css' : asset.endsWith('.js') ? 'javascript' : 'image/png'
      t.match(part.headers.get('content-type'), type, asset)
      t.ok((await part.arrayBuffer()).byteLength > 0, asset)
    }
  })

  t.test('/docs: Swagger UI shows this document, stays authorised and validates nowhere else', async (t) => {
    const script = await (await get('/docs/static/swagger-initializer.js')).text()
    t.match(script, /persistAuthorization/)
    t.match(script, /validatorUrl: null/)
    t.notMatch(script, /petstore|validator\.swagger\.io/)
    t.strictSame(await (await get('/docs/json')).json(), JSON.parse(JSON.stringify(spec.document)))
    t.match(await (await get('/docs/static/theme/docket.css')).text(), /\.swagger-ui/)
  })

  t.test('/docs: the address for tokens is absolute and takes a form', async (t) => {
    const { oauth2 } = spec.document.components.securitySchemes as { oauth2: { flows: { password: { tokenUrl: string } } } }
    const response = await fetch(url + oauth2.flows.password.tokenUrl, {
      method: 'POST',
      headers: { Authorization: 'Basic Og==' },
      body: new URLSearchParams({
        grant_type: 'password',
        username: 'ada',
        password: 'nobody has this',
        scope: '',
        client_id: '',
        client_secret: '',
      }),
    })
    t.equal(response.status, 401)
    t.match(await response.json(), { error: 'invalid_grant' })
  })

  t.test('/redoc: a page whose every part comes from here', async (t) => {
    const response = await get('/redoc')
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    t.equal(response.headers.get('content-security-policy'), `${PAGE_POLICY}; worker-src blob:`)
    const html = await response.text()
    t.match(html, /spec-url="\/openapi\.json"/)
    t.notMatch(html, /<script(?![^>]*\bsrc=)[^>]*>/)
    t.strictSame(assetsOf(html, '/redoc').toSorted(), [`${url}/openapi.json`, `${url}/redoc/redoc.standalone.js`])
  })

  t.test('/redoc/redoc.standalone.js: the script, without the picture that it would fetch from elsewhere', async (t) => {
    const response = await get('/redoc/redoc.standalone.js')
    t.equal(response.status, 200)
    t.equal(response.headers.get('content-type'), 'text/javascript; charset=utf-8')
    const script = await response.text()
    t.ok(script.length > 500_000)
    t.notMatch(script, /cdn\.redoc\.ly/)
  })

  t.test('every page has HEAD, and no page takes a body or another method', async (t) => {
    for (const path of ['/docs', '/docs/static/index.html', '/redoc', '/redoc/redoc.standalone.js', '/openapi.yaml', '/openapi.json']) {
      const head = await fetch(url + path, { method: 'HEAD' })
      t.equal(head.status, 200, path)
      t.equal(Number(head.headers.get('content-length')), (await (await get(path)).arrayBuffer()).byteLength, path)
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
        const response = await fetch(url + path, { method, body: '{}', headers: { 'Content-Type': 'application/json' } })
        t.equal(response.status, 405, `${method} ${path}`)
        t.equal(response.headers.get('allow'), 'GET, HEAD, OPTIONS', path)
        checkProblem(405, response.headers, await response.text())
      }
    }
  })

  t.test('the pages do not change what the API answers', async (t) => {
    t.equal((await as()('getLiveness', { expect: 200 })).headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
  })
})
