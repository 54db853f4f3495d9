import t from 'tap'
import { MailTokens } from '../../src/account-mail/tokens.ts'
import { RefreshTokens } from '../../src/auth/refresh-tokens.ts'
import { newId } from '../../src/id.ts'
import { deriveKeys } from '../../src/keys.ts'

const [OLD, NEW] = ['q9Wf3kTz7LxV1mPbR8sYcD2gH5jN6uEa', 'Zm9yIHRlc3RzIG9ubHksIGJ1dCBsb25n']
const CONTENT = { userId: newId(), id: newId(), purpose: 'reset_password' as const }

t.test('mailed tokens', async (t) => {
  const tokens = new MailTokens(deriveKeys([OLD]).mailToken)

  t.test('stand for a row and a purpose, and are the same each time', async (t) => {
    const token = tokens.encode(CONTENT)
    t.match(token, /^[A-Za-z0-9_-]{86}$/)
    t.equal(tokens.encode(CONTENT), token)
    t.same(tokens.decode(token, 'verify_email', 'reset_password'), CONTENT)
    t.equal(tokens.decode(token, 'verify_email', 'change_email'), undefined)
    const others = (['verify_email', 'change_email'] as const).map((purpose) => tokens.encode({ ...CONTENT, purpose }))
    t.equal(new Set([token, ...others]).size, 3)
  })

  t.test('outlive a rotation of the keys until the old one is dropped', async (t) => {
    const token = tokens.encode(CONTENT)
    t.same(new MailTokens(deriveKeys([NEW, OLD]).mailToken).decode(token, 'reset_password'), CONTENT)
    t.equal(new MailTokens(deriveKeys([NEW]).mailToken).decode(token, 'reset_password'), undefined)
  })

  t.test('are no refresh tokens, and the other way round', async (t) => {
    const refreshTokens = new RefreshTokens(deriveKeys([OLD]).refreshToken)
    t.equal(refreshTokens.decode(tokens.encode(CONTENT)), undefined)
    t.equal(tokens.decode(refreshTokens.encode({ userId: CONTENT.userId, sessionId: CONTENT.id, counter: 0 }), 'reset_password'), undefined)
    t.equal(new RefreshTokens(deriveKeys([OLD]).mailToken).decode(tokens.encode(CONTENT)), undefined)
  })
})
