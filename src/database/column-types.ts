import pg from 'pg'

const { DATE, INT8, TIMESTAMPTZ } = pg.types.builtins
const TEXT_ARRAY = 1009

/**
 * How column values arrive in the code, by PostgreSQL type: instants and dates as RFC 3339 text (a Date and its toISOString cost thirty times
 * as much as slicing), bigint as number (only counts are bigint here), text[] without a general parser in the usual case.
 */
export const COLUMN_PARSERS: Readonly<Record<number, (text: string) => unknown>> = {
  [TIMESTAMPTZ]: instantFromText,
  [DATE]: (text) => text,
  [INT8]: Number,
  [TEXT_ARRAY]: textArrayFromText,
}

/** `2026-01-31 09:30:00.12+00`, as a session in UTC prints it, as `2026-01-31T09:30:00.120Z`; the keys of undated tasks are infinite. */
function instantFromText(text: string): string {
  if (text.endsWith('infinity')) return text
  const fraction = text.slice(19, -3)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}${fraction === '' ? '.000' : fraction.padEnd(4, '0')}Z`
}

const parseTextArray = pg.types.getTypeParser(TEXT_ARRAY as never, 'text') as (text: string) => string[]

function textArrayFromText(text: string): string[] {
  if (text === '{}') return []
  return text.includes('"') || text.includes('\\') ? parseTextArray(text) : text.slice(1, -1).split(',')
}

/** Columns in text format arrive as the code wants them; the rest as the driver has them. */
export const columnTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && COLUMN_PARSERS[oid]) || pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig
