import type { MailTokenPurpose } from '../../generated/database.ts'
import type { MailConfig } from '../config.ts'
import type { MailContent } from '../mail/content.ts'
import type { Announcement } from './sending.ts'

const UNASKED = 'If you did not ask for this, you need not do anything: without the link or the token in this mail, nothing changes.'

/** The mail with a token: as a link to the app's own page if the settings name one, otherwise to be entered in the app. */
export function tokenMail(links: MailConfig['links'], purpose: MailTokenPurpose, username: string, token: string): MailContent {
  const page = purpose === 'reset_password' ? links.resetPassword : links.verifyEmail
  const { asked, label, lifetime, ...rest } = TOKEN_MAILS[purpose]
  const way = page === undefined ? 'enter this token in the app' : 'open this link'
  return {
    subject: rest.subject,
    heading: rest.subject,
    paragraphs: [`Hello ${username},`, `${asked} To go on, ${way} within ${lifetime}. It works once.`],
    ...(page === undefined ? { code: token } : { link: { label, url: page.replace('{token}', token) } }),
    footer: rest.footer,
  }
}

const TOKEN_MAILS: Readonly<Record<MailTokenPurpose, Readonly<{ subject: string; asked: string; label: string; lifetime: string; footer: string }>>> =
  {
    reset_password: {
      subject: 'Reset your password',
      asked: 'A new password for your Docket account was asked for.',
      label: 'Set a new password',
      lifetime: '30 minutes',
      footer: UNASKED,
    },
    verify_email: {
      subject: 'Verify your e-mail address',
      asked: 'This address was registered with Docket.',
      label: 'Verify this address',
      lifetime: '24 hours',
      footer: 'If you did not register, ignore this mail: the address stays unverified.',
    },
    change_email: {
      subject: 'Confirm your new e-mail address',
      asked: 'This is to become the address of your Docket account.',
      label: 'Confirm this address',
      lifetime: '24 hours',
      footer: UNASKED,
    },
  }

export function announcementMail(what: Announcement, username: string): MailContent {
  const { subject, done } = ANNOUNCEMENTS[what]
  return { subject, heading: subject, paragraphs: [`Hello ${username},`, done], footer: 'If this was you, you need not do anything.' }
}

const LOST_PASSWORD = 'If it was not you, reset your password at once and look through your sessions and API tokens.'

const ANNOUNCEMENTS: Readonly<Record<Announcement, Readonly<{ subject: string; done: string }>>> = {
  'password changed': {
    subject: 'Your password was changed',
    done: `The password of your Docket account was changed, and all other sessions were ended. ${LOST_PASSWORD}`,
  },
  'password reset': {
    subject: 'Your password was reset',
    done: `The password of your Docket account was reset with a link from a mail, and all sessions were ended. ${LOST_PASSWORD}`,
  },
  'email changed': {
    subject: 'Your e-mail address was changed',
    done:
      'Your Docket account has another e-mail address now; this one does not belong to it any more. ' +
      'If it was not you, log in with your username, change your password and the address; if you cannot, turn to those who run this server.',
  },
}
