-- What is kept for how long: months of postbacks, deliveries, attempts, signed ids and judgements as partitions that can be
-- dropped, how a profile's addresses are stored, and what was erased.

-- The partitions of a table with the time that each is for. `begins_at` is -infinity for rows of before it was partitioned.
-- The bounds of clicks are ids, which begin with Unix milliseconds.
create function partition_moment(bound text) returns timestamptz language sql immutable as $$
    select case
        when bound = 'MINVALUE' then '-infinity'::timestamptz
        when bound ~ '^''[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-'
            then to_timestamp(('x' || translate(substr(bound, 2, 13), '-', ''))::bit(48)::bigint / 1000.0)
        else trim(both '''' from bound)::timestamptz
    end
$$;
create function partitions_of(of_table text)
    returns table (partition_name text, begins_at timestamptz, ends_at timestamptz, detaching boolean)
language sql stable as $$
    select c.relname::text, partition_moment(bounds[1]), partition_moment(bounds[2]), i.inhdetachpending
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
        cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \((.*)\) TO \((.*)\)') as found (bounds)
    where i.inhparent = to_regclass(of_table)
$$;

-- Makes the partition of a month, in UTC; `month` is its first day. Returns false if the month has one.
create function make_month_partition(of_table text, month date) returns boolean language plpgsql as $$
declare
    low timestamptz := month::timestamp at time zone 'UTC';
    high timestamptz := (month + interval '1 month') at time zone 'UTC';
    new_name text := of_table || '_' || to_char(month, 'YYYYMM');
begin
    if exists (select from partitions_of(of_table) where begins_at <= low and low < ends_at and not detaching) then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('waypost.make_month_partition'));
    if exists (select from partitions_of(of_table) where begins_at <= low and low < ends_at and not detaching) then
        return false;
    end if;
    if exists (select from pg_class where relname = new_name and relnamespace = current_schema()::regnamespace) then
        raise exception 'partition % is being dropped; try again', new_name using errcode = 'lock_not_available';
    end if;
    -- Made aside and attached, as those of clicks are, so that inserts go on.
    execute format('create table %I (like %I including defaults including constraints including indexes)', new_name, of_table);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', of_table, new_name, low, high);
    return true;
end
$$;

-- No partition has a foreign key: to drop one would lock the table that it names. Conversions, their changes and accounts
-- are never deleted; of what can be deleted, the triggers below take the rows with it.
alter table postback_judgements drop constraint postback_judgements_postback_id_fkey,
    drop constraint postback_judgements_replay_id_fkey;
alter table delivery_attempts drop constraint delivery_attempts_delivery_id_fkey;
alter table deliveries drop constraint deliveries_outgoing_postback_id_fkey, drop constraint deliveries_change_id_fkey,
    drop constraint deliveries_conversion_id_fkey;
alter table postbacks drop constraint postbacks_conversion_id_fkey;

-- Unique in every month. Across months: a postback's moment is part of its record, so the same record conflicts with
-- itself; a nonce is looked for under a lock; a change is locked while its deliveries are planned; a delivery's row counts
-- its attempts; and a replay's row is locked while it judges.
alter table postbacks drop constraint postbacks_pkey, add constraint postbacks_pkey primary key (postback_id, received_at);
alter table postback_nonces drop constraint postback_nonces_pkey,
    add constraint postback_nonces_pkey primary key (merchant_id, nonce, received_at);
alter table postback_judgements drop constraint postback_judgements_pkey,
    drop constraint postback_judgements_replay_id_postback_id_key,
    add constraint postback_judgements_pkey primary key (judgement_id, judged_at);
create index postback_judgements_of_replay on postback_judgements (replay_id, postback_id);
alter table deliveries drop constraint deliveries_pkey, drop constraint deliveries_outgoing_postback_id_change_id_key,
    add constraint deliveries_pkey primary key (delivery_id, planned_at);
create index deliveries_by_change on deliveries (outgoing_postback_id, change_id);
alter table delivery_attempts drop constraint delivery_attempts_pkey,
    add constraint delivery_attempts_pkey primary key (delivery_id, attempt, started_at);

-- Attached again below, to the whole table.
drop trigger postback_is_judged on postbacks;

alter table postback_judgements alter column judgement_id drop identity;

-- The rows there are become one partition, as they are, which ends with the month of the newest of them; nothing is copied.
do $$
declare
    of_table text;
    moment text;
    newest timestamptz;
    low date;
    made record;
begin
    for of_table, moment in values ('postbacks', 'received_at'), ('postback_nonces', 'received_at'),
        ('postback_judgements', 'judged_at'), ('deliveries', 'planned_at'), ('delivery_attempts', 'started_at')
    loop
        execute format('select greatest(now(), max(%I)) from %I', moment, of_table) into newest;
        low := date_trunc('month', newest at time zone 'UTC') + interval '1 month';
        execute format('alter table %I rename to %I', of_table, of_table || '_old');
        execute format('create table %I (like %I including defaults including constraints) partition by range (%I)',
            of_table, of_table || '_old', moment);
        for made in
            select c.relname, pg_get_indexdef(i.indexrelid) as definition, i.indisprimary
            from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = to_regclass(of_table || '_old')
        loop
            execute format('alter index %I rename to %I', made.relname, made.relname || '_old');
            if made.indisprimary then
                execute format('alter table %I add constraint %I primary key %s', of_table, made.relname,
                    substring(made.definition from '\(.*\)'));
            else
                execute replace(made.definition, ' ON ' || current_schema() || '.' || of_table || '_old ',
                    ' ON ' || current_schema() || '.' || of_table || ' ');
            end if;
        end loop;
        execute format('alter table %I attach partition %I for values from (minvalue) to (%L)', of_table,
            of_table || '_old', low::timestamp at time zone 'UTC');
        for ahead in 0..2 loop
            perform make_month_partition(of_table, (low + make_interval(months => ahead))::date);
        end loop;
    end loop;
end
$$;

do $$
begin
    execute format('alter table postback_judgements alter column judgement_id add generated always as identity (start %s)',
        (select coalesce(max(judgement_id), 0) + 1 from postback_judgements));
end
$$;
create trigger postback_is_judged before update of outcome on postbacks for each row
    when (old.outcome = 'parked' and new.outcome <> 'parked' and new.judged_at is null)
    execute function note_judgement();

create function forget_deliveries() returns trigger language plpgsql as $$
begin
    delete from deliveries where outgoing_postback_id = old.outgoing_postback_id;
    return null;
end
$$;
create trigger deliveries_go_with_it after delete on outgoing_postbacks for each row execute function forget_deliveries();
create function forget_attempts() returns trigger language plpgsql as $$
begin
    delete from delivery_attempts where delivery_id = old.delivery_id;
    return null;
end
$$;
create trigger attempts_go_with_it after delete on deliveries for each row execute function forget_attempts();

-- A worker of the release before names unique keys that are gone. It must wait until it is replaced: else it would set
-- postbacks aside as refused, and leave changes unreported. This error counts as a server that is away, so it tries again.
create function wait_for_newer_worker() returns trigger language plpgsql as $$
begin
    raise exception 'this schema needs a newer worker' using errcode = 'cannot_connect_now';
end
$$;
create trigger postbacks_are_not_refused_for_their_key before insert on poison_records for each row
    when (new.reason like 'refused-by-postgresql: there is no unique or exclusion constraint matching%')
    execute function wait_for_newer_worker();
create trigger changes_are_not_left_unreported before insert or update on issues for each row
    when (new.kind = 'booking-failed' and new.detail ->> 'error' like 'there is no unique or exclusion constraint matching%')
    execute function wait_for_newer_worker();

-- How many postbacks were stored, by day and spool, for the ledger: rows that are dropped later still count as stored. The
-- batches of a spool are stored one after the other, so nobody waits for a row of this.
create table postback_days (
    day date not null,
    spool_id text not null,
    postbacks bigint not null,
    primary key (day, spool_id)
);
insert into postback_days
    select (received_at at time zone 'UTC')::date, spool_id, count(*) from postbacks group by 1, 2;
create function count_postbacks() returns trigger language plpgsql as $$
begin
    insert into postback_days as known
        select (received_at at time zone 'UTC')::date, spool_id, count(*) from added group by 1, 2 order by 1, 2
        on conflict (day, spool_id) do update set postbacks = known.postbacks + excluded.postbacks;
    return null;
end
$$;
create trigger postbacks_are_counted after insert on postbacks referencing new table as added
    for each statement execute function count_postbacks();

-- What was dropped or is to be, so that a click that is asked for later is known to be gone, and not late.
create table retention_drops (
    drop_id bigint generated always as identity primary key,
    class text not null,
    partition_name text not null,
    -- Null for what was stored before the table had months.
    begins_at timestamptz,
    ends_at timestamptz not null,
    -- Written with the last step. Without it the partition is to be dropped, whichever step came last: a process may be
    -- killed between them. No other table is ever dropped.
    rows bigint,
    bytes bigint,
    decided_at timestamptz not null default now(),
    dropped_at timestamptz
);
create index retention_drops_by_class on retention_drops (class, ends_at);

-- What is stored of an address. Profiles that are there keep what they do now; new ones truncate.
alter table profiles add column address_storage text not null default 'whole'
    check (address_storage in ('whole', 'truncated', 'hashed'));
alter table profiles alter column address_storage set default 'truncated';

-- When what identifies a visitor was erased. Null: it was not.
alter table clicks add column erased_at timestamptz;
alter table postbacks add column erased_at timestamptz;

-- Erasures, which are receipts once they are done: who asked, for whom as a keyed hash, and what was erased.
create table erasures (
    erasure_id bigint generated always as identity primary key,
    subject_kind text not null check (subject_kind in ('click', 'address')),
    -- A keyed hash of the click id or the address (tracking.privacy.subject_hash).
    subject_hash bytea not null,
    -- The click id or the address itself, until the erasure is done.
    subject text,
    sub_ids boolean not null,
    -- Only counts what would be erased.
    dry boolean not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done')),
    -- Clicks up to this id are done.
    after_click_id uuid,
    -- How many rows of each kind: {"clicks", "postbacks", "deliveries", "attempts", "issues", "poison"}.
    counts jsonb not null default '{}',
    note text,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    -- Until when clicks of before `requested_at` that are stored later are erased as they are stored.
    recognised_until timestamptz not null,
    check ((state = 'done') = (subject is null))
);
create index erasures_unfinished on erasures (erasure_id) where state <> 'done';
