import type { Registry } from '@prometheus-io/client'
import type { LivePrincipal, LivePrincipals } from '../auth/live-principals.ts'
import type { Passwords } from '../auth/passwords.ts'
import type { ChangeFeed } from '../changes/feed.ts'
import type { ChangeStreams } from '../changes/streams.ts'
import type { PolicyName, RateLimitRefusals } from '../http/rate-limits.ts'
import { collectCounter, collectGauge } from './collected.ts'

/** What a server that answers requests has, besides what every process has. */
export type ServerParts = Readonly<{
  passwords: Passwords
  /** By what tokens they stand for. */
  principals: Readonly<Record<'session' | 'api_token', LivePrincipals<LivePrincipal>>>
  feed: ChangeFeed
  streams: ChangeStreams
  rateLimitRefusals: RateLimitRefusals
}>

const POLICIES: readonly PolicyName[] = ['anonymous', 'register', 'user']

export function collectServer(registry: Registry, { passwords, principals, feed, streams, rateLimitRefusals }: ServerParts): void {
  collectGauge(registry, {
    name: 'docket_password_hashes',
    help: 'Password hashes that are computed, and that wait for a place, now.',
    labelNames: ['state'],
    read: () => (['running', 'waiting'] as const).map((state) => [{ state }, passwords.queue[state]]),
  })
  collectCounter(registry, {
    name: 'docket_password_hashes_refused_total',
    help: 'Password hashes that were refused because too many were waiting.',
    read: () => [[{}, passwords.queue.refused]],
  })
  collectCounter(registry, {
    name: 'docket_principal_lookups_total',
    help: 'Authentications by whether the principal was remembered (hit) or looked up in the database (miss).',
    labelNames: ['token', 'result'],
    read: () =>
      Object.entries(principals).flatMap(([token, { lookups }]) => [
        [{ token, result: 'hit' }, lookups.hits],
        [{ token, result: 'miss' }, lookups.misses],
      ]),
  })
  collectGauge(registry, {
    name: 'docket_event_streams',
    help: 'Streams of changes that are open.',
    read: () => [[{}, streams.size]],
  })
  collectCounter(registry, {
    name: 'docket_change_feed_wakings_total',
    help: 'Times that readers of changes were to be woken: by a message, or by asking the log (poll).',
    labelNames: ['by'],
    read: () => [
      [{ by: 'message' }, feed.wakings.messages],
      [{ by: 'poll' }, feed.wakings.polls],
    ],
  })
  collectCounter(registry, {
    name: 'docket_rate_limit_refusals_total',
    help: 'Requests that a policy of the rate limits refused.',
    labelNames: ['policy'],
    read: () => POLICIES.map((policy) => [{ policy }, rateLimitRefusals.of(policy, 'refused')]),
  })
}
