import t from 'tap'
import { operations } from '../../generated/operations.ts'
import { OPERATIONS } from '../contract/walk.ts'
import { startApp } from '../support/app.ts'
import { openBrowser } from '../support/browser.ts'
import { spec } from '../support/contract-check.ts'
import { overflow, TELEPHONE, visit } from './watched-page.ts'

type Document = {
  info: { description: string }
  tags: { name: string }[]
  paths: Record<string, Record<string, { summary: string }>>
  webhooks: Record<string, { post: { tags: string[]; summary: string } }>
}

/** The headings that the page must have: those of the introduction, then each tag with the summaries of its webhooks and operations. */
function expectedHeadings(): string[] {
  const { info, tags, paths, webhooks } = spec.document as unknown as Document
  const introduction = [...info.description.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  const reference = tags.flatMap(({ name }) => {
    const ids = OPERATIONS.filter((id) => operations[id].tag === name)
    const sent = Object.values(webhooks).filter(({ post }) => post.tags.includes(name))
    return [
      name,
      ...sent.map(({ post }) => post.summary),
      ...ids.map((id) => paths[operations[id].path]?.[operations[id].method.toLowerCase()]?.summary),
    ]
  })
  return [...introduction, ...reference].map(String)
}

t.test('/redoc in a browser', async (t) => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { url } = await startApp(t)

  for (const host of ['localhost', 'docket.test']) {
    t.test(`at http://${host}: every tag and every operation is there, without an error and from nowhere else`, async (t) => {
      const { page, troubles } = await visit(t, browser, `${url.replace('127.0.0.1', host)}/redoc`)
      const entries = page.locator('.menu-content [role="menuitem"]')
      await entries.first().waitFor()
      t.equal(await page.title(), 'Docket')
      t.equal(await page.locator('html').getAttribute('lang'), 'en')

      const headings = await page.locator('.api-content h2').allTextContents()
      t.same(
        // The page marks what is a webhook.
        headings.map((heading) => heading.replace(/\s+Webhook\s*$/, '').trim()),
        expectedHeadings(),
      )
      t.same(await Promise.all((await entries.all()).map((entry) => entry.getAttribute('aria-label'))), expectedHeadings())
      await page.waitForLoadState('networkidle')
      t.same(troubles, [])
    })

    t.test(`at http://${host}: the search finds an operation and leads to it`, async (t) => {
      const { page, troubles } = await visit(t, browser, `${url.replace('127.0.0.1', host)}/redoc`)
      await page.getByRole('textbox', { name: 'Search' }).fill('categories')
      await page.locator('[data-role="search:results"]').getByRole('menuitem', { name: 'List your categories' }).click()
      await page.waitForURL('**/redoc#tag/tasks/operation/listCategories')
      t.same(troubles, [])
    })
  }

  t.test('on a telephone, 390 pixels wide: nothing is wider than the screen', async (t) => {
    const { page, troubles } = await visit(t, browser, `${url}/redoc`, TELEPHONE)
    await page.locator('.api-content h2').first().waitFor()
    t.equal(await overflow(page), 0)
    t.same(troubles, [])
  })
})
