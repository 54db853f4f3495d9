import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create type change_type as enum (
      'list.created', 'list.updated', 'list.deleted',
      'task.created', 'task.updated', 'task.deleted',
      'reminder.created', 'reminder.updated', 'reminder.fired', 'reminder.deleted')`.execute(db)

  // Every committed write to what people own, in the order of the commits. The two tables have no foreign key to users, since its check would wait for
  // an end of the account while that waits for what this transaction holds; users_forget_changes stands for it.
  await sql`
    create table changes (
      owner_id    uuid           not null,
      sequence    bigint         not null,
      type        change_type    not null,
      resource_id uuid           not null,
      version     integer        not null,
      state       json,
      actor_id    uuid,
      occurred_at timestamptz(3) not null,
      primary key (owner_id, sequence)
    )`.execute(db)

  // Up to which change of an owner those that were overtaken are gone (the retention of changes). Without a row it is 0.
  await sql`
    create table change_horizons (
      owner_id uuid   primary key,
      sequence bigint not null
    )`.execute(db)

  // The numbers of an owner's changes have no gaps and are in the order of commits: the lock is held until this transaction is visible to all, so
  // whoever comes next sees the number that it used. The trigger that writes a change takes the lock when its statement has all others, and changes of
  // lists, which tasks count themselves in, wait for the commit: so nobody waits for a row while they hold it (test/changes/replication.test.ts).
  // A connection keeps its plan, which must not be to read all of a table that was small when it was made.
  await sql`
    create function lock_changes(owner uuid) returns bigint language plpgsql set enable_seqscan = off set enable_bitmapscan = off as $$
    begin
      perform pg_advisory_xact_lock(hashtextextended(owner::text, 1));
      -- A statement of its own: it sees what was committed while we waited.
      return coalesce((select max(sequence) from changes where owner_id = owner), 0);
    end $$`.execute(db)

  await sql`
    create function list_state(list lists) returns json language sql stable as $$
      select to_json(state) from (
        select list.id, list.title, list.description, list.inbox, list.open_tasks, list.completed_tasks, list.version, list.created_at, list.updated_at
      ) as state
    $$`.execute(db)
  await sql`
    create function task_state(task tasks) returns json language sql stable as $$
      select to_json(state) from (
        select task.id, task.list_id, task.title, task.description, task.completed_at, task.priority, task.categories, task.due_on, task.due_at,
          task.time_zone, task.version, task.created_at, task.updated_at
      ) as state
    $$`.execute(db)

  // A list is counted up by each of its tasks: only what the transaction leaves is a change.
  await sql`
    create function lists_log() returns trigger language plpgsql as $$
    declare
      last bigint;
    begin
      if tg_op = 'DELETE' then
        if not exists (select from users where id = old.owner_id) then return null; end if;
        last := lock_changes(old.owner_id);
        insert into changes (owner_id, sequence, type, resource_id, version, actor_id, occurred_at)
        values (old.owner_id, last + 1, 'list.deleted', old.id, old.version + 1, old.owner_id, clock_timestamp());
        return null;
      end if;
      if tg_op = 'UPDATE' and not exists (select from lists where owner_id = new.owner_id and id = new.id and version = new.version) then
        return null;
      end if;
      last := lock_changes(new.owner_id);
      insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
      values (new.owner_id, last + 1, case tg_op when 'INSERT' then 'list.created' else 'list.updated' end::change_type, new.id, new.version,
        list_state(new), new.owner_id, clock_timestamp());
      return null;
    end $$`.execute(db)
  await sql`
    create constraint trigger lists_log after insert or delete on lists deferrable initially deferred
    for each row execute function lists_log()`.execute(db)
  await sql`
    create constraint trigger lists_log_changed after update on lists deferrable initially deferred
    for each row when (old.version <> new.version) execute function lists_log()`.execute(db)

  // Transition tables cannot be handed on to another function, so each of the three is its own.
  for (const [operation, rows, type, version, state] of [
    ['insert', 'new table as written', 'task.created', 'version', 'task_state(written)'],
    ['update', 'new table as written', 'task.updated', 'version', 'task_state(written)'],
    // With their owner they go without a trace.
    ['delete', 'old table as written', 'task.deleted', 'version + 1', 'null'],
  ] as const) {
    const name = sql.raw(`tasks_log_${operation}`)
    const ofOwners = sql.raw(operation === 'delete' ? 'where exists (select from users where id = owner_id)' : '')
    await sql`
      create function ${name}() returns trigger language plpgsql as $$
      begin
        with owners as materialized (
          select owner_id, lock_changes(owner_id) as last from (select distinct owner_id from written ${ofOwners} order by owner_id) as sorted
        )
        insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
        select owner_id, last + row_number() over (partition by owner_id order by id), ${sql.lit(type)}, id, ${sql.raw(version)}, ${sql.raw(state)},
          owner_id, clock_timestamp()
        from written join owners using (owner_id);
        return null;
      end $$`.execute(db)
    await sql`
      create trigger ${name} after ${sql.raw(operation)} on tasks referencing ${sql.raw(rows)}
      for each statement execute function ${name}()`.execute(db)
  }

  await sql`
    create function users_forget_changes() returns trigger language plpgsql as $$
    begin
      delete from changes where owner_id = old.id;
      delete from change_horizons where owner_id = old.id;
      return null;
    end $$`.execute(db)
  // At the commit, when nothing is left that could write another: not everything that does locks its owner.
  await sql`
    create constraint trigger users_forget_changes after delete on users deferrable initially deferred
    for each row execute function users_forget_changes()`.execute(db)

  // What was there before the log began.
  await sql`
    insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
    select owner_id, row_number() over (partition by owner_id order by type, id), type, id, version, state, owner_id, clock_timestamp()
    from (
      select owner_id, 'list.created'::change_type as type, id, version, list_state(lists) as state from lists
      union all
      select owner_id, 'task.created', id, version, task_state(tasks) from tasks
    ) as present`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop trigger users_forget_changes on users`.execute(db)
  for (const name of ['lists_log', 'lists_log_changed']) await sql`drop trigger ${sql.raw(name)} on lists`.execute(db)
  for (const operation of ['insert', 'update', 'delete']) {
    await sql`drop trigger ${sql.raw(`tasks_log_${operation}`)} on tasks`.execute(db)
    await sql`drop function ${sql.raw(`tasks_log_${operation}`)}()`.execute(db)
  }
  await sql`drop function users_forget_changes(), lists_log(), list_state(lists), task_state(tasks), lock_changes(uuid)`.execute(db)
  await sql`drop table change_horizons, changes`.execute(db)
  await sql`drop type change_type`.execute(db)
}
