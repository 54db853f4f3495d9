/**
 * What the same work costs without a framework, a contract or a query builder: node:http and pg with named statements, JSON written by hand, no
 * validation, no log, no limits. It is no server to use: it is what Docket is measured against. Same SQL, same answers (main.ts compares them).
 */
import { createHmac, randomBytes, randomUUIDv7 } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { verify } from 'argon2'
import pg from 'pg'

const { DATABASE_URL, HOST, PORT, AUTH_SECRET = '' } = process.env

/** `2026-01-31 09:30:00.5+00` as RFC 3339 with milliseconds. */
const instant = (text: string) => `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.length > 22 ? text.slice(20, -3).padEnd(3, '0') : '000'}Z`
const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    oid === 1184 ? instant : oid === 1082 ? (text: string) => text : pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10, types, options: '-c timezone=UTC' })

type Row = (string | number | string[] | null)[]
const COLUMNS = 'id, list_id, title, description, completed_at, priority, categories, due_on, due_at, time_zone, version, created_at, updated_at'

const STATEMENTS = {
  task: `select ${COLUMNS} from tasks where owner_id = $1 and id = $2`,
  list: `select ${COLUMNS} from tasks where owner_id = $1 and list_id = $2 order by id desc limit 21`,
  listAfter: `select ${COLUMNS} from tasks where owner_id = $1 and list_id = $2 and id < $3 order by id desc limit 21`,
  list100: `select ${COLUMNS} from tasks where owner_id = $1 and list_id = $2 order by id desc limit 101`,
  list100After: `select ${COLUMNS} from tasks where owner_id = $1 and list_id = $2 and id < $3 order by id desc limit 101`,
  filtered: `select ${COLUMNS} from tasks where owner_id = $1 and completed = false and priority = any($2::text[]::task_priority[]) and coalesce(due_at, 'infinity') < 'infinity' order by coalesce(due_at, 'infinity'), id limit 21`,
  near: `select ${COLUMNS} from (select ${COLUMNS}, search from tasks where owner_id = $1 order by id desc limit 2500) tasks where search @@ (select search_query($2)) order by id desc limit 21`,
  search: `select ${COLUMNS} from (select * from tasks where owned_words(owner_id, search) @@ (select owned_query($1, $2)) offset 0) tasks where owner_id = $1 and search @@ (select search_query($2)) order by id desc limit 21`,
  insert: `insert into tasks (owner_id, id, list_id, title, description, priority, categories, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $8) returning ${COLUMNS}`,
  update: `update tasks set title = $3, priority = $4, updated_at = $5, version = version + 1 where owner_id = $1 and id = $2 returning ${COLUMNS}`,
  user: 'select id, password_hash, email, username, role, time_zone, created_at from users where lower(username) = lower($1)',
  session: `insert into sessions (user_id, id, scopes, idle_expires_at, expires_at) values ($1, $2, '{}', now() + interval '30 days', now() + interval '90 days')`,
} as const

async function run(name: keyof typeof STATEMENTS, values: unknown[]): Promise<Row[]> {
  return (await pool.query<Row>({ name, text: STATEMENTS[name], values, rowMode: 'array' })).rows
}

const text = (value: unknown) => (value === null ? 'null' : JSON.stringify(value))
const plain = (value: unknown) => (value === null ? 'null' : `"${value}"`)

function taskJson([id, listId, title, description, completedAt, priority, categories, dueOn, dueAt, timeZone, , createdAt, updatedAt]: Row): string {
  return `{"id":"${id}","listId":"${listId}","title":${text(title)},"description":${text(description)},"completed":${completedAt !== null},"completedAt":${plain(completedAt)},"priority":"${priority}","categories":${JSON.stringify(categories)},"dueDate":${plain(dueOn ?? dueAt)},"dueAt":${plain(dueAt)},"timeZone":${plain(timeZone)},"createdAt":"${createdAt}","updatedAt":"${updatedAt}"}`
}

function send(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': Buffer.byteLength(body), ...headers })
  response.end(body)
}

function sendTask(request: IncomingMessage, response: ServerResponse, status: number, row: Row | undefined): void {
  if (row === undefined) return void send(response, 404, '{"code":"NOT_FOUND"}')
  const tag = `"${row[10]}"`
  if (request.headers['if-none-match'] === tag) {
    response.writeHead(304, { ETag: tag })
    return void response.end()
  }
  send(response, status, taskJson(row), { ETag: tag })
}

function sendPage(response: ServerResponse, url: string, rows: Row[], limit: number): void {
  const more = rows.length > limit
  if (more) rows.length = limit
  const cursor = more ? String(rows.at(-1)?.[0]) : null
  const headers = cursor === null ? {} : { Link: `<${url}&cursor=${cursor}>; rel="next"` }
  send(response, 200, `{"items":[${rows.map(taskJson).join()}],"nextCursor":${plain(cursor)}}`, headers)
}

/** HS256, as Docket signs; verified once, then remembered until it expires. */
const verified = new Map<string, { userId: string; expiresAt: number }>()
const hmac = (content: string) => createHmac('sha256', AUTH_SECRET).update(content).digest('base64url')

function sign(userId: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const content = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: userId, exp: Math.floor(Date.now() / 1000) + 900 })}`
  return `${content}.${hmac(content)}`
}

function userOf(request: IncomingMessage): string | undefined {
  const token = request.headers.authorization?.slice('Bearer '.length) ?? ''
  let known = verified.get(token)
  if (known === undefined) {
    const [head, body = '', signature] = token.split('.')
    if (hmac(`${head}.${body}`) !== signature) return undefined
    const { sub, exp } = JSON.parse(Buffer.from(body, 'base64url').toString()) as { sub: string; exp: number }
    known = { userId: sub, expiresAt: exp * 1000 }
    verified.set(token, known)
  }
  return known.expiresAt > Date.now() ? known.userId : undefined
}

function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => resolve(JSON.parse(Buffer.concat(parts).toString())))
    request.on('error', reject)
  })
}

async function logIn(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { username, password = '' } = await bodyOf(request)
  const [row] = await run('user', [username])
  if (row === undefined || !(await verify(String(row[1]), password))) return send(response, 401, '{"code":"INVALID_CREDENTIALS"}')
  const id = String(row[0])
  await run('session', [id, randomUUIDv7()])
  send(response, 200, `{"user":{"id":"${id}"},"accessToken":"${sign(id)}","refreshToken":"${randomBytes(32).toString('base64url')}"}`)
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request
  const [path = '', search = ''] = url.slice('/api/v1'.length).split('?')
  if (path === '/health') return send(response, 200, '{"status":"ok"}')
  if (path === '/auth/login') return logIn(request, response)
  const userId = userOf(request)
  if (userId === undefined) return send(response, 401, '{"code":"UNAUTHENTICATED"}')
  const [, resource, id, nested] = path.split('/')
  if (resource === 'tasks' && id !== undefined && method === 'GET') return sendTask(request, response, 200, (await run('task', [userId, id]))[0])
  if (resource === 'tasks' && id !== undefined && method === 'PATCH') {
    const { title, priority } = await bodyOf(request)
    return sendTask(request, response, 200, (await run('update', [userId, id, title, priority, new Date().toISOString()]))[0])
  }
  if (nested === 'tasks' && method === 'POST') {
    const { title, description = null, priority } = await bodyOf(request)
    const [row] = await run('insert', [userId, randomUUIDv7(), id, title, description, priority, [], new Date().toISOString()])
    return sendTask(request, response, 201, row)
  }
  const query = new URLSearchParams(search)
  const cursor = query.get('cursor')
  const limit = Number(query.get('limit') ?? 50)
  if (nested === 'tasks') {
    const statement = limit === 100 ? (cursor === null ? 'list100' : 'list100After') : cursor === null ? 'list' : 'listAfter'
    return sendPage(response, url, await run(statement, cursor === null ? [userId, id] : [userId, id, cursor]), limit)
  }
  const q = query.get('q')
  if (q !== null) {
    const near = await run('near', [userId, q])
    return sendPage(response, url, near.length > limit ? near : await run('search', [userId, q]), limit)
  }
  sendPage(response, url, await run('filtered', [userId, query.getAll('priority')]), limit)
}

createServer((request, response) => {
  answer(request, response).catch((error) => send(response, 500, JSON.stringify({ code: 'INTERNAL', detail: String(error) })))
}).listen(Number(PORT), HOST)
