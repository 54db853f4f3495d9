import { isDeepStrictEqual } from 'node:util'
import { type OpenApiDocument, type Schema, SpecError } from './spec.ts'

/**
 * What a difference does to the values that fit: `more values` is a `wider` that adds to an enum; `harmless` is what both a sender and a receiver can bear.
 */
export type Effect = 'narrower' | 'wider' | 'more values' | 'different' | 'harmless'

/** @param path where it is, seen from the schema: `/items/[]/title` */
export type Difference = Readonly<{ path: string; effect: Effect; what: string }>

const COMPONENTS = '#/components/schemas/'

type Judge = (released: unknown, now: unknown) => Effect

const bound =
  (isNarrower: (released: number, now: number) => boolean, wider: Effect): Judge =>
  (released, now) =>
    released === undefined || (now !== undefined && isNarrower(Number(released), Number(now))) ? 'narrower' : wider
const floor = bound((released, now) => now > released, 'wider')
const ceiling = bound((released, now) => now < released, 'wider')
// More of the same: whoever raises what a title may hold raises what its readers get, and no generated client checks lengths. The other bounds stay. A
// number out of its range may not fit the client's type, and a text or a list that may suddenly be empty is a new case.
const length = bound((released, now) => now < released, 'harmless')
const form: Judge = (released, now) => (released === undefined ? 'narrower' : now === undefined ? 'wider' : 'different')
const flag: Judge = (_released, now) => (now === true ? 'narrower' : 'wider')
// Nothing is refused that was not before, but it means something else; to those who only receive it is nothing.
const meaning: Judge = () => 'narrower'
// What generated code calls the values. It does not go over the wire.
const names: Judge = () => 'harmless'

/** What another value of a keyword does. One that is absent allows everything. */
const JUDGES: Readonly<Record<string, Judge>> = {
  ...{ minLength: floor, minimum: floor, minItems: floor, minProperties: floor },
  ...{ maxLength: length, maxItems: length, maximum: ceiling },
  ...{ pattern: form, format: form, uniqueItems: flag, default: meaning, 'x-trim': meaning, 'x-enum-varnames': names },
}

/** The keywords that are compared. */
export const COMPARED_KEYWORDS: readonly string[] = [
  ...Object.keys(JUDGES),
  ...['type', 'enum', 'const', 'anyOf', 'oneOf', 'discriminator', 'items', 'properties', 'required', 'additionalProperties'],
]

/** The keywords that only people read, here and all over the document. */
export const DOCUMENTATION: readonly string[] = ['summary', 'description', 'title', 'example', 'examples', 'deprecated']

/** A schema and the document that its references lead into. */
export type Side = Readonly<{ document: OpenApiDocument; schema: Schema }>

/** Compares two schemas of the keywords above by what fits them. A component and its text, one branch and none, `const` and an enum of one are alike. */
export function differencesOf(released: Side, now: Side): Difference[] {
  return [...compareSchemas(released, now, '', [])]
}

/** @param around the schemas that these are in: a component may hold itself */
function* compareSchemas(released: Side, now: Side, path: string, around: readonly (readonly [Schema, Schema])[]): Generator<Difference> {
  if (around.some(([outer, other]) => outer === released.schema && other === now.schema)) return
  const [component, otherComponent] = [released.schema.$ref, now.schema.$ref].map((reference) => reference?.replace(COMPONENTS, '') ?? 'inline')
  if (component !== otherComponent) yield { path, effect: 'harmless', what: `schema ${component} → ${otherComponent}` }
  const compareInner = (before: Schema, after: Schema, step: string) =>
    compareSchemas({ ...released, schema: before }, { ...now, schema: after }, `${path}/${step}`, [...around, [released.schema, now.schema]])
  for (const [one, other] of pairsOf(alternativesOf(released), alternativesOf(now))) {
    if (other === undefined) yield { path, effect: 'narrower', what: `no longer ${titleOf(one)}` }
    else if (one === undefined) yield { path, effect: VARIANT in other ? 'more values' : 'wider', what: `also ${titleOf(other)}` }
    else if (familyOf(one) !== familyOf(other)) yield { path, effect: 'different', what: `${titleOf(one)} → ${titleOf(other)}` }
    else {
      for (const difference of compareKeywords(one, other)) yield { ...difference, path }
      if (one.items && other.items) yield* compareInner(one.items, other.items, '[]')
      yield* compareFields(one, other, path, compareInner)
    }
  }
}

/** The two are of one type, but that an integer is a number. */
function* compareKeywords(released: Schema, now: Schema): Generator<Omit<Difference, 'path'>> {
  if (released.type !== now.type) yield { effect: now.type === 'integer' ? 'narrower' : 'wider', what: `type ${released.type} → ${now.type}` }
  for (const [keyword, judge] of Object.entries(JUDGES)) {
    const [before, after] = [released[keyword], now[keyword]]
    if (!isDeepStrictEqual(before, after)) yield { effect: judge(before, after), what: `${keyword} ${show(before)} → ${show(after)}` }
  }
  if (Boolean(released.items) !== Boolean(now.items))
    yield { effect: now.items ? 'narrower' : 'wider', what: now.items ? 'only certain items' : 'any items' }

  const [values, others] = [released['enum'] as unknown[] | undefined, now['enum'] as unknown[] | undefined]
  if (values && others) {
    const [removed, added] = [values.filter((value) => !others.includes(value)), others.filter((value) => !values.includes(value))]
    if (removed.length > 0) yield { effect: 'narrower', what: `no longer ${removed.join(', ')}` }
    if (added.length > 0) yield { effect: 'more values', what: `also ${added.join(', ')}` }
  } else if (others) yield { effect: 'narrower', what: `only ${others.join(', ')}` }
  else if (values) yield { effect: 'wider', what: `no longer only ${values.join(', ')}` }
}

