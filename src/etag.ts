/** The strong entity tag (RFC 9110 §8.8.3) of a row: its version, which every change of what a client sees moves on. */
export const etagOf = ({ version }: { version: number }) => `"${version}"`

/** The versions that entity tags name; a tag that is none of ours names no version. */
export const versionsOf = (tags: readonly string[]) => tags.map((tag) => (/^"[1-9]\d{0,8}"$/.test(tag) ? Number(tag.slice(1, -1)) : 0))
