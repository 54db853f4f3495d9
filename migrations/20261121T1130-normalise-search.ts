import { type Kysely, type RawBuilder, sql } from 'kysely'

/**
 * The same text can be written in several ways in Unicode, and the Greek sigma has a form of its own at the end of a word: what is searched for and
 * what is searched through are brought into one form (NFKC). A quotation that is closed ends with a whole word.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create function search_form(words text) returns text language sql immutable strict parallel safe as $$
      select translate(lower(normalize(words, NFKC)), 'ς', 'σ')
    $$`.execute(db)
  await sql`
    create function search_vector(title text, description text, categories text[]) returns tsvector language sql stable parallel safe as $$
      select to_tsvector('simple', translate(
        search_form(concat_ws(' ', title, description, array_to_string(categories, ' '))),
        '!"#$%&''()*+,-./:;<=>?@[\\]^_\`{|}~', repeat(' ', 32)))
    $$`.execute(db)
  await replaceDerive(db, sql`search_vector(new.title, new.description, new.categories)`)
  await replaceQuery(db, sql`search_form(words)`, sql`case when search_form(words) ~ '"[^"]*"\\s*$' then '' else ':*' end`)
  // Whoever writes meanwhile waits: they would still use the trigger of before.
  await sql`lock table tasks in share row exclusive mode`.execute(db)
  await sql`
    update tasks set search = search_vector(title, description, categories)
    where search <> search_vector(title, description, categories)`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await replaceDerive(
    db,
    sql`to_tsvector('simple', translate(concat_ws(' ', new.title, new.description, array_to_string(new.categories, ' ')),
        '!"#$%&''()*+,-./:;<=>?@[\\]^_\`{|}~', repeat(' ', 32)))`,
  )
  await replaceQuery(db, sql`words`, sql`':*'`)
  await sql`drop function search_vector(text, text, text[])`.execute(db)
  await sql`drop function search_form(text)`.execute(db)
  await sql`lock table tasks in share row exclusive mode`.execute(db)
  await sql`update tasks set title = title`.execute(db)
}

/** As in create-tasks, save for the text that is searched. */
async function replaceDerive(db: Kysely<unknown>, text: RawBuilder<unknown>): Promise<void> {
  await sql`
    create or replace function tasks_derive() returns trigger language plpgsql as $$
    begin
      if new.due_on is not null then
        -- A change of the owner's zone moves the tasks that depend on it, and waits for those that are being changed. This one it does not see yet:
        -- the share lock makes it wait, or this task see the new zone. A task that it does see must not wait for it in turn (simultaneous-writes.test.ts).
        if new.time_zone is null and (tg_op = 'INSERT' or old.due_on is null or old.time_zone is not null) then
          perform 1 from users where id = new.owner_id for share;
        end if;
        new.due_at := end_of_day(new.due_on, coalesce(new.time_zone, (select time_zone from users where id = new.owner_id)));
      end if;
      new.search := ${text};
      return new;
    end $$`.execute(db)
}

/** As in create-tasks, save for the words and for what follows the last one. */
async function replaceQuery(db: Kysely<unknown>, words: RawBuilder<unknown>, afterLast: RawBuilder<unknown>): Promise<void> {
  await sql`
    create or replace function search_query(words text) returns tsquery language sql immutable strict parallel safe as $$
      select regexp_replace(
        websearch_to_tsquery('simple', regexp_replace(${words}, '(?<=[^\\s"])-|[]!#$%&''()*+,./:;<=>?@[\\\\^\`{|}~]', '_', 'g'))::text,
        '(^|[^!])(''[^'']+'')$', '\\1\\2' || ${afterLast})::tsquery
    $$`.execute(db)
}
