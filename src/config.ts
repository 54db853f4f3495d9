import { isIP } from 'node:net'
import { availableParallelism } from 'node:os'

/** The settings of a process, read once and frozen. Durations are in seconds unless the name says otherwise. */
export type Config = Readonly<{
  /** Whether answers say what they took. */
  serverTiming: boolean
  host: string
  port: number
  /** Origins whose pages may call the API; none by default. */
  corsOrigins: readonly string[]
  /** Addresses (CIDR) of proxies whose X-Forwarded-* headers are believed. */
  trustedProxies: readonly string[]
  database: DatabaseConfig
  auth: AuthConfig
  mail: MailConfig
  /** Networks (CIDR) that webhooks may lead to although they are not the internet; by http and to any port as well. */
  webhookAllowedNetworks: readonly string[]
  /** How long the audit log goes back. */
  auditRetentionDays: number
  /** How long deletions, and changes that were overtaken, are known to who reads changes. */
  changesRetentionDays: number
  /** Whether this process works jobs; it sends them in any case. */
  jobs: boolean
  rateLimits: RateLimitConfig
  log: Readonly<{ level: LogLevel; pretty: boolean }>
  /** Where metrics can be read, away from the API; undefined: nowhere, and none are kept. */
  metrics: MetricsConfig | undefined
  /** How this process is named in traces. Undefined: it sends none. Whereto, how many and how is read by the SDK of OpenTelemetry itself. */
  tracing: Readonly<{ serviceName: string }> | undefined
  /** How long readiness says no before the listener closes, so that a load balancer notices. */
  shutdownGraceMilliseconds: number
}>

export type DatabaseConfig = Readonly<
  | {
      kind: 'embedded' /** Undefined keeps everything in memory. */
      directory: string | undefined
    }
  | {
      kind: 'server'
      url: string
      listenUrl: string
      /** Connections for transactions, and as many again for single writes where there are pipelines. */
      poolSize: number
      /** Connections that pipeline reads beside the pool; 0 sends everything through the pool. */
      pipelines: number
      /** Off behind a PgBouncer before 1.21, which loses the names of statements. */
      preparedStatements: boolean
      migrateAtStart: boolean
    }
>

export type AuthConfig = Readonly<{
  /** The one that signs, then those before it. Undefined only in embedded mode, where one is generated and kept beside the data. */
  secrets: readonly [current: string, ...previous: string[]] | undefined
  /** Whether users may do no more than account things until their address is verified. */
  requireVerifiedEmail: boolean
  /** Whether the token endpoint takes passwords. Without it the Authorize button of the docs cannot log in; login goes on. */
  passwordGrant: boolean
  accessTokenSeconds: number
  refreshIdleSeconds: number
  refreshAbsoluteSeconds: number
  passwordHash: Readonly<{
    memoryKibibytes: number
    iterations: number
    parallelism: number
    concurrent: number
    queued: number
  }>
  loginThrottle: Readonly<{
    /** Wrong passwords of an account from one address that cost nothing; for an address there are 20 times as many. */
    freeFailures: number
    /** How long a refusal waits: an instant one would only make a flood of logins come back faster. */
    refusalMilliseconds: number
    /** How much each further failure of an account slows tries from addresses that it has not logged in from. */
    slowingMilliseconds: number
  }>
}>

export type RateLimitConfig = Readonly<{
  enabled: boolean
  /** Requests a minute of one address without a good token. */
  anonymous: number
  /** Requests a minute of one user. */
  user: number
  /** Registrations an hour of one address. */
  register: number
  /** Where all instances count together; undefined lets each count by itself. */
  redisUrl: string | undefined
}>

export type MetricsConfig = Readonly<{
  host: string
  port: number
  /** What whoever reads them must bring as a bearer token, unless everybody may who reaches the port. */
  token: string | undefined
}>

