import { accountHandlers } from './account/handlers.ts'
import { adminHandlers } from './admin/handlers.ts'
import { apiTokenHandlers } from './api-tokens/handlers.ts'
import type { ApiTokens } from './api-tokens/tokens.ts'
import { authHandlers } from './auth/handlers.ts'
import type { Identity } from './auth/identity.ts'
import { changeHandlers } from './changes/handlers.ts'
import type { ChangeStreams } from './changes/streams.ts'
import { type Context, reserved } from './context.ts'
import type { Handlers } from './contract/types.ts'
import { healthHandlers } from './health/handlers.ts'
import { listHandlers } from './lists/handlers.ts'
import { reminderHandlers } from './reminders/handlers.ts'
import { sessionHandlers } from './sessions/handlers.ts'
import { taskHandlers } from './tasks/handlers.ts'
import { userHandlers } from './users/handlers.ts'
import { webhookHandlers } from './webhooks/handlers.ts'

/**
 * Every operation of openapi.yaml with its handler: one that is missing does not compile. They are made anew for each request with an Idempotency-Key, over
 * its transaction: what they keep, or are told of, belongs to what is made once for each server (src/app.ts).
 */
export const createHandlers = (context: Context, identity: Identity, apiTokens: ApiTokens, streams: ChangeStreams): Handlers => ({
  ...authHandlers(reserved(context), identity),
  ...userHandlers(context),
  ...accountHandlers(context, identity),
  ...sessionHandlers(reserved(context), identity),
  ...apiTokenHandlers(context, identity, apiTokens),
  ...listHandlers(context),
  ...taskHandlers(context),
  ...reminderHandlers(context),
  ...changeHandlers(context, streams),
  ...webhookHandlers(context),
  ...adminHandlers(context, identity),
  ...healthHandlers(reserved(context)),
})
