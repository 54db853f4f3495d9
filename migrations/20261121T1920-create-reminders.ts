import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  // One of at and minutes_before says when. fire_at follows from it and from the task; null is a relative one whose task has no due date.
  await sql`
    create table reminders (
      owner_id       uuid           not null,
      id             uuid           not null,
      task_id        uuid           not null,
      at             timestamptz(3),
      minutes_before integer        check (minutes_before between 0 and 40320),
      fire_at        timestamptz(3),
      fired_at       timestamptz(3),
      version        integer        not null default 1,
      created_at     timestamptz(3) not null,
      updated_at     timestamptz(3) not null,
      primary key (owner_id, id),
      foreign key (owner_id, task_id) references tasks (owner_id, id) on delete cascade,
      check (num_nonnulls(at, minutes_before) = 1),
      check (at is null or fire_at = at)
    )`.execute(db)
  // listReminders, and what follows from a change of a task.
  await sql`create index reminders_of_task on reminders (owner_id, task_id, id)`.execute(db)
  // The sweep for those that are due.
  await sql`create index reminders_due on reminders (fire_at) where fired_at is null`.execute(db)

  // No time of the api lies before the year 1.
  await sql`
    create function moment_before(due timestamptz, minutes integer) returns timestamptz language sql stable as $$
      select case when due is not null then greatest(due - make_interval(mins => minutes), '0001-01-01T00:00:00Z') end
    $$`.execute(db)

  // A completed task has no reminders, and the relative ones of an open task move with it. A plan that was made for one task must do for the hundred
  // thousand of another time zone, and the other way round: so the tasks are gone through with their reminders by index, and what changes reminders is
  // planned each time. The name sorts before tasks_log_update: nobody may wait for a row while they hold the lock of changes.
  await sql`
    create function tasks_arm_reminders() returns trigger language plpgsql as $$
    begin
      if not exists (
        select from written cross join lateral (
          select from reminders
          where reminders.owner_id = written.owner_id and task_id = written.id and (
            written.completed_at is not null
            or (minutes_before is not null and fire_at is distinct from moment_before(written.due_at, minutes_before)))
          offset 0
        ) as stale
      ) then
        return null;
      end if;
      execute '
        delete from reminders using written
        where reminders.owner_id = written.owner_id and task_id = written.id and completed_at is not null';
      execute '
        update reminders
        set fire_at = moment_before(due_at, minutes_before), fired_at = case when moment_before(due_at, minutes_before) > now() then null else fired_at end,
          version = reminders.version + 1, updated_at = now()
        from written
        where reminders.owner_id = written.owner_id and task_id = written.id and completed_at is null
          and minutes_before is not null and fire_at is distinct from moment_before(due_at, minutes_before)';
      return null;
    end $$`.execute(db)
  await sql`
    create trigger tasks_arm_reminders after update on tasks referencing new table as written
    for each statement execute function tasks_arm_reminders()`.execute(db)

  await sql`
    create function reminder_state(reminder reminders) returns json language sql stable as $$
      select to_json(state) from (
        select reminder.id, reminder.task_id, reminder.at, reminder.minutes_before, reminder.fire_at, reminder.fired_at, reminder.version,
          reminder.created_at, reminder.updated_at
      ) as state
    $$`.execute(db)
  await sql`
    create function reminders_log_insert() returns trigger language plpgsql as $$
    begin
      with owners as materialized (
        select owner_id, lock_changes(owner_id) as last from (select distinct owner_id from written order by owner_id) as sorted
      )
      insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
      select owner_id, last + row_number() over (partition by owner_id order by id), 'reminder.created', id, version, reminder_state(written),
        owner_id, clock_timestamp()
      from written join owners using (owner_id);
      return null;
    end $$`.execute(db)
  await sql`
    create trigger reminders_log_insert after insert on reminders referencing new table as written
    for each statement execute function reminders_log_insert()`.execute(db)
  // Docket itself fires them. Planned each time, as there may be one row to join or very many.
  await sql`
    create function reminders_log_update() returns trigger language plpgsql as $$
    begin
      execute '
        with owners as materialized (
          select owner_id, lock_changes(owner_id) as last from (select distinct owner_id from written order by owner_id) as sorted
        )
        insert into changes (owner_id, sequence, type, resource_id, version, state, actor_id, occurred_at)
        select owner_id, last + row_number() over (partition by owner_id order by id),
          case when fired then ''reminder.fired'' else ''reminder.updated'' end::change_type, id, written.version, reminder_state(written),
          case when not fired then owner_id end, clock_timestamp()
        from written join owners using (owner_id) join before using (owner_id, id)
        cross join lateral (select before.fired_at is null and written.fired_at is not null as fired) as how';
      return null;
    end $$`.execute(db)
  await sql`
    create trigger reminders_log_update after update on reminders referencing old table as before new table as written
    for each statement execute function reminders_log_update()`.execute(db)
  // Those of many tasks go in a statement for each, before the lists are locked: so their end waits for the commit, as changes of lists do. With their owner
  // they go without a trace.
  await sql`
    create function reminders_log_delete() returns trigger language plpgsql as $$
    declare
      last bigint;
    begin
      if not exists (select from users where id = old.owner_id) then return null; end if;
      last := lock_changes(old.owner_id);
      insert into changes (owner_id, sequence, type, resource_id, version, actor_id, occurred_at)
      values (old.owner_id, last + 1, 'reminder.deleted', old.id, old.version + 1, old.owner_id, clock_timestamp());
      return null;
    end $$`.execute(db)
  await sql`
    create constraint trigger reminders_log_delete after delete on reminders deferrable initially deferred
    for each row execute function reminders_log_delete()`.execute(db)

  // One row for each mail to an address that was not verified, to count them; those of a day ago go with the next.
  await sql`
    create table reminder_mails (
      user_id uuid           not null references users (id) on delete cascade,
      job_id  uuid           not null,
      sent_at timestamptz(3) not null default now(),
      primary key (user_id, job_id)
    )`.execute(db)
}

export async function down(db: Kysely<unknown>): Promise<void> {
  await sql`drop table reminder_mails`.execute(db)
  await sql`drop trigger tasks_arm_reminders on tasks`.execute(db)
  for (const name of ['insert', 'update', 'delete']) await sql`drop trigger ${sql.raw(`reminders_log_${name}`)} on reminders`.execute(db)
  await sql`drop function tasks_arm_reminders(), reminders_log_insert(), reminders_log_update(), reminders_log_delete()`.execute(db)
  await sql`drop function reminder_state(reminders), moment_before(timestamptz, integer)`.execute(db)
  await sql`drop table reminders`.execute(db)
  await sql`delete from changes where type::text like 'reminder.%'`.execute(db)
}