export type MailConfig = Readonly<{
  /**
   * In embedded mode without a server, mails are logged: the log is on the developer's own machine. In production it is not, and mails hold secrets:
   * there, and beside a database server, none can be sent.
   */
  delivery: Readonly<{ kind: 'smtp'; url: string } | { kind: 'log' } | { kind: 'none' }>
  /** An address, or a name with one: `Docket <docket@example.com>`. */
  from: string
  /** Pages of the app that mails link to, with `{token}` where the token is to stand. Without one the token is to be entered in the app. */
  links: Readonly<{ resetPassword: string | undefined; verifyEmail: string | undefined }>
}>

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Secrets that stand in examples and tutorials: refused, so that a copied file cannot go live. */
const KNOWN_SECRETS = [
  'abcdefgh',
  '01234567',
  '12345678',
  'replace',
  'random',
  'change-me',
  'changeme',
  'secret',
  'password',
  'docket',
  'example',
  'your-',
  'test-secret',
]

const DAY = 86_400
/** Unless it is asked for: each keeps 19 MiB. */
const MOST_HASHES = 4

export class ConfigError extends Error {
  constructor(faults: readonly string[]) {
    super(`The configuration is not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
  }
}

/**
 * Reads every setting from the environment.
 * @throws ConfigError that names every setting that is wrong
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>> = process.env): Config {
  const faults: string[] = []
  const text = (name: string) => environment[name]?.trim() || undefined

  const integer = (name: string, fallback: number, minimum: number, maximum: number) => {
    const value = text(name) ?? String(fallback)
    const number = Number(value)
    if (/^\d{1,15}$/.test(value) && number >= minimum && number <= maximum) return number
    faults.push(`${name} must be a whole number from ${minimum} to ${maximum}, not "${value}"`)
    return fallback
  }
  const oneOf = <T extends string>(name: string, values: readonly T[], fallback: T): T => {
    const value = text(name) ?? fallback
    if ((values as readonly string[]).includes(value)) return value as T
    faults.push(`${name} must be one of ${values.join(', ')}, not "${value}"`)
    return fallback
  }
  const list = (name: string, valid: (item: string) => boolean, what: string) => {
    const items = (text(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '')
    for (const item of items) if (!valid(item)) faults.push(`${name} must list ${what}, separated by commas; "${item}" is none`)
    return items
  }
  const postgresUrl = (name: string) => {
    const value = text(name)
    if (value === undefined || /^postgres(ql)?:\/\/\S+$/.test(value)) return value
    faults.push(`${name} must be a URL like postgres://user:password@host:5432/database`)
    return value
  }

  const redisUrl = () => {
    const value = text('REDIS_URL')
    if (value !== undefined && !(/^rediss?:\/\/\S+$/.test(value) && URL.canParse(value)))
      faults.push('REDIS_URL must be a URL like redis://user:password@host:6379')
    return value
  }

  const metrics = (): MetricsConfig | undefined => {
    const token = text('METRICS_TOKEN')
    if (token !== undefined && !/^[\x21-\x7e]{16,}$/.test(token)) faults.push('METRICS_TOKEN must be 16 characters or more, without spaces')
    const host = text('METRICS_HOST') ?? '127.0.0.1'
    return text('METRICS_PORT') === undefined ? undefined : { host, port: integer('METRICS_PORT', 0, 0, 65_535), token }
  }
  const tracing = () => {
    const endpoint = text('OTEL_EXPORTER_OTLP_ENDPOINT')
    if (endpoint !== undefined && !(/^https?:/.test(endpoint) && URL.canParse(endpoint)))
      faults.push('OTEL_EXPORTER_OTLP_ENDPOINT must be a URL like http://localhost:4318')
    const disabled = text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true'
    const serviceName = text('OTEL_SERVICE_NAME') ?? 'docket'
    return endpoint === undefined || disabled ? undefined : { serviceName }
  }

  const environmentName = oneOf('NODE_ENV', ['development', 'production', 'test'], 'development')
  const production = environmentName === 'production'
  const url = postgresUrl('DATABASE_URL')
  const database: DatabaseConfig =
    url === undefined
      ? { kind: 'embedded', directory: text('DATA_DIR') ?? '.docket' }
      : {
          kind: 'server',
          url,
          listenUrl: postgresUrl('DATABASE_LISTEN_URL') ?? url,
          poolSize: integer('DATABASE_POOL_SIZE', 8, 1, 1000),
          pipelines: integer('DATABASE_PIPELINES', 4, 0, 100),
          preparedStatements: oneOf('DATABASE_PREPARED_STATEMENTS', ['true', 'false'], 'true') === 'true',
          migrateAtStart: oneOf('MIGRATE_AT_START', ['true', 'false'], 'true') === 'true',
        }

  const smtpUrl = text('SMTP_URL')
  if (smtpUrl !== undefined && !isSmtpUrl(smtpUrl)) {
    faults.push('SMTP_URL must be a URL like smtp://user:password@host:587 or smtps://host, with special characters of the password percent-encoded')
  }
  const from = text('MAIL_FROM') ?? 'Docket <docket@localhost>'
  if (!isSender(from)) faults.push('MAIL_FROM must be an address, or a name with one, like Docket <docket@example.com>')
  else if (production && smtpUrl !== undefined && !/@[^@]+\.[^@]+$/.test(from)) {
    faults.push('MAIL_FROM must be an address of a real domain, since mails are sent in production')
  }
  const page = (name: string) => {
    const value = text(name)
    if (value !== undefined && !isPageOfToken(value)) faults.push(`${name} must be the URL of a page, with {token} in its path, query or fragment`)
    return value
  }
  const mail: MailConfig = {
    delivery: smtpUrl !== undefined ? { kind: 'smtp', url: smtpUrl } : { kind: url === undefined && !production ? 'log' : 'none' },
    from,
    links: { resetPassword: page('RESET_PASSWORD_URL'), verifyEmail: page('VERIFY_EMAIL_URL') },
  }
  const requireVerifiedEmail = oneOf('REQUIRE_VERIFIED_EMAIL', ['true', 'false'], 'false') === 'true'
  if (requireVerifiedEmail && mail.delivery.kind === 'none') {
    faults.push('REQUIRE_VERIFIED_EMAIL needs SMTP_URL: without mail nobody could verify an address')
  }

  // A single secret is a ring of one.
  const ringName = text('AUTH_KEYS') === undefined ? 'AUTH_SECRET' : 'AUTH_KEYS'
  const [secret, ...previous] = ringName === 'AUTH_KEYS' ? list(ringName, () => true, 'secrets') : [text(ringName)]
  if (ringName === 'AUTH_KEYS' && text('AUTH_SECRET') !== undefined)
    faults.push('AUTH_KEYS and AUTH_SECRET are both set: put the secret among the keys')
  if (secret === undefined && (url !== undefined || production)) {
    faults.push('AUTH_SECRET is missing: set it to 32 random bytes or more, for instance the output of "openssl rand -base64 48"')
  }
  const ring = secret === undefined ? undefined : ([secret, ...previous.filter((older) => older !== undefined)] as const)
  for (const weakness of new Set(ring?.map(weaknessOf))) {
    if (weakness !== undefined) faults.push(`${ringName} ${weakness}: use the output of "openssl rand -base64 48"`)
  }
  if (ring !== undefined && new Set(ring).size < ring.length) faults.push('AUTH_KEYS names a key twice')

  const config: Config = {
    serverTiming: environmentName === 'development',
    host: text('HOST') ?? 'localhost',
    port: integer('PORT', 3000, 0, 65_535),
    corsOrigins: list('CORS_ORIGINS', isOrigin, 'origins like https://app.example.com'),
    trustedProxies: list('TRUSTED_PROXIES', isAddressRange, 'addresses or CIDR ranges'),
    database,
    auth: {
      secrets: ring,
      requireVerifiedEmail,
      passwordGrant: oneOf('AUTH_PASSWORD_GRANT', ['on', 'off'], 'on') === 'on',
      accessTokenSeconds: integer('ACCESS_TOKEN_SECONDS', 900, 1, DAY),
      refreshIdleSeconds: integer('REFRESH_IDLE_SECONDS', 30 * DAY, 60, 3650 * DAY),
      refreshAbsoluteSeconds: integer('REFRESH_ABSOLUTE_SECONDS', 90 * DAY, 60, 3650 * DAY),
      passwordHash: {
        memoryKibibytes: integer('ARGON2_MEMORY_KIB', 19_456, 1024, 65_536),
        iterations: integer('ARGON2_ITERATIONS', 2, 1, 10),
        parallelism: integer('ARGON2_PARALLELISM', 1, 1, 16),
        concurrent: integer('ARGON2_CONCURRENT', Math.min(availableParallelism(), MOST_HASHES), 1, 128),
        queued: integer('ARGON2_QUEUED', 64, 0, 10_000),
      },
      loginThrottle: {
        freeFailures: integer('LOGIN_FREE_FAILURES', 5, 1, 1_000_000),
        refusalMilliseconds: 1000,
        slowingMilliseconds: 100,
      },
    },
    rateLimits: {
      enabled: oneOf('RATE_LIMIT', ['on', 'off'], 'on') === 'on',
      anonymous: integer('RATE_LIMIT_ANONYMOUS', 300, 1, 1_000_000),
      user: integer('RATE_LIMIT_USER', 1200, 1, 1_000_000),
      register: integer('RATE_LIMIT_REGISTER', 30, 1, 1_000_000),
      redisUrl: redisUrl(),
    },
    mail,
    webhookAllowedNetworks: list('WEBHOOK_ALLOWED_NETWORKS', isAddressRange, 'addresses or CIDR ranges'),
    auditRetentionDays: integer('AUDIT_RETENTION_DAYS', 400, 1, 36_500),
    changesRetentionDays: integer('CHANGES_RETENTION_DAYS', 30, 1, 36_500),
    jobs: oneOf('JOBS', ['on', 'off'], 'on') === 'on',
    log: {
      level: oneOf('LOG_LEVEL', LOG_LEVELS, 'info'),
      pretty: oneOf('LOG_FORMAT', ['auto', 'json', 'pretty'], 'auto') === 'auto' ? process.stdout.isTTY === true : text('LOG_FORMAT') === 'pretty',
    },
    metrics: metrics(),
    tracing: tracing(),
    shutdownGraceMilliseconds: integer('SHUTDOWN_GRACE_MS', 1000, 0, 5000),
  }
  if (faults.length > 0) throw new ConfigError(faults)
  return config
}

function weaknessOf(secret: string): string | undefined {
  if (Buffer.byteLength(secret) < 32) return 'is shorter than 32 bytes'
  if (new Set(secret).size < 12) return 'repeats too few characters to be random'
  const known = KNOWN_SECRETS.find((word) => secret.toLowerCase().includes(word))
  return known === undefined ? undefined : `contains "${known}", which is no secret`
}

/** Without a path or a query, which could turn other options of the transport on. */
function isSmtpUrl(value: string): boolean {
  if (!/^smtps?:\/\/[^\s/?#]+\/?$/.test(value) || !URL.canParse(value)) return false
  const { username, password, hostname } = new URL(value)
  return hostname !== '' && (username !== '') === (password !== '') && isPercentEncoded(username) && isPercentEncoded(password)
}

function isPercentEncoded(value: string): boolean {
  try {
    return decodeURIComponent(value) !== undefined
  } catch {
    return false
  }
}

const isSender = (value: string) => /^(?:[^<>@",;:\p{Cc}]{1,100} <([^\s<>@,;:"]+@[^\s<>@,;:"]+)>|[^\s<>@,;:"]+@[^\s<>@,;:"]+)$/u.test(value)

/** The token replaces a part of what comes after the host, once. */
function isPageOfToken(value: string): boolean {
  const [before, after, ...more] = value.split('{token}')
  return /^https?:\/\/[^\s/?#]+[/?#]\S*$/.test(before ?? '') && after !== undefined && !/\s/.test(after) && more.length === 0 && URL.canParse(value)
}

/** Compared as it stands: an asterisk would match nothing. */
function isOrigin(value: string): boolean {
  return URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).origin === value && !value.includes('*')
}

function isAddressRange(value: string): boolean {
  const [address = '', bits, ...rest] = value.split('/')
  const family = isIP(address)
  return family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
}
