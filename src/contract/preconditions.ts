/** One entity tag of a list (RFC 9110 §8.8.3): its weakness and its opaque part, with the quotes. */
const ENTITY_TAG = /(W\/)?("[\x21\x23-\x7e]*")/g

/** The tags that a change may go ahead with: those of `If-Match` but the weak ones, which never match (RFC 9110 §13.1.1). Undefined allows any. */
export function strongTags(header: string | undefined): string[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  return [...header.matchAll(ENTITY_TAG)].flatMap(([, weak, tag]) => (weak === undefined && tag !== undefined ? [tag] : []))
}

/** Whether `If-None-Match` names this tag, weak or not (RFC 9110 §13.1.2). */
export function namesTag(header: string, tag: string): boolean {
  return header === tag || header.trim() === '*' || [...header.matchAll(ENTITY_TAG)].some(([, , candidate]) => candidate === tag)
}
