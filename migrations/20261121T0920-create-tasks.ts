import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // Lets one GIN index start with the owner.
  await sql`create extension if not exists btree_gin`.execute(db)

  // The order of the values is the order of sort=priority.
  await sql`create type task_priority as enum ('low', 'medium', 'high')`.execute(db)

  // The foreign key holds list and owner together: a task can never sit in somebody else's list.
  // due_on is an all-day due date, and then due_at follows from it; a timed due date is due_at alone.
  await sql`
    create table tasks (
      owner_id     uuid           not null,
      id           uuid           not null,
      list_id      uuid           not null,
      title        text           not null check (char_length(title) between 1 and 255),
      description  text           check (char_length(description) <= 10000),
      completed_at timestamptz(3),
      completed    boolean        not null generated always as (completed_at is not null) stored,
      priority     task_priority  not null,
      categories   text[]         not null check (cardinality(categories) <= 10),
      due_on       date,
      due_at       timestamptz(3),
      time_zone    text           check (time_zone is null or now() at time zone time_zone is not null),
      search       tsvector       not null default '',
      version      integer        not null default 1,
      created_at   timestamptz(3) not null,
      updated_at   timestamptz(3) not null,
      primary key (owner_id, id),
      foreign key (owner_id, list_id) references lists (owner_id, id) on delete cascade
    )`.execute(db)

  // Without it PostgreSQL takes owner and list as independent and expects one row of a list.
  await sql`create statistics tasks_owner_list (dependencies, ndistinct) on owner_id, list_id from tasks`.execute(db)

  // Each order has an index that holds open and completed tasks apart: completed=false finds the few open ones among many completed, and a listing
  // of both merges the two. With 100,000 tasks of one user, every order in both directions, first page or deep, all or one list, read 4 to 34
  // pages in 0.03 to 0.11 ms. Ascending and descending due dates both have the undated last, hence two.
  // listTasks:
  await sql`create index tasks_by_created on tasks (owner_id, completed, id)`.execute(db)
  await sql`create index tasks_by_updated on tasks (owner_id, completed, updated_at, id)`.execute(db)
  await sql`create index tasks_by_due on tasks (owner_id, completed, coalesce(due_at, 'infinity'), id)`.execute(db)
  await sql`create index tasks_by_due_reversed on tasks (owner_id, completed, coalesce(due_at, '-infinity'), id)`.execute(db)
  await sql`create index tasks_by_priority on tasks (owner_id, completed, priority, id)`.execute(db)
  await sql`create index tasks_by_title on tasks (owner_id, completed, lower(title) collate "C", id)`.execute(db)
  // listListTasks:
  await sql`create index list_tasks_by_created on tasks (owner_id, list_id, completed, id)`.execute(db)
  await sql`create index list_tasks_by_updated on tasks (owner_id, list_id, completed, updated_at, id)`.execute(db)
  await sql`create index list_tasks_by_due on tasks (owner_id, list_id, completed, coalesce(due_at, 'infinity'), id)`.execute(db)
  await sql`create index list_tasks_by_due_reversed on tasks (owner_id, list_id, completed, coalesce(due_at, '-infinity'), id)`.execute(db)
  await sql`create index list_tasks_by_priority on tasks (owner_id, list_id, completed, priority, id)`.execute(db)
  await sql`create index list_tasks_by_title on tasks (owner_id, list_id, completed, lower(title) collate "C", id)`.execute(db)
  // The default order of a whole list, asked for most, without the merge; the primary key does the same for all lists.
  await sql`create index list_tasks on tasks (owner_id, list_id, id)`.execute(db)

  // q and category. Without fastupdate: a list of pending entries would be read through by every search.
  await sql`create index tasks_search on tasks using gin (owner_id, search, categories) with (fastupdate = off)`.execute(db)

  // Where clocks go back from one to midnight, there are two midnights: the day ends at the first, PostgreSQL takes the second.
  await sql`
    create function end_of_day(day date, zone text) returns timestamptz language sql stable as $$
      select least(
        case when ((midnight - interval '1 hour') at time zone zone)::date > day then midnight - interval '1 hour' else midnight end,
        '9999-12-31T23:59:59.999Z')
      from (select (day + 1)::timestamp at time zone zone) as ends (midnight)
    $$`.execute(db)

  // Letters and digits are words, all else parts them: PostgreSQL's parser would keep milk/eggs or ada@example.com whole, to be found as a whole only.
  await sql`
    create function tasks_derive() returns trigger language plpgsql as $$
    begin
      if new.due_on is not null then
        -- A change of the owner's zone moves the tasks that depend on it, and waits for those that are being changed. This one it does not see yet:
        -- the share lock makes it wait, or this task see the new zone. A task that it does see must not wait for it in turn (simultaneous-writes.test.ts).
        if new.time_zone is null and (tg_op = 'INSERT' or old.due_on is null or old.time_zone is not null) then
          perform 1 from users where id = new.owner_id for share;
        end if;
        new.due_at := end_of_day(new.due_on, coalesce(new.time_zone, (select time_zone from users where id = new.owner_id)));
      end if;
      new.search := to_tsvector('simple', translate(
        concat_ws(' ', new.title, new.description, array_to_string(new.categories, ' ')),
        '!"#$%&''()*+,-./:;<=>?@[\\]^_\`{|}~', repeat(' ', 32)));
      return new;
    end $$`.execute(db)
  await sql`
    create trigger tasks_derive before insert or update of title, description, categories, due_on, time_zone on tasks
    for each row execute function tasks_derive()`.execute(db)

  await sql`
    create function users_move_all_day_tasks() returns trigger language plpgsql as $$
    begin
      -- In the order in which a list that is deleted locks its tasks.
      perform 1 from tasks where owner_id = new.id and due_on is not null and time_zone is null order by id for no key update;
      update tasks set due_at = end_of_day(due_on, new.time_zone), version = version + 1, updated_at = new.updated_at
      where owner_id = new.id and due_on is not null and time_zone is null;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger users_move_all_day_tasks after update of time_zone on users
    for each row when (old.time_zone <> new.time_zone) execute function users_move_all_day_tasks()`.execute(db)

  // listCategories: kept by the triggers below, so that it costs the same with any number of tasks.
  await sql`
    create table categories (
      owner_id        uuid    not null references users (id) on delete cascade,
      name            text    collate "C" not null,
      open_tasks      integer not null check (open_tasks >= 0),
      completed_tasks integer not null check (completed_tasks >= 0),
      primary key (owner_id, name)
    )`.execute(db)

  await sql`
    create function count_tasks(owner uuid, list uuid, open integer, completed integer) returns void language sql as $$
      update lists
      set open_tasks = open_tasks + open, completed_tasks = completed_tasks + completed, version = version + 1
      where owner_id = owner and id = list
    $$`.execute(db)
  await sql`
    create function count_category(owner uuid, category text, open integer, completed integer) returns void language plpgsql as $$
    begin
      update categories
      set open_tasks = open_tasks + open, completed_tasks = completed_tasks + completed
      where owner_id = owner and name = category;
      if not found and open + completed > 0 then
        insert into categories as c (owner_id, name, open_tasks, completed_tasks)
        values (owner, category, open, completed)
        on conflict (owner_id, name) do update
        set open_tasks = c.open_tasks + excluded.open_tasks, completed_tasks = c.completed_tasks + excluded.completed_tasks;
      elsif open + completed < 0 then
        delete from categories where owner_id = owner and name = category and open_tasks = 0 and completed_tasks = 0;
      end if;
    end $$`.execute(db)

  // Locks are taken in one order, so that two requests at once do not deadlock: tasks, then lists, then categories, each in the order of their keys
  // (simultaneous-writes.test.ts). What deletes a list locks its tasks first (src/lists/queries.ts).
  await sql`
    create function tasks_count() returns trigger language plpgsql as $$
    declare
      delta record;
    begin
      if tg_op = 'INSERT' then
        perform count_tasks(new.owner_id, new.list_id, (new.completed_at is null)::int, (new.completed_at is not null)::int);
        if new.categories <> '{}' then
          perform count_category(new.owner_id, name, (new.completed_at is null)::int, (new.completed_at is not null)::int)
          from (select name collate "C" from unnest(new.categories) name order by 1) as sorted (name);
        end if;
        return null;
      end if;
      for delta in
        select list_id, sum(open)::int as open, sum(completed)::int as completed
        from (values
          (new.list_id, (new.completed_at is null)::int, (new.completed_at is not null)::int),
          (old.list_id, -(old.completed_at is null)::int, -(old.completed_at is not null)::int)
        ) as change (list_id, open, completed)
        group by list_id having sum(open) <> 0 or sum(completed) <> 0 order by list_id
      loop
        perform count_tasks(new.owner_id, delta.list_id, delta.open, delta.completed);
      end loop;
      for delta in
        select name collate "C" as name, sum(open)::int as open, sum(completed)::int as completed
        from (
          select unnest(new.categories), (new.completed_at is null)::int, (new.completed_at is not null)::int
          union all
          select unnest(old.categories), -(old.completed_at is null)::int, -(old.completed_at is not null)::int
        ) as change (name, open, completed)
        group by name having sum(open) <> 0 or sum(completed) <> 0 order by 1
      loop
        perform count_category(new.owner_id, delta.name, delta.open, delta.completed);
      end loop;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger tasks_count_added after insert on tasks
    for each row execute function tasks_count()`.execute(db)
  await sql`
    create trigger tasks_count_changed after update of list_id, completed_at, categories on tasks
    for each row when (
      old.list_id <> new.list_id
      or (old.completed_at is null) <> (new.completed_at is null)
      or old.categories <> new.categories
    ) execute function tasks_count()`.execute(db)

  // For each statement: a list goes with thousands of tasks at once.
  await sql`
    create function tasks_count_removed() returns trigger language plpgsql as $$
    declare
      delta record;
    begin
      for delta in
        select owner_id, list_id, count(*) filter (where completed_at is null)::int as open, count(completed_at)::int as completed
        from removed group by owner_id, list_id order by list_id
      loop
        perform count_tasks(delta.owner_id, delta.list_id, -delta.open, -delta.completed);
      end loop;
      for delta in
        select owner_id, name collate "C" as name,
          count(*) filter (where completed_at is null)::int as open, count(completed_at)::int as completed
        from removed, unnest(categories) as name group by owner_id, 2 order by 2
      loop
        perform count_category(delta.owner_id, delta.name, -delta.open, -delta.completed);
      end loop;
      return null;
    end $$`.execute(db)
  await sql`
    create trigger tasks_count_removed after delete on tasks referencing old table as removed
    for each statement execute function tasks_count_removed()`.execute(db)

  // The words of a search, as websearch_to_tsquery reads them; the last one is a prefix, unless it must be absent. What parts words in a task joins
  // them to a phrase here: _ does so, and has no meaning of its own as a hyphen at the start of a word has.
  await sql`
    create function search_query(words text) returns tsquery language sql immutable strict parallel safe as $$
      select regexp_replace(
        websearch_to_tsquery('simple', regexp_replace(words, '(?<=[^\\s"])-|[]!#$%&''()*+,./:;<=>?@[\\\\^\`{|}~]', '_', 'g'))::text,
        '(^|[^!])(''[^'']+'')$', '\\1\\2:*')::tsquery
    $$`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop function search_query(text)`.execute(db)
  await sql`drop trigger users_move_all_day_tasks on users`.execute(db)
  await sql`drop function users_move_all_day_tasks()`.execute(db)
  await sql`drop table categories`.execute(db)
  await sql`drop table tasks`.execute(db)
  await sql`drop function tasks_derive()`.execute(db)
  await sql`drop function end_of_day(date, text)`.execute(db)
  await sql`drop function tasks_count()`.execute(db)
  await sql`drop function tasks_count_removed()`.execute(db)
  await sql`drop function count_category(uuid, text, integer, integer)`.execute(db)
  await sql`drop function count_tasks(uuid, uuid, integer, integer)`.execute(db)
  await sql`drop type task_priority`.execute(db)
}
