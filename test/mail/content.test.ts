import t from 'tap'
import { composeMail } from '../../src/mail/content.ts'

const PLAIN = { subject: 'Hello', heading: 'Hello', paragraphs: [] }

t.test('a mail says the same as text and as HTML', async (t) => {
  const mail = composeMail('ada@example.com', {
    subject: 'Reset your password',
    heading: 'Hello Ada',
    paragraphs: ['Somebody asked for this.', 'It may have been you.'],
    link: { label: 'Choose a new password', url: 'https://docket.example/reset?token=a&b=c' },
    code: '123 456',
    footer: 'Docket',
  })
  t.equal(mail.to, 'ada@example.com')
  t.equal(mail.subject, 'Reset your password')
  t.equal(
    mail.text,
    `Hello Ada

Somebody asked for this.

It may have been you.

Choose a new password: https://docket.example/reset?token=a&b=c

123 456

-- 
Docket
`,
  )
  for (const line of [
    '<h1 style="font-size:20px">Hello Ada</h1>',
    '<p>Somebody asked for this.</p>',
    '<p><a href="https://docket.example/reset?token=a&amp;b=c">Choose a new password</a></p>',
    '<p><code style="font-size:20px">123 456</code></p>',
  ]) {
    t.ok(mail.html.includes(line), line)
  }
})

t.test('what people chose is escaped wherever it stands in the HTML', async (t) => {
  const evil = `"><img src=x onerror='alert(1)'>&amp;`
  const { html, text } = composeMail('ada@example.com', {
    subject: evil,
    heading: evil,
    paragraphs: [evil],
    link: { label: evil, url: `https://docket.example/${evil}` },
    code: evil,
    footer: evil,
  })
  t.equal(html.split('&quot;&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;amp;').length, 7)
  t.notMatch(html, '<img')
  t.equal(text.split(evil).length, 7, 'and stands in the text as it is')
})

t.test('a subject is one line', async (t) => {
  for (const lineBreak of ['\r\n', '\n', '\r', '\u2028', '\u2029', '\u0085', '\0', '\r\n\r\n']) {
    t.equal(
      composeMail('ada@example.com', { ...PLAIN, subject: `Buy milk${lineBreak}Bcc: eve@example.com` }).subject,
      'Buy milk Bcc: eve@example.com',
    )
  }
})

t.test('a link leads to a web page', async (t) => {
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//example.com', 'ftp://example.com', ' https://example.com']) {
    t.throws(() => composeMail('ada@example.com', { ...PLAIN, link: { label: 'Open', url } }), { message: /web pages only/ }, url)
  }
})
