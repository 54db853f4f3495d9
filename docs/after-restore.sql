-- After a backup was restored, and before Docket is started on it: clients that have read changes since the backup are told to begin again (410). Without
-- this they would take the next changes, which get the numbers of those that are lost, for some that they have read.
with last as (
  update changes set sequence = sequence + 1000000000
  from (select owner_id as owner, max(sequence) as newest from changes group by owner_id) as ends
  where owner_id = owner and sequence = newest
  returning owner_id, sequence
)
insert into change_horizons (owner_id, sequence)
select owner_id, sequence from last
on conflict (owner_id) do update set sequence = excluded.sequence;
