import t from 'tap'
import { announcementMail, tokenMail } from '../../src/account-mail/mails.ts'
import { composeMail } from '../../src/mail/content.ts'

const NO_LINKS = { resetPassword: undefined, verifyEmail: undefined }
const LINKS = { resetPassword: 'https://app.example.com/reset#{token}', verifyEmail: 'https://app.example.com/verify#{token}' }

t.test('mails about accounts', async (t) => {
  t.test('escape the username', async (t) => {
    const name = '<img src=x onerror=alert(1)>'
    const contents = [
      ...(['reset_password', 'verify_email', 'change_email'] as const).map((purpose) => tokenMail(NO_LINKS, purpose, name, 'token')),
      ...(['password changed', 'password reset', 'email changed'] as const).map((what) => announcementMail(what, name)),
    ]
    for (const content of contents) {
      const { html } = composeMail('ada@example.com', content)
      t.notMatch(html, '<img')
      t.match(html, 'Hello &lt;img src=x onerror=alert(1)&gt;,')
    }
  })

  t.test('link to the page for their purpose, or show the token', async (t) => {
    t.match(tokenMail(LINKS, 'reset_password', 'ada', 'abc'), { link: { url: 'https://app.example.com/reset#abc' }, code: undefined })
    t.match(tokenMail(LINKS, 'verify_email', 'ada', 'abc'), { link: { url: 'https://app.example.com/verify#abc' } })
    t.match(tokenMail(LINKS, 'change_email', 'ada', 'abc'), { link: { url: 'https://app.example.com/verify#abc' } })
    t.match(tokenMail(NO_LINKS, 'reset_password', 'ada', 'abc'), { code: 'abc', link: undefined })
  })
})
