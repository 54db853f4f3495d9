const BATCH = 1000

/**
 * Deletes a thousand rows at a time, so that no statement runs long and nobody waits for its locks.
 * @param deleteSome deletes up to so many, and returns how many there were
 * @param signal stops it between two batches
 */
export async function deleteInBatches(deleteSome: (limit: number) => Promise<number>, signal: AbortSignal): Promise<void> {
  for (let deleted = BATCH; deleted === BATCH; deleted = await deleteSome(BATCH)) signal.throwIfAborted()
}
