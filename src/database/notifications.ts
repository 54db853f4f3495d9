/**
 * Messages between the instances of the server, for caches that must never serve what was revoked.
 *
 * A message is sent by `pg_notify` in the statement that makes it true, so it goes out with the commit. Two promises make caching safe:
 * an instance may use what it cached only while `isCurrent()`, which is the case while its own heartbeats keep coming back over the channel;
 * and `settle()` resolves only when every listening instance has taken in all messages sent before, or has stopped being current.
 */
export type Notifications = Readonly<{
  isCurrent(): boolean
  /** Calls back with every message, and with undefined when messages may have been lost and nothing cached can be trusted. */
  subscribe(receive: (message: string | undefined) => void): void
  settle(): Promise<void>
  /** Tells all instances, this one included, of what was committed already. Rejects when the message cannot leave: whoever waits for it polls. */
  send(message: string): Promise<void>
  close(): Promise<void>
}>

export const NOTIFICATION_CHANNEL = 'docket'
