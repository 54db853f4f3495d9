/** A date-time of RFC 3339 in UTC with milliseconds; §5.6 allows lower-case letters. */
export const instantOf = (dateTime: string) => new Date(dateTime.toUpperCase()).toISOString()
