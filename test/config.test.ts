import { availableParallelism } from 'node:os'
import t from 'tap'
import { ConfigError, readConfig } from '../src/config.ts'

const AUTH_SECRET = 'q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa'
const DATABASE_URL = 'postgres://docket:pw@db.example:5432/docket'

type Environment = Record<string, string | undefined>

/** The lines of the message that refuses these settings; none when they are accepted. */
function faultsOf(environment: Environment): string[] {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const [title, ...faults] = error.message.split('\n')
    if (title !== 'The configuration is not valid:') throw error
    return faults.map((fault) => fault.replace('  - ', ''))
  }
}

t.test('config', async (t) => {
  t.test('nothing set: the embedded database, a generated secret, and sensible values', async (t) => {
    t.match(readConfig({}), {
      serverTiming: true,
      host: 'localhost',
      port: 3000,
      corsOrigins: [],
      trustedProxies: [],
      database: { kind: 'embedded', directory: '.docket' },
      auth: {
        secret: undefined,
        requireVerifiedEmail: false,
        accessTokenSeconds: 900,
        refreshIdleSeconds: 30 * 86_400,
        refreshAbsoluteSeconds: 90 * 86_400,
        loginThrottle: { freeFailures: 5, refusalMilliseconds: 1000, slowingMilliseconds: 100 },
        passwordHash: { memoryKibibytes: 19_456, iterations: 2, parallelism: 1, concurrent: Math.min(availableParallelism(), 4) },
      },
      mail: { delivery: { kind: 'log' }, from: 'Docket <docket@localhost>', links: { resetPassword: undefined, verifyEmail: undefined } },
      auditRetentionDays: 400,
      jobs: true,
      rateLimits: { enabled: true, anonymous: 300, user: 1200, register: 30, redisUrl: undefined },
      log: { level: 'info' },
      metrics: undefined,
      tracing: undefined,
    })
    t.same(readConfig({ PORT: '', HOST: '  ', DATABASE_URL: '', AUTH_SECRET: ' ', CORS_ORIGINS: '' }), readConfig({}), 'empty counts as not set')
  })

  t.test('every setting is read', async (t) => {
    const config = readConfig({
      NODE_ENV: 'production',
      HOST: '::',
      PORT: ' 0 ',
      CORS_ORIGINS: 'https://app.example.com, http://localhost:5173,',
      TRUSTED_PROXIES: '10.0.0.0/8,::1, fd00::/8 ,192.0.2.1',
      DATABASE_URL,
      DATABASE_LISTEN_URL: 'postgresql://docket@direct.example/docket',
      DATABASE_POOL_SIZE: '7',
      DATABASE_PIPELINES: '0',
      DATABASE_PREPARED_STATEMENTS: 'false',
      MIGRATE_AT_START: 'false',
      AUTH_SECRET,
      AUTH_PASSWORD_GRANT: 'off',
      ACCESS_TOKEN_SECONDS: '60',
      REFRESH_IDLE_SECONDS: '3600',
      REFRESH_ABSOLUTE_SECONDS: '7200',
      ARGON2_MEMORY_KIB: '65536',
      ARGON2_ITERATIONS: '3',
      ARGON2_PARALLELISM: '4',
      ARGON2_CONCURRENT: '5',
      ARGON2_QUEUED: '0',
      SMTP_URL: 'smtp://docket:pw%40@mail.example:587',
      MAIL_FROM: 'tasks@docket.example',
      RESET_PASSWORD_URL: 'https://app.example.com/reset#{token}',
      VERIFY_EMAIL_URL: 'http://localhost:5173/verify/{token}?from=mail',
      REQUIRE_VERIFIED_EMAIL: 'true',
      AUDIT_RETENTION_DAYS: '30',
      CHANGES_RETENTION_DAYS: '7',
      JOBS: 'off',
      LOGIN_FREE_FAILURES: '7',
      RATE_LIMIT: 'off',
      RATE_LIMIT_ANONYMOUS: '10',
      RATE_LIMIT_USER: '20',
      RATE_LIMIT_REGISTER: '1',
      REDIS_URL: 'rediss://:secret@redis.example:6380/1',
      LOG_LEVEL: 'warn',
      LOG_FORMAT: 'json',
      METRICS_PORT: '9464',
      METRICS_HOST: '0.0.0.0',
      METRICS_TOKEN: 'eight-times-two-or-more',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.example:4318',
      OTEL_SERVICE_NAME: 'docket-blue',
      SHUTDOWN_GRACE_MS: '0',
    })
    t.match(config, {
      serverTiming: false,
      host: '::',
      port: 0,
      corsOrigins: ['https://app.example.com', 'http://localhost:5173'],
      trustedProxies: ['10.0.0.0/8', '::1', 'fd00::/8', '192.0.2.1'],
      database: {
        kind: 'server',
        url: DATABASE_URL,
        listenUrl: 'postgresql://docket@direct.example/docket',
        poolSize: 7,
        pipelines: 0,
        preparedStatements: false,
        migrateAtStart: false,
      },
      auth: {
        secrets: [AUTH_SECRET],
        requireVerifiedEmail: true,
        passwordGrant: false,
        accessTokenSeconds: 60,
        refreshIdleSeconds: 3600,
        refreshAbsoluteSeconds: 7200,
        passwordHash: { memoryKibibytes: 65_536, iterations: 3, parallelism: 4, concurrent: 5, queued: 0 },
        loginThrottle: { freeFailures: 7 },
      },
      mail: {
        delivery: { kind: 'smtp', url: 'smtp://docket:pw%40@mail.example:587' },
        from: 'tasks@docket.example',
        links: { resetPassword: 'https://app.example.com/reset#{token}', verifyEmail: 'http://localhost:5173/verify/{token}?from=mail' },
      },
      auditRetentionDays: 30,
      jobs: false,
      rateLimits: { enabled: false, anonymous: 10, user: 20, register: 1, redisUrl: 'rediss://:secret@redis.example:6380/1' },
      log: { level: 'warn', pretty: false },
      metrics: { host: '0.0.0.0', port: 9464, token: 'eight-times-two-or-more' },
      tracing: { serviceName: 'docket-blue' },
      shutdownGraceMilliseconds: 0,
    })
    t.match(readConfig({ DATABASE_URL, AUTH_SECRET }).database, { listenUrl: DATABASE_URL, poolSize: 8, migrateAtStart: true })
    t.same(readConfig({ DATA_DIR: '/var/lib/docket' }).database, { kind: 'embedded', directory: '/var/lib/docket' })
    t.equal(readConfig({ LOG_FORMAT: 'pretty' }).log.pretty, true)
  })

  t.test('each wrong setting is refused by its name', async (t) => {
    const wrong: Record<string, string[]> = {
      NODE_ENV: ['prod', 'PRODUCTION'],
      PORT: ['-1', '65536', '3000.5', '0x10', '1e3', 'http', '3000 4000', '٣'],
      CORS_ORIGINS: [
        '*',
        'null',
        'app.example.com',
        'https://app.example.com/',
        'https://a.example/path',
        'ftp://a.example',
        'https://*.example.com',
      ],
      TRUSTED_PROXIES: ['true', '1', '*', 'proxy.example', '10.0.0.0/33', '::/129', '10.0.0.0/8/8', '10.0.0/8', '10.0.0.0/', '10.0.0.0/-1'],
      DATABASE_URL: ['mysql://localhost/docket', 'localhost:5432', 'postgres://'],
      DATABASE_LISTEN_URL: ['http://localhost'],
      DATABASE_POOL_SIZE: ['0', '1001', 'ten'],
      DATABASE_PIPELINES: ['-1', '101'],
      DATABASE_PREPARED_STATEMENTS: ['off', '0'],
      MIGRATE_AT_START: ['yes', '1', 'TRUE'],
      ACCESS_TOKEN_SECONDS: ['0', '86401', '15m'],
      REFRESH_IDLE_SECONDS: ['59', '1e9'],
      REFRESH_ABSOLUTE_SECONDS: ['59', '30d'],
      ARGON2_MEMORY_KIB: ['1023', '65537'],
      ARGON2_ITERATIONS: ['0', '11'],
      ARGON2_PARALLELISM: ['0', '17'],
      ARGON2_CONCURRENT: ['0', '129'],
      ARGON2_QUEUED: ['-1', '10001'],
      SMTP_URL: [
        'mail.example',
        'http://mail.example',
        'smtp://',
        'smtp://mail.example/?logger=true',
        'smtp://mail.example/path',
        'smtp://mail.example#x',
        'smtp://docket@mail.example',
        'smtp://:pw@mail.example',
        'smtp://docket:p%w@mail.example',
        'smtp://docket:p w@mail.example',
        'smtp://mail.example:99999',
      ],
      MAIL_FROM: [
        'docket',
        'docket@',
        'a@b.example, c@d.example',
        'Docket docket@b.example',
        'Docket <docket>',
        'Do\r\nBcc: x <a@b.example>',
        '<a@b.example>',
      ],
      RESET_PASSWORD_URL: [
        'app.example.com/{token}',
        'javascript:alert("{token}")',
        'ftp://app.example.com/{token}',
        'https://app.example.com/reset',
        'https://app.example.com/{token}/{token}',
        'https://{token}.example.com/',
        'https://app.example.com{token}',
        'https://app.example.com/ {token}',
        'https://app.example.com/{token} or so',
        'https://app.example.com:99999/{token}',
      ],
      VERIFY_EMAIL_URL: ['https://app.example.com/verify', '/verify?token={token}'],
      REQUIRE_VERIFIED_EMAIL: ['yes', '1'],
      AUDIT_RETENTION_DAYS: ['0', '-1', '36501', '1y'],
      CHANGES_RETENTION_DAYS: ['0', '36501'],
      JOBS: ['true', 'ON', '1'],
      LOGIN_FREE_FAILURES: ['0', '1000001', 'many'],
      RATE_LIMIT: ['false', 'OFF', '0'],
      RATE_LIMIT_ANONYMOUS: ['0', '1000001', '5/s'],
      RATE_LIMIT_USER: ['0', '1000001', '-1'],
      RATE_LIMIT_REGISTER: ['0', '1000001', '1.5'],
      REDIS_URL: ['localhost:6379', 'http://localhost:6379', 'redis://', 'redis://a b', 'redis://localhost:port'],
      LOG_LEVEL: ['verbose', 'INFO'],
      LOG_FORMAT: ['yaml'],
      METRICS_PORT: ['65536', '-1', 'on'],
      METRICS_TOKEN: ['too-short', 'with a space in it'],
      OTEL_EXPORTER_OTLP_ENDPOINT: ['collector:4318', 'grpc://collector:4317', 'http://'],
      SHUTDOWN_GRACE_MS: ['60001', '1s'],
    }
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const faults = faultsOf({ DATABASE_URL, AUTH_SECRET, [name]: value })
        t.equal(faults.length, 1, `${name}=${value}`)
        t.match(faults[0], new RegExp(`^${name} `))
      }
    }
  })

  t.test('one message names all that are wrong', async (t) => {
    const environment = {
      NODE_ENV: 'staging',
      PORT: 'http',
      CORS_ORIGINS: '*,https://fine.example,null',
      TRUSTED_PROXIES: 'true',
      DATABASE_URL: 'localhost',
      DATABASE_LISTEN_URL: 'localhost',
      DATABASE_POOL_SIZE: '0',
      MIGRATE_AT_START: 'maybe',
      ACCESS_TOKEN_SECONDS: '0',
      ARGON2_MEMORY_KIB: '1',
      SMTP_URL: 'mail.example',
      MAIL_FROM: 'docket',
      JOBS: 'maybe',
      LOG_LEVEL: 'loud',
      LOG_FORMAT: 'xml',
      SHUTDOWN_GRACE_MS: '-1',
    }
    const named = faultsOf(environment).map((fault) => fault.split(' ')[0])
    t.same(named.toSorted(), [...Object.keys(environment), 'CORS_ORIGINS', 'AUTH_SECRET'].toSorted())
  })

  t.test('no secret is shown', async (t) => {
    const [url] = faultsOf({ AUTH_SECRET, DATABASE_URL: 'mysql://docket:hunter2hunter2@localhost/docket' })
    t.ok(url)
    t.notMatch(url, 'hunter2')
    const [smtpUrl] = faultsOf({ SMTP_URL: 'smtp://docket:hunter2@mail.example/path' })
    t.ok(smtpUrl)
    t.notMatch(smtpUrl, 'hunter2')
    const [secret] = faultsOf({ AUTH_SECRET: 'tooShortButNotToBeShown' })
    t.ok(secret)
    t.notMatch(secret, 'tooShort')
  })

  t.test('mail without a server is logged on a developer’s own machine alone, where nobody else reads the log', async (t) => {
    const delivery = (environment: Environment) => readConfig({ AUTH_SECRET, ...environment }).mail.delivery.kind
    t.equal(delivery({}), 'log')
    t.equal(delivery({ NODE_ENV: 'test' }), 'log')
    t.equal(delivery({ NODE_ENV: 'production' }), 'none')
    t.equal(delivery({ DATABASE_URL }), 'none')
    t.equal(delivery({ SMTP_URL: 'smtps://mail.example' }), 'smtp')
  })

  t.test('OTEL_SDK_DISABLED: turns tracing off where it would be on', async (t) => {
    t.equal(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', OTEL_SDK_DISABLED: 'true' }).tracing, undefined)
    t.same(readConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318' }).tracing, { serviceName: 'docket' })
  })

  t.test('REQUIRE_VERIFIED_EMAIL: refused where no mail can be sent', async (t) => {
    const REQUIRE_VERIFIED_EMAIL = 'true'
    t.match(faultsOf({ REQUIRE_VERIFIED_EMAIL, DATABASE_URL, AUTH_SECRET }), [/^REQUIRE_VERIFIED_EMAIL needs SMTP_URL/])
    t.match(faultsOf({ REQUIRE_VERIFIED_EMAIL, NODE_ENV: 'production', AUTH_SECRET }), [/^REQUIRE_VERIFIED_EMAIL needs SMTP_URL/])
    t.same(faultsOf({ REQUIRE_VERIFIED_EMAIL, DATABASE_URL, AUTH_SECRET, SMTP_URL: 'smtp://mail.example' }), [])
    t.same(faultsOf({ REQUIRE_VERIFIED_EMAIL }), [])
  })

  t.test('MAIL_FROM: of a real domain where mails are sent in production', async (t) => {
    const production = { NODE_ENV: 'production', AUTH_SECRET }
    const SMTP_URL = 'smtp://mail.example'
    t.match(faultsOf({ ...production, SMTP_URL }), [/^MAIL_FROM must be an address of a real domain/])
    t.same(faultsOf({ ...production, SMTP_URL, MAIL_FROM: 'Docket <docket@docket.example>' }), [])
    t.same(faultsOf({ ...production, SMTP_URL, MAIL_FROM: 'docket@docket.example' }), [])
    t.same(faultsOf(production), [])
    t.same(faultsOf({ SMTP_URL }), [])
  })

  t.test('AUTH_SECRET: must be there in production and beside a server', async (t) => {
    for (const environment of [
      { NODE_ENV: 'production' },
      { DATABASE_URL },
      { NODE_ENV: 'test', DATABASE_URL },
      { NODE_ENV: 'production', DATABASE_URL, AUTH_SECRET: '' },
      { DATABASE_URL, AUTH_SECRET: '   ' },
    ]) {
      t.match(faultsOf(environment), [/^AUTH_SECRET is missing/], JSON.stringify(environment))
      t.same(faultsOf({ ...environment, AUTH_SECRET }), [])
    }
    t.same(faultsOf({ NODE_ENV: 'development' }), [])
  })

  t.test('AUTH_KEYS: a ring of secrets, the one that signs first, each as strong as a single one', async (t) => {
    const older = `${AUTH_SECRET}x`
    t.same(readConfig({ AUTH_KEYS: ` ${AUTH_SECRET} , ${older} ` }).auth.secrets, [AUTH_SECRET, older])
    t.same(readConfig({ AUTH_KEYS: AUTH_SECRET }).auth.secrets, [AUTH_SECRET])
    t.match(faultsOf({ AUTH_KEYS: `${AUTH_SECRET},short` }), [/^AUTH_KEYS is shorter than 32 bytes/])
    t.match(faultsOf({ AUTH_KEYS: `${AUTH_SECRET},${AUTH_SECRET}` }), [/^AUTH_KEYS names a key twice/])
    t.match(faultsOf({ AUTH_KEYS: `${AUTH_SECRET},${older}`, AUTH_SECRET }), [/^AUTH_KEYS and AUTH_SECRET are both set/])
    t.match(faultsOf({ AUTH_KEYS: ' , ', DATABASE_URL }), [/^AUTH_SECRET is missing/])
  })

  t.test('AUTH_SECRET: neither short, nor repetitive, nor out of an example', async (t) => {
    for (const secret of [
      'x',
      AUTH_SECRET.slice(1),
      'a'.repeat(64),
      'abcabcabcabc'.repeat(6),
      '0123456789'.repeat(8),
      `change-me-${AUTH_SECRET}`,
      `${AUTH_SECRET}CHANGEME`,
      'CHANGE-ME-IN-PRODUCTION-0123456789abcdef',
      'your-super-long-and-random-key-1234567890',
      'my-secret-key-with-many-characters-0987654321',
      'correct-Password-battery-staple-0987654321',
      `Docket${AUTH_SECRET}`,
      `example ${AUTH_SECRET}`,
    ]) {
      for (const environment of [{}, { DATABASE_URL }, { NODE_ENV: 'production' }]) {
        t.match(faultsOf({ ...environment, AUTH_SECRET: secret }), [/^AUTH_SECRET /], secret)
      }
    }
    for (const secret of [AUTH_SECRET, `  ${AUTH_SECRET}  `, '3f'.repeat(2) + '0a1b2c4d5e6f7890'.repeat(4), 'äöüßéèêàçñøåÄÖÜ漢']) {
      t.same(faultsOf({ AUTH_SECRET: secret }), [], secret)
    }
  })
})
