import { type Kysely, sql } from 'kysely'

const QUOTATION_MARKS = '«»“”„‟〝〞〟'

/** As PostgreSQL's regular expressions have it, with arrows. The joiners within emoji and within Persian words are none, nor are nearly all emoji. */
const PUNCTUATION =
  '\\u0085\\u00A1\\u00A7\\u00B6\\u00B7\\u00BF\\u055A-\\u055F\\u0589\\u058A\\u05BE\\u05C0\\u05C3\\u05C6\\u05F3\\u05F4\\u060C\\u060D\\u061B\\u061D-\\u061F' +
  '\\u066A-\\u066D\\u06D4\\u0964\\u0965\\u1360-\\u1368\\u1680\\u180E\\u200B\\u200E-\\u205E\\u2066-\\u2069\\u2190-\\u21FF\\u2212\\u2E00-\\u2E5D\\u3001-\\u3003' +
  '\\u3008-\\u3011\\u3014-\\u301F\\u3030\\u303D\\u30FB'

/** What is no part of a word, and no punctuation either: the soft hyphen, and what says whether a symbol is shown as an emoji. */
const IGNORED = '\\u00AD\\uFE0E\\uFE0F'

/**
 * Telephones write “quotation marks”, ’ and — by themselves. Whether those are punctuation is for PostgreSQL a matter of the locale, so here it
 * becomes punctuation of ASCII. Of several hyphens before a word one counts, since 33 were more than websearch_to_tsquery takes; within quotation marks it
 * takes one before a number for its sign.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function search_form(words text) returns text language plpgsql immutable strict parallel safe as $$
    begin
      if octet_length(words) = char_length(words) then
        return lower(words);
      end if;
      return regexp_replace(
        translate(lower(normalize(words, NFKC)), 'ς${sql.raw(QUOTATION_MARKS)}' || U&'\\00AD\\FE0E\\FE0F', 'σ${sql.raw('"'.repeat(QUOTATION_MARKS.length))}'),
        '[${sql.raw(PUNCTUATION)}]', '_', 'g');
    end $$`.execute(db)
  await sql`
    create or replace function search_vector(title text, description text, categories text[]) returns tsvector language sql stable parallel safe as $$
      select to_tsvector('simple', regexp_replace(
        search_form(concat_ws(' ', title, description, array_to_string(categories, ' '))), '[]!-/:-@\\\\^_\`{|}~[]', ' ', 'g'))
    $$`.execute(db)
  await sql`
    create or replace function search_query(words text) returns tsquery language plpgsql immutable strict parallel safe as $$
    declare
      form constant text := search_form(words);
      joined constant text := regexp_replace(form, '(?<=[^\\s"])-|[]!#$%&''()*+,./:;<=>?@[\\\\^\`{|}~]', '_', 'g');
    begin
      return regexp_replace(
        replace(websearch_to_tsquery('simple', regexp_replace(joined, '-(\\s+-)+', '-', 'g'))::text, '''-', ''''),
        '(^|[^!])(''[^'']+'')$', '\\1\\2' || case when form ~ '"[^"]*"\\s*$' then '' else ':*' end)::tsquery;
    end $$`.execute(db)
  await derive(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function search_form(words text) returns text language sql immutable strict parallel safe as $$
      select translate(lower(normalize(words, NFKC)), 'ς', 'σ')
    $$`.execute(db)
  await sql`
    create or replace function search_vector(title text, description text, categories text[]) returns tsvector language sql stable parallel safe as $$
      select to_tsvector('simple', translate(
        search_form(concat_ws(' ', title, description, array_to_string(categories, ' '))),
        '!"#$%&''()*+,-./:;<=>?@[\\]^_\`{|}~', repeat(' ', 32)))
    $$`.execute(db)
  await sql`
    create or replace function search_query(words text) returns tsquery language sql immutable strict parallel safe as $$
      select regexp_replace(
        websearch_to_tsquery('simple', regexp_replace(search_form(words), '(?<=[^\\s"])-|[]!#$%&''()*+,./:;<=>?@[\\\\^\`{|}~]', '_', 'g'))::text,
        '(^|[^!])(''[^'']+'')$', '\\1\\2' || case when search_form(words) ~ '"[^"]*"\\s*$' then '' else ':*' end)::tsquery
    $$`.execute(db)
  await derive(db)
}

/** The words of the tasks that may have others now. */
async function derive(db: Kysely<unknown>): Promise<void> {
  // Whoever writes meanwhile waits, since they would still use the functions of before; and so does who locks tasks to write then, or each would wait for the other.
  await sql`lock table tasks in exclusive mode`.execute(db)
  // Nothing that anybody is told of changes.
  await sql`alter table tasks disable trigger user`.execute(db)
  await sql`
    update tasks set search = search_vector(title, description, categories)
    where octet_length(concat(title, description, categories::text)) <> char_length(concat(title, description, categories::text))
      and normalize(concat(title, description, categories::text), NFKC) ~ '[${sql.raw(QUOTATION_MARKS + PUNCTUATION + IGNORED)}]'
      and search <> search_vector(title, description, categories)`.execute(db)
  await sql`alter table tasks enable trigger user`.execute(db)
}
