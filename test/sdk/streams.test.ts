import t from 'tap'
import { problem, scripted } from './fetches.ts'
import { installSdk } from './installed.ts'

const events = (...frames: readonly string[]) =>
  new Response(frames.map((frame) => `${frame}\n\n`).join(''), { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } })
const change = (cursor: string, title: string) =>
  `id: ${cursor}\nevent: task.created\ndata: ${JSON.stringify({ type: 'task.created', state: { title } })}`

t.test('changes.stream', async (t) => {
  const { sdk } = await installSdk(t)
  const docketOf = (wire: ReturnType<typeof scripted>) => sdk.createDocket({ baseUrl: 'http://docket.test', token: 'token', fetch: wire.fetch })

  t.test('goes on behind the last change after an end, a break and a refusal that passes', async (t) => {
    const wire = scripted(
      () => events('retry: 1', 'id: c0', ': heartbeat', change('c1', 'one')),
      () => new Error('the connection broke'),
      () => problem(503, 'UNAVAILABLE'),
      () => events(change('c2', 'two'), 'retry: 1'),
      () => events(change('c3', 'three')),
    )
    const stream = docketOf(wire).changes.stream({ cursor: 'begin' })
    const titles = []
    for await (const { state } of stream) {
      titles.push(state !== null && 'title' in state ? state.title : undefined)
      if (titles.length === 3) break
    }
    t.same(titles, ['one', 'two', 'three'])
    t.equal(stream.cursor, 'c3')
    t.same(
      wire.requests.map(({ headers }) => headers.get('last-event-id')),
      ['begin', 'c1', 'c1', 'c1', 'c2'],
    )
  })

  t.test('loses no change for what is in its text', async (t) => {
    const titles = ['with \u2028 and \u2029', 'a: b', ' x ', 'id: y']
    const wire = scripted(() => events(...titles.map((title, index) => change(`c${index}`, title))))
    const seen = []
    for await (const { state } of docketOf(wire).changes.stream()) {
      seen.push(state !== null && 'title' in state ? state.title : undefined)
      if (seen.length === titles.length) break
    }
    t.same(seen, titles)
  })

  t.test('ends with what does not pass', async (t) => {
    const first = (wire: ReturnType<typeof scripted>, cursor?: string) => docketOf(wire).changes.stream({ cursor })[Symbol.asyncIterator]().next()
    await t.rejects(first(scripted(() => problem(410, 'CURSOR_EXPIRED'))), { code: 'CURSOR_EXPIRED' })
    await t.rejects(first(scripted(() => new Response('<html>', { headers: { 'Content-Type': 'text/html' } }))), { name: 'DocketError' })
    const unsent = scripted(() => events())
    await t.rejects(first(unsent, 'a\nb'), { name: 'TypeError' })
    t.same(unsent.requests, [])
  })
})
