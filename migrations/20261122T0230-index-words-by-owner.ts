import { type Kysely, sql } from 'kysely'

/**
 * The last word of a search may be the beginning of one, and for a beginning a GIN index reads where every such word stands before it looks at any other
 * column: in the tasks of everybody. So each word is indexed behind a key of its owner, and a search reads no further than the words of one user.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  // The key alone stands for all tasks of its owner. It is short, and two owners may have the same one: what is found by it must still be theirs.
  // PostgreSQL takes words of up to 2046 bytes. What owned_query looks up has 500 bytes at most, so that as many characters of a word are enough.
  await sql`
    create function owned_words(owner uuid, words tsvector) returns tsvector language plpgsql immutable strict parallel safe as $$
    declare
      key constant text := right(owner::text, 8);
    begin
      if octet_length(words::text) < 2000 then
        return concat(key, replace(' ' || words::text, ' ''', concat(' ''', key)))::tsvector;
      end if;
      return (select concat(key, ' ', string_agg(format('''%s%s'':%s', key, left(lexeme, 500), array_to_string(positions, ',')), ' ')) from unnest(words))::tsvector;
    end $$`.execute(db)
  // A search for what lacks a word has no word to look up, and one that is longer than any person types goes through all tasks as well.
  await sql`
    create function owned_query(owner uuid, words text) returns tsquery language sql immutable strict parallel safe as $$
      select case
        when querytree(query) = 'T' or octet_length(query::text) > 500 then key::tsquery
        else regexp_replace(query::text, '''([^'']+)''', concat('''', key, '\\1'''), 'g')::tsquery
      end
      from (select search_query(words), right(owner::text, 8)) as search (query, key)
    $$`.execute(db)
  await sql`create index tasks_by_word on tasks using gin (owned_words(owner_id, search)) with (fastupdate = off)`.execute(db)
  await sql`create index tasks_by_category on tasks using gin (owner_id, categories) with (fastupdate = off)`.execute(db)
  // Last, since from here on nobody reads tasks until all migrations are done.
  await sql`drop index tasks_search`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`create index tasks_search on tasks using gin (owner_id, search, categories) with (fastupdate = off)`.execute(db)
  await sql`drop index tasks_by_category, tasks_by_word`.execute(db)
  await sql`drop function owned_query(uuid, text), owned_words(uuid, tsvector)`.execute(db)
}
