import { adminHandlers } from './admin/handlers.ts'
import { authHandlers } from './auth/handlers.ts'
import type { Identity } from './auth/identity.ts'
import { type Context, reserved } from './context.ts'
import type { Handlers } from './contract/types.ts'
import { healthHandlers } from './health/handlers.ts'
import { listHandlers } from './lists/handlers.ts'
import { taskHandlers } from './tasks/handlers.ts'
import { userHandlers } from './users/handlers.ts'

/** Every operation of openapi.yaml with its handler: one that is missing does not compile. */
export const createHandlers = (context: Context, identity: Identity): Handlers => ({
  ...authHandlers(reserved(context), identity),
  ...userHandlers(reserved(context)),
  ...listHandlers(context),
  ...taskHandlers(context),
  ...adminHandlers(context),
  ...healthHandlers(reserved(context)),
})
