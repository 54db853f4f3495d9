import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { OPERATIONS } from '../contract/walk.ts'
import { PASSWORD, startApp } from '../support/app.ts'
import { openBrowser } from '../support/browser.ts'
import { spec } from '../support/contract-check.ts'
import { openDocs } from './docs-page.ts'
import { overflow, TELEPHONE, visit } from './watched-page.ts'

const blockOf = (id: OperationId) => `operations-${operations[id].tag}-${id}`

t.test('/docs in a browser', async (t) => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { url, as, register } = await startApp(t)

  for (const host of ['localhost', 'docket.test']) {
    const base = url.replace('127.0.0.1', host)

    t.test(`at http://${host}: the page and its parts arrive, without an error and from nowhere else`, async (t) => {
      const { page, block, troubles } = await openDocs(t, browser, base)
      await block('createTask').waitFor()
      await page.waitForLoadState('networkidle')
      t.equal(await page.title(), 'Docket')
      t.equal(await page.locator('html').getAttribute('lang'), 'en')
      t.same(troubles, [])
    })

    t.test(`at http://${host}: somebody logs in, and reads and writes what is theirs`, async (t) => {
      const { username } = await register()
      const { logIn, closeDialog, execute, troubles } = await openDocs(t, browser, base)
      t.equal(await logIn(username, PASSWORD), 'Authorized')
      await closeDialog()

      const profile = await execute('getMe')
      t.equal(profile.status, '200')
      t.equal(profile.request.url(), `${base}/api/v1/users/me`)
      t.match(JSON.parse(profile.body), { username })
      const task = await execute('createTask')
      t.equal(task.status, '201')
      const tasks = await execute('listTasks')
      t.equal(tasks.status, '200')
      t.same(JSON.parse(tasks.body).items, [JSON.parse(task.body)])
      t.same(troubles, [])
    })
  }

  t.test('every operation has a block under its tag, and there are no others', async (t) => {
    const { page, block, troubles } = await openDocs(t, browser, url)
    await block('createTask').waitFor()
    const tags = page.locator('.opblock-tag-section')
    const shown: Record<string, (string | null)[]> = {}
    for (const tag of await tags.all()) {
      const blocks = await tag.locator('.opblock').all()
      const name = await tag.locator('.opblock-tag').getAttribute('data-tag')
      shown[String(name)] = await Promise.all(blocks.map((part) => part.getAttribute('id')))
    }
    const described = (spec.document as unknown as { tags: { name: string }[] }).tags
    t.same(
      Object.entries(shown),
      described.map(({ name }) => [name, OPERATIONS.filter((id) => operations[id].tag === name).map(blockOf)]),
    )
    t.equal(Object.values(shown).flat().length, OPERATIONS.length)
    t.same(troubles, [])
  })

  t.test('the links in its text lead to pages and operations that exist', async (t) => {
    const { page, block, troubles } = await openDocs(t, browser, url)
    await block('createTask').waitFor()
    const links = await page.locator('.info a').all()
    const addresses = await Promise.all(links.map(async (link) => new URL(String(await link.getAttribute('href')), page.url())))
    const local = addresses.filter(({ origin }) => origin === url)
    t.ok(local.length > 5)
    for (const { href, hash } of local) {
      t.equal((await fetch(href)).status, 200, href)
      if (hash !== '') t.equal(await page.locator(`[id="${hash.replace('#/', 'operations-').replace('/', '-')}"]`).count(), 1, href)
    }
    t.same(troubles, [])
  })

  t.test('a link to an operation opens it', async (t) => {
    const { page, troubles } = await visit(t, browser, `${url}/docs#/tasks/createTask`)
    await page.locator('[id="operations-tasks-createTask"] .execute').waitFor()
    t.equal(await page.locator('.execute').count(), 1)
    t.same(troubles, [])
  })

  t.test('on a telephone, 390 pixels wide: neither the page nor the dialog is wider than the screen', async (t) => {
    const { page, block, dialog, troubles } = await openDocs(t, browser, url, TELEPHONE)
    await block('createTask').waitFor()
    t.equal(await overflow(page), 0)
    await dialog()
    t.equal(await overflow(page), 0)
    t.same(troubles, [])
  })

  // DOCKET_SCREENSHOT=docs.png npm run test:docs
  const picture = process.env['DOCKET_SCREENSHOT']
  if (picture === undefined) return
  t.test(`the picture for the README: ${picture}`, async (t) => {
    await as()('register', { body: { username: 'ada', email: 'ada@example.com', password: PASSWORD }, expect: 201 })
    const { page, block, logIn, closeDialog, execute } = await openDocs(t, browser, 'http://localhost:3000', {
      servedBy: url,
      viewport: { width: 1000, height: 880 },
      deviceScaleFactor: 1.5,
    })
    await logIn('ada', PASSWORD)
    await closeDialog()
    t.equal((await execute('getMe')).status, '200')
    await page.mouse.move(0, 0)
    await page
      .locator('.opblock-tag-section')
      .filter({ has: block('getMe') })
      .evaluate((section) => section.scrollIntoView())
    const { byteLength } = await page.screenshot({ path: picture, animations: 'disabled' })
    t.ok(byteLength < 150_000, `${byteLength} bytes`)
  })
})
