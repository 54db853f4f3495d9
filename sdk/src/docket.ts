import { Account } from './account.js'
import { Admin } from './admin.js'
import { ApiTokens } from './api-tokens.js'
import { Auth } from './auth.js'
import { Changes } from './changes.js'
import { Health } from './health.js'
import { Lists } from './lists.js'
import { Reminders } from './reminders.js'
import type { Login, Tokens } from './session.js'
import { Sessions } from './sessions.js'
import { Tasks } from './tasks.js'
import { Transport } from './transport.js'
import { Users } from './users.js'
import { Webhooks } from './webhooks.js'

export type DocketOptions = Readonly<{
  /** Where the server is, without `/api/v1`: `https://docket.example.com`. */
  baseUrl: string
  /** The access token to begin with. */
  token?: string | undefined
  /** The refresh token to begin with: it gets the next access token when there is none, or when the one there is has expired. */
  refreshToken?: string | undefined
  /**
   * Called with new tokens, to keep them for the next run, and with undefined when they are of no use any more. The calls that wait for the tokens wait
   * for this as well, so it must not make one itself.
   */
  onTokens?: ((tokens: Tokens | undefined) => void | Promise<void>) | undefined
  /** Instead of the global fetch. */
  fetch?: ((request: Request) => Promise<Response>) | undefined
  /** How often to repeat a call that failed for a passing reason: 2 by default. */
  maxRetries?: number | undefined
  /** Milliseconds that a call may take with all its repetitions: 60,000 by default. */
  timeout?: number | undefined
}> &
  (Login | { readonly username?: never; readonly password?: never; readonly scope?: never })

/** A client of one server, for one person at a time. The groups are the tags of the document, the methods its operations. */
export type Docket = Readonly<{
  auth: Auth
  users: Users
  account: Account
  sessions: Sessions
  apiTokens: ApiTokens
  lists: Lists
  tasks: Tasks
  reminders: Reminders
  changes: Changes
  webhooks: Webhooks
  admin: Admin
  health: Health
}>

/** A client of a server. It sends nothing yet: with a password, it logs in at the first call that needs it. */
export function createDocket(options: DocketOptions): Docket {
  const { baseUrl, token, refreshToken, onTokens, fetch, maxRetries = 2, timeout = 60_000 } = options
  const login = options.username === undefined ? undefined : options
  const transport = new Transport({ baseUrl, fetch, maxRetries, timeout, onTokens }, { token, refreshToken, login })
  return {
    auth: new Auth(transport),
    users: new Users(transport),
    account: new Account(transport),
    sessions: new Sessions(transport),
    apiTokens: new ApiTokens(transport),
    lists: new Lists(transport),
    tasks: new Tasks(transport),
    reminders: new Reminders(transport),
    changes: new Changes(transport),
    webhooks: new Webhooks(transport),
    admin: new Admin(transport),
    health: new Health(transport),
  }
}
