/** What a mail says, from which both its forms are made. Every text may hold what people chose: it is escaped here. */
export type MailContent = Readonly<{
  subject: string
  heading: string
  paragraphs: readonly string[]
  /** An http or https address that the reader is to open. */
  link?: Readonly<{ label: string; url: string }>
  /** Something short to copy. */
  code?: string
  /** Set in small type below. */
  footer?: string
}>

export type Mail = Readonly<{ to: string; subject: string; text: string; html: string }>

/** The mail that says this, as text and as HTML. */
export function composeMail(to: string, { subject, heading, paragraphs, link, code, footer }: MailContent): Mail {
  if (link !== undefined && !/^https?:\/\//.test(link.url)) throw new Error('A mail links to web pages only.')
  const text = [heading, ...paragraphs, link && `${link.label}: ${link.url}`, code, footer && `-- \n${footer}`]
  const body = [
    `<h1 style="font-size:20px">${escapeHtml(heading)}</h1>`,
    ...paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`),
    link && `<p><a href="${escapeHtml(link.url)}">${escapeHtml(link.label)}</a></p>`,
    code && `<p><code style="font-size:20px">${escapeHtml(code)}</code></p>`,
    footer && `<p style="font-size:13px;color:#555">${escapeHtml(footer)}</p>`,
  ]
  return { to, subject: oneLine(subject), text: `${join(text, '\n\n')}\n`, html: `${HEAD}${join(body, '\n')}\n</body></html>\n` }
}

const HEAD = `<!doctype html>
<html><head><meta charset="utf-8"></head><body style="font-family:sans-serif;font-size:16px;max-width:600px">
`

const join = (parts: readonly (string | undefined)[], separator: string) => parts.filter((part) => part !== undefined && part !== '').join(separator)

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

const escapeHtml = (text: string) => text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? '')

/** A line break in a header would begin another one. */
const oneLine = (text: string) => text.replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
