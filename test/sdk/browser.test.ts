import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { PASSWORD, startApp } from '../support/app.ts'
import { openBrowser } from '../support/browser.ts'
import { freePort } from '../support/postgres.ts'
import { installSdk, SDK, type Sdk } from './installed.ts'
import { OUTCOME, story } from './story.ts'

/** Serves the files of a folder, and pages given as texts, on a port and so an origin of its own. */
async function serveFiles(t: Test, folder: string, port: number, pages: Readonly<Record<string, string>>): Promise<string> {
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    const file = path.join(folder, url)
    const content = pages[url] ?? (existsSync(file) ? readFileSync(file) : undefined)
    if (content === undefined) return response.writeHead(404).end()
    return response.writeHead(200, { 'Content-Type': url.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8' }).end(content)
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${port}`
}

t.test('the story of a program, in a browser', async (t) => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { folder } = await installSdk(t)
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const { url, as } = await startApp(t, { CORS_ORIGINS: origin })
  const [, manual = ''] = /^```html\n(.*?)^```$/ms.exec(readFileSync(path.join(SDK, 'README.md'), 'utf8')) ?? []
  await serveFiles(t, folder, port, {
    '/': '<!doctype html><title>Docket</title>',
    '/story.js': `export const story = ${story}`,
    '/manual': manual.replaceAll('http://localhost:3000', url),
  })
  const open = async (path: string): Promise<Page> => {
    const page = await browser.newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(origin + path)
    return page
  }

  t.test('comes out as in Node.js, from another origin', async (t) => {
    const page = await open('/')
    const outcome = await page.evaluate(
      async ([baseUrl, nowhere]) => {
        const load = (path: string) => import(path)
        const sdk: Sdk = await load('/node_modules/@docket/client/dist/index.js')
        return (await load('/story.js')).story(sdk, baseUrl, nowhere)
      },
      [url, `http://127.0.0.1:${await freePort()}`],
    )
    t.strictSame(outcome, OUTCOME)
  })

  t.test('logs in without a preflight', async (t) => {
    const username = 'grace'
    await as()('register', { body: { username, email: 'grace@example.com', password: PASSWORD }, expect: 201 })
    const page = await open('/')
    const methods: string[] = []
    const devTools = await page.context().newCDPSession(page)
    await devTools.send('Network.enable')
    devTools.on('Network.requestWillBeSent', ({ request }) => methods.push(`${request.method} ${new URL(request.url).pathname}`))
    const id = await page.evaluate(
      async ([baseUrl = '', username = '', password = '']) => {
        const load = (path: string) => import(path)
        const { createDocket }: Sdk = await load('/node_modules/@docket/client/dist/index.js')
        return (await createDocket({ baseUrl, username, password }).users.getMe()).username
      },
      [url, username, PASSWORD],
    )
    t.equal(id, username)
    const api = methods.filter((method) => method.includes('/api/'))
    t.notOk(api.includes('OPTIONS /api/v1/auth/token'), api.join(', '))
    t.ok(api.includes('POST /api/v1/auth/token') && api.includes('OPTIONS /api/v1/users/me'), api.join(', '))
  })

  t.test('the page of the manual works', async (t) => {
    await as()('register', { body: { username: 'ada', email: 'ada@example.com', password: PASSWORD }, expect: 201 })
    const page = await open('/manual')
    await page.getByText('Hello ada').waitFor()
    t.equal(await page.textContent('body'), 'Hello ada')
  })
})