function* compareFields(
  released: Schema,
  now: Schema,
  path: string,
  compareInner: (before: Schema, after: Schema, step: string) => Iterable<Difference>,
): Generator<Difference> {
  const { properties: fields = {}, additionalProperties: rest = true } = released
  const { properties: others = {}, additionalProperties: otherRest = true } = now
  const requires = (schema: Schema, name: string) => Boolean((schema['required'] as string[] | undefined)?.includes(name))

  for (const [name, field] of Object.entries(fields)) {
    const [was, is] = [requires(released, name), requires(now, name)]
    const other = others[name]
    if (other === undefined) yield { path: `${path}/${name}`, effect: 'different', what: 'field removed' }
    else {
      if (was !== is) yield { path: `${path}/${name}`, effect: is ? 'narrower' : 'wider', what: is ? 'optional → required' : 'required → optional' }
      yield* compareInner(field, other, name)
    }
  }
  for (const [name, other] of Object.entries(others)) {
    if (fields[name] !== undefined) continue
    const required = requires(now, name)
    yield { path: `${path}/${name}`, effect: required ? 'narrower' : 'harmless', what: required ? 'new required field' : 'new field' }
    // It could be there before, as one of those that have no name.
    if (typeof rest === 'object') yield* compareInner(rest, other, name)
  }
  if (typeof rest === 'object' && typeof otherRest === 'object') yield* compareInner(rest, otherRest, '(any other)')
  else if (rest !== otherRest) {
    const effect = rest === true || otherRest === false ? 'narrower' : 'wider'
    yield { path, effect, what: `additionalProperties ${show(rest)} → ${show(otherRest)}` }
  }
}

/** Marks an alternative of a `oneOf` with the name of its component. */
const VARIANT = Symbol('variant')

/** A schema as alternatives of one type each: `type: [string, "null"]` and `anyOf` say the same in two ways. Those of a `oneOf` keep their names. */
function alternativesOf({ document, schema }: Side): Schema[] {
  const { $ref, anyOf, oneOf, ...rest } = schema
  if (oneOf !== undefined) {
    const { discriminator, ...outer } = rest
    if (discriminator === undefined || oneOf.some((branch) => branch.$ref === undefined))
      throw new SpecError(`A oneOf without a discriminator, or with a branch that is no component, cannot be compared: ${JSON.stringify(schema)}`)
    return oneOf.flatMap((branch) =>
      alternativesOf({ document, schema: merged(branch, outer) }).map((alternative) => ({ ...alternative, [VARIANT]: branch.$ref })),
    )
  }
  if ($ref !== undefined) {
    const component = document.components.schemas[$ref.replace(COMPONENTS, '')]
    if (component === undefined) throw new SpecError(`The reference ${$ref} leads to no schema of the components.`)
    return alternativesOf({ document, schema: merged(component, anyOf ? { ...rest, anyOf } : rest) })
  }
  if (anyOf !== undefined) return anyOf.flatMap((branch) => alternativesOf({ document, schema: merged(branch, rest) }))
  const { type, const: only, ...others } = rest
  if (type === undefined) throw new SpecError(`A schema without a type cannot be compared: ${JSON.stringify(schema)}`)
  const keywords = only === undefined ? others : { ...others, enum: [only] }
  return [type].flat().map((each) => (each === 'null' ? { type: each } : { ...keywords, type: each }))
}

/** Both must hold, which is one schema only as long as no keyword stands in both. */
function merged(inner: Schema, outer: Schema): Schema {
  const twice = Object.keys(outer).find((key) => key in inner && !DOCUMENTATION.includes(key) && !isDeepStrictEqual(inner[key], outer[key]))
  if (twice !== undefined)
    throw new SpecError(`A schema with ${twice} both beside and behind its $ref or anyOf cannot be compared: ${JSON.stringify(outer)}`)
  return { ...inner, ...outer }
}

/** Each alternative with the one that has taken its place: the same, or the most alike, or none if there are fewer. */
function pairsOf(released: readonly Schema[], now: readonly Schema[]): (readonly [Schema | undefined, Schema | undefined])[] {
  const alike: ((one: Schema, other: Schema) => boolean)[] = [
    (one, other) => isDeepStrictEqual(one, other),
    (one, other) => one.type === other.type && one['format'] === other['format'],
    (one, other) => familyOf(one) === familyOf(other),
    () => true,
  ]
  const successors = new Map<Schema, Schema>()
  const free = new Set(now)
  for (const isAlike of alike) {
    for (const one of released) {
      const other = successors.has(one)
        ? undefined
        : [...free].find((candidate) => variantOf(one) === variantOf(candidate) && isAlike(one, candidate))
      if (other === undefined) continue
      successors.set(one, other)
      free.delete(other)
    }
  }
  return [...released.map((one) => [one, successors.get(one)] as const), ...[...free].map((other) => [undefined, other] as const)]
}

const variantOf = (schema: Schema) => (schema as { [VARIANT]?: string })[VARIANT]
const familyOf = ({ type }: Schema) => (type === 'integer' ? 'number' : type)
const show = (value: unknown) => (value === undefined ? 'none' : JSON.stringify(value))
const titleOf = (schema?: Schema) =>
  [(schema && variantOf(schema))?.replace(COMPONENTS, '') ?? schema?.type, schema?.['format']].filter((word) => word !== undefined).join(' ')
