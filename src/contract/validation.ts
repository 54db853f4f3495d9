import { Ajv2020 as Ajv, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import { type InvalidField, invalid, type Problem, pointerTo } from '../problem.ts'
import { FORMATS } from './formats.ts'
import { LazyValues } from './lazy.ts'
import { innerSchemas, type OpenApiDocument, type Operation, type Parameter, resolve, type Schema, SpecError } from './spec.ts'

/** Checks one part of a request and answers the value to use, or throws a Problem that names each wrong field. */
export type Validator = (value: unknown) => unknown

/** The id under which every schema refers to the document's components. */
const DOCUMENT_ID = 'openapi'

/** Keywords of ours and of OpenAPI that say nothing about validity. Any other unknown keyword stops the start. */
const ANNOTATIONS = ['components', 'discriminator', 'example', 'x-enum-varnames', 'x-trim']

const TYPES = new Set(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'])

/** Keywords with schemas inside, which nothing here looks into (innerSchemas). */
const UNSUPPORTED = new Set([
  ...['not', 'if', 'then', 'else', 'dependentSchemas', 'prefixItems', 'contains', 'patternProperties', 'propertyNames'],
  ...['unevaluatedItems', 'unevaluatedProperties', '$defs', 'definitions', '$dynamicRef'],
])

/**
 * Validators for the parts of requests, from the schemas of openapi.yaml (JSON Schema 2020-12).
 *
 * JSON bodies are never coerced. Path, query, header and form values are text: a number or a boolean is read from it only in its plain decimal
 * spelling (`0x10`, `1e3` and ` 5` are none), and what cannot be read stays text and breaks the schema.
 */
export class Validators {
  readonly #document: OpenApiDocument
  readonly #ajv: Ajv
  readonly #compiled = new Map<string, ValidateFunction>()
  readonly #lazy: LazyValues

  constructor(document: OpenApiDocument, lazy = new LazyValues()) {
    this.#lazy = lazy
    this.#document = document
    // allErrors is safe here: bodies are at most 256 KiB and 32 levels deep, no pattern backtracks, and unique items are found in linear time.
    this.#ajv = new Ajv({
      strict: true,
      allowUnionTypes: true,
      allErrors: true,
      useDefaults: true,
      verbose: true,
      formats: { ...FORMATS },
    })
    this.#ajv.addVocabulary(ANNOTATIONS)
    // Ajv compares every item with every other: 20,000 of them, from a client who cares for no maxItems, took 16 seconds. Items that are unique
    // are plain values in this contract.
    this.#ajv.removeKeyword('uniqueItems')
    this.#ajv.addKeyword({
      keyword: 'uniqueItems',
      type: 'array',
      schemaType: 'boolean',
      validate: (unique: boolean, items: unknown[]) => !unique || new Set(items).size === items.length,
      error: { message: 'must not hold the same item twice' },
    })
    for (const [name, schema] of Object.entries(document.components.schemas)) this.#requireKnown(schema, name)
    this.#ajv.addSchema(
      {
        $id: DOCUMENT_ID,
        components: { schemas: absolute(document.components.schemas) },
      },
      undefined,
      undefined,
      false,
    )
  }

  /** A validator of anything, for examples and answers. */
  check(schema: Schema): ValidateFunction {
    const key = JSON.stringify(schema)
    let validate = this.#compiled.get(key)
    if (validate === undefined) {
      validate = this.#ajv.compile(absolute(schema))
      this.#compiled.set(key, validate)
    }
    return validate
  }

  body({ id, body, responses }: Operation): Validator | undefined {
    if (body === undefined) return undefined
    this.#requireKnown(body.schema, `of the body of ${id}`)
    const compiled = this.#lazy.add(() => this.check(body.schema))
    const prepare =
      body.mediaType === 'application/json'
        ? this.#trimmer(body.schema)
        : this.#decoder(resolve<Schema>(this.#document, body.schema).properties ?? {})
    const code = codeOf(responses)
    return (value) => {
      if (value === undefined) {
        if (!body.required) return value
        throw invalid([{ in: 'body', path: '', code: 'required', message: 'is required' }], code)
      }
      prepare?.(value)
      const validate = compiled()
      if (!validate(value)) throw problemOf('body', validate.errors, code)
      return value
    }
  }

  parameters(operation: Operation, part: 'path' | 'query' | 'header'): Validator | undefined {
    const parameters = operation.parameters.filter((parameter) => parameter.in === part)
    // A query must be refused when there is nothing to send in one; headers that are not described are none of our business.
    if (parameters.length === 0 && part !== 'query') return undefined
    const properties = Object.fromEntries(parameters.map((parameter) => [nameOf(parameter), parameter.schema]))
    for (const { name, schema } of parameters) this.#requireKnown(schema, `of the parameter ${name}`)
    const required = parameters.filter((parameter) => parameter.required).map(nameOf)
    const compiled = this.#lazy.add(() => this.check({ type: 'object', properties, required, additionalProperties: part === 'header' }))
    const decode = this.#decoder(properties)
    const trim = this.#trimmer({ properties })
    const code = part === 'header' ? 'MALFORMED_REQUEST' : codeOf(operation.responses)
    return (value) => {
      decode(value)
      trim?.(value)
      const validate = compiled()
      if (!validate(value)) throw problemOf(part, validate.errors, code)
      return value
    }
  }

  /** Ajv refuses what it does not know, but not before it compiles a schema, which happens late or, to those of answers, never. */
  #requireKnown(schema: Schema, name: string): void {
    for (const keyword of Object.keys(schema)) {
      if (this.#ajv.RULES.keywords[keyword] === undefined) throw new SpecError(`The schema ${name} has the unknown keyword ${keyword}.`)
      if (UNSUPPORTED.has(keyword)) throw new SpecError(`The schema ${name} has the keyword ${keyword}, which is not supported.`)
    }
    const { type = [], pattern, format } = schema as { type?: string | string[]; pattern?: string; format?: unknown }
    for (const one of [type].flat()) if (!TYPES.has(one)) throw new SpecError(`The schema ${name} has the unknown type ${one}.`)
    if (pattern !== undefined) new RegExp(pattern, 'u')
    if (format !== undefined && !Object.hasOwn(FORMATS, String(format))) throw new SpecError(`The schema ${name} has the unknown format ${format}.`)
    for (const inner of innerSchemas(schema)) this.#requireKnown(inner, name)
  }

  /** Reads numbers, booleans and lists from the text values of an object, in place. */
  #decoder(properties: Record<string, Schema>): (values: unknown) => void {
    const decoders = Object.entries(properties).flatMap(([name, schema]) => {
      const decode = decoderOf(resolve<Schema>(this.#document, schema))
      return decode === undefined ? [] : [[name, decode] as const]
    })
    return (values) => {
      const record = values as Record<string, unknown>
      for (const [name, decode] of decoders) if (record[name] !== undefined) record[name] = decode(record[name])
    }
  }

  /** Trims, in place and before anything is checked, the strings that the schema marks with `x-trim: true`. */
  #trimmer(schema: Schema): ((value: unknown) => void) | undefined {
    const { properties = {} } = resolve<Schema>(this.#document, schema)
    const trimmed = Object.entries(properties)
      .filter(([, property]) => this.#isTrimmed(property))
      .map(([name]) => name)
    if (trimmed.length === 0) return undefined
    const trim = (value: unknown) => (typeof value === 'string' ? value.trim() : value)
    return (value) => {
      if (typeof value !== 'object' || value === null) return
      const record = value as Record<string, unknown>
      for (const name of trimmed) {
        const field = record[name]
        if (field !== undefined) record[name] = Array.isArray(field) ? field.map(trim) : trim(field)
      }
    }
  }

  #isTrimmed(schema: Schema): boolean {
    if (schema['x-trim'] === true) return true
    const target = resolve<Schema>(this.#document, schema)
    return target['x-trim'] === true || (target.items !== undefined && this.#isTrimmed(target.items))
  }
}

/** RFC 6749 §5.2 knows no 422, so the token endpoint describes none: there it is a 400. */
export const codeOf = (responses: Operation['responses']) => (responses.has(422) ? 'VALIDATION_FAILED' : 'MALFORMED_REQUEST')

/** Headers arrive in lower case. */
const nameOf = (parameter: Parameter) => (parameter.in === 'header' ? parameter.name.toLowerCase() : parameter.name)

function decoderOf({ type, items }: Schema): ((value: unknown) => unknown) | undefined {
  if (type === 'array') {
    const decode = decoderOf(items ?? {}) ?? ((value: unknown) => value)
    return (value) => (Array.isArray(value) ? value.map(decode) : [decode(value)])
  }
  if (type === 'integer') return (value) => (typeof value === 'string' && /^-?(0|[1-9]\d{0,15})$/.test(value) ? Number(value) : value)
  if (type === 'boolean') return (value) => (value === 'true' ? true : value === 'false' ? false : value)
  return undefined
}

/** `#/components/schemas/Task` as a reference into the document that Ajv knows by its id. */
function absolute<T>(schema: T): T {
  return JSON.parse(JSON.stringify(schema).replaceAll('"$ref":"#/', `"$ref":"${DOCUMENT_ID}#/`))
}

function problemOf(
  part: InvalidField['in'],
  errors: readonly ErrorObject[] | null | undefined,
  code: 'VALIDATION_FAILED' | 'MALFORMED_REQUEST',
): Problem {
  const fields = new Map<string, InvalidField>()
  for (const error of errors ?? []) {
    const path = error.instancePath + pointerInto(error)
    if (!fields.has(path))
      fields.set(path, {
        in: part,
        path,
        code: error.keyword,
        message: messageOf(error).slice(0, 512),
      })
  }
  return invalid([...fields.values()], code)
}

function pointerInto({ keyword, params }: ErrorObject): string {
  const name = keyword === 'required' ? params['missingProperty'] : keyword === 'additionalProperties' ? params['additionalProperty'] : undefined
  return name === undefined ? '' : pointerTo(String(name))
}

const ARTICLES: Readonly<Record<string, string>> = {
  uuid: 'a UUID',
  date: 'a date (2026-01-31)',
  'date-time': 'a date-time with a zone (2026-01-31T09:30:00Z)',
  'date-or-date-time': 'a date (2026-01-31) or a date-time with a zone (2026-01-31T09:30:00Z)',
  email: 'an e-mail address',
  'iana-time-zone': 'a name of the IANA time zone database with a region (Europe/Berlin), or UTC',
}

function messageOf({ keyword, params, schema, message }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'is required'
    case 'additionalProperties':
      return 'is not a known field'
    case 'minProperties':
      return 'must have at least one field'
    case 'minLength':
      return params['limit'] === 1 ? 'must not be blank' : `must have at least ${params['limit']} characters`
    case 'maxLength':
      return `must have at most ${params['limit']} characters`
    case 'pattern':
      return schema === '\\S' ? 'must not be blank' : `must match ${schema}`
    case 'format':
      return `must be ${ARTICLES[String(schema)] ?? schema}`
    case 'enum':
      return `must be one of ${(schema as unknown[]).join(', ')}`
    case 'type':
      return `must be of type ${[schema].flat().join(' or ')}`
    default:
      return message ?? 'is not valid'
  }
}
