import type { WorkerContext } from '../context.ts'
import { SealedBytes } from '../sealed-bytes.ts'
import { listSecretsOfOtherKeys, replaceSealed, type SecretRow } from './queries.ts'
import { sealedAnew } from './secrets.ts'

const BATCH = 100

/** Seals under the current key what is sealed under another, so that nothing needs the others any more. What cannot be opened stays as it is. */
export async function sealAllAnew({ db, keys }: WorkerContext, signal: AbortSignal): Promise<void> {
  let last: SecretRow | undefined
  do {
    signal.throwIfAborted()
    const rows = await listSecretsOfOtherKeys(db, new SealedBytes(keys.webhookSecret).prefix, last, BATCH)
    for (const row of rows) await sealAnew({ db, keys }, row)
    last = rows.at(-1)
  } while (last !== undefined)
}

/** The same for one webhook. */
export async function sealAnew({ db, keys }: Pick<WorkerContext, 'db' | 'keys'>, webhook: SecretRow): Promise<void> {
  const { owner_id: ownerId, id: webhookId } = webhook
  for (const sealed of [webhook.secret, webhook.previous_secret]) {
    const fresh = sealed && sealedAnew(keys.webhookSecret, { ownerId, webhookId }, sealed)
    if (sealed && fresh) await replaceSealed(db, ownerId, webhookId, sealed, fresh)
  }
}
