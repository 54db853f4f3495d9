/** For jobs that send a mail: ten tries in about a day, the first pause two to four minutes, as greylisting servers like it. Seconds. */
export const MAIL_POLICY = { tries: 10, firstPause: 120, longestPause: 28_800, timeout: 60 } as const
