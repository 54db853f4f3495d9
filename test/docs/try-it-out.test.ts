import t from 'tap'
import { operations } from '../../generated/operations.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { createIds, exampleBodies, isEndless, isForm, OPERATIONS } from '../contract/walk.ts'
import { startApp } from '../support/app.ts'
import { openBrowser } from '../support/browser.ts'
import { checkAnswer, operationOf } from '../support/contract-check.ts'
import { openDocs } from './docs-page.ts'
import { overflow, TELEPHONE } from './watched-page.ts'

/** The tokens of these examples are made up, and can only be refused. */
const REFUSED: Partial<Record<OperationId, number>> = { refresh: 401, resetPassword: 422, verifyEmail: 422 }

/** The one success that an operation documents. */
const successOf = (id: OperationId) => REFUSED[id] ?? Math.min(...operationOf(id).responses.keys())

/** These end what the others need: they come last, in this order. */
const LAST: readonly OperationId[] = ['revokeOtherSessions', 'changePassword', 'logout', 'deleteMe']

/** The bodies that the page offers. Of a form, it shows the fields instead of the examples: they amount to the first one. */
const offeredBy = (id: OperationId) => exampleBodies(id).slice(0, isForm(id) ? 1 : undefined)

/** What was sent. Fields of a form without a value count as absent. */
const read = (id: OperationId, sent: string): unknown =>
  isForm(id) ? Object.fromEntries([...new URLSearchParams(sent)].filter(([, value]) => value !== '')) : JSON.parse(sent)

/** On a telephone, where the page also has to fit, whatever is unfolded and answered. */
t.test('"Try it out" at /docs, with what is shown there', async (t) => {
  const browser = await openBrowser(t)
  if (browser === undefined) return
  const { url, as, context, registerAdmin } = await startApp(t)
  const { page, execute, logIn, logOut, closeDialog, troubles } = await openDocs(t, browser, url, TELEPHONE)

  /** Executes an operation with nothing changed but the ids: the document's answer arrives, and the page shows it. */
  const tryOut = async (id: OperationId, ids: Record<string, string> = {}) => {
    const params = Object.fromEntries(Object.entries(ids).filter(([name]) => operations[id].path.includes(`{${name}}`)))
    const offered = offeredBy(id)
    const check = (title: string, body: unknown, example: { example?: number }) =>
      t.test(title, async (t) => {
        const expected = successOf(id)
        const shown = await execute(id, { params, ...example })
        t.equal(shown.status, String(expected), { answer: shown.body })
        if (body !== undefined) t.same(read(id, shown.request.postData() ?? ''), body)
        const response = await shown.request.response()
        const text = expected === 204 ? '' : String(await response?.text())
        checkAnswer(id, expected, new Headers(await response?.allHeaders()), text)
        if (text !== '') t.same(JSON.parse(shown.body), JSON.parse(text))
        t.equal(await overflow(page), 0)
      })

    if (offered.length < 2) await check(`${id}: ${successOf(id)}`, offered[0], {})
    else for (const [index, body] of offered.entries()) await check(`${id}, example ${index + 1}: ${successOf(id)}`, body, { example: index })
  }

  await tryOut('register')
  const [{ username, password }] = exampleBodies('register') as [{ username: string; password: string }]
  await context.db.updateTable('users').set({ role: 'admin' }).where('username', '=', username).execute()
  const { body: ada } = await as()('login', { body: { username, password }, expect: 200 })
  await logIn(username, password)
  await closeDialog()

  // The page shows an answer when it has ended.
  for (const id of OPERATIONS) if (id !== 'register' && !isEndless(id) && !LAST.includes(id)) await tryOut(id, await createIds(as(ada)))
  // The last admin could not go, and the examples all name the first password.
  await registerAdmin()
  const { password_hash } = await context.db.selectFrom('users').select('password_hash').where('username', '=', username).executeTakeFirstOrThrow()
  for (const id of LAST) {
    await tryOut(id)
    if (id === 'changePassword') await context.db.updateTable('users').set({ password_hash }).where('username', '=', username).execute()
    if (id === 'logout') {
      await logOut()
      await closeDialog()
      await logIn(username, password)
      await closeDialog()
    }
  }
  t.same(troubles, [])
})
