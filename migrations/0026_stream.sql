-- What the live stream reads: a note of everything that is stored and may be shown, written in the transaction that stores
-- it. `xid` is that transaction, so a reader that remembers a snapshot finds exactly what has become visible since, however
-- late a transaction commits; an identity value alone would be passed over when it becomes visible after a higher one.
create table stream_notes (
    note_id bigint generated always as identity primary key,
    xid xid8 not null default pg_current_xact_id(),
    kind text not null check (kind in ('clicks', 'conversion', 'entry', 'issue')),
    -- change_id, entry_id or issue_id; null for clicks.
    subject_id bigint,
    -- Of clicks, a note for each stored batch: the lowest and highest id, and the records, `past` not included.
    low uuid,
    high uuid,
    spool_id text,
    first bigint,
    past bigint,
    noted_at timestamptz not null default now()
);
create index stream_notes_by_xid on stream_notes (xid, note_id);

-- One row: the highest transaction whose notes were forgotten. Who resumes from before it has missed something.
create table stream_state (
    singleton boolean primary key default true check (singleton),
    forgotten xid8 not null default '0'
);
insert into stream_state default values;

-- Forgets the notes that are older than `kept`, and returns how many.
create function forget_stream_notes(kept interval) returns bigint language plpgsql as $$
declare
    gone bigint;
    newest xid8;
begin
    with deleted as (delete from stream_notes where noted_at < now() - kept returning xid)
    select count(*), max(xid) into gone, newest from deleted;
    update stream_state set forgotten = greatest(forgotten, newest) where newest is not null;
    return gone;
end
$$;

create function note_stored_clicks() returns trigger language plpgsql as $$
begin
    insert into stream_notes (kind, low, high, spool_id, first, past)
        values ('clicks', new.low, new.high, new.spool_id, new.first, new.past);
    return null;
end
$$;
-- A batch is noted here in its own transaction; rows without a spool are ranges whose classes changed.
create trigger stored_clicks_are_noted after insert on settling for each row
    when (new.spool_id is not null) execute function note_stored_clicks();

-- The argument is the kind, which is also what the key is called: conversion_changes are noted as `conversion`.
create function note_for_stream() returns trigger language plpgsql as $$
begin
    insert into stream_notes (kind, subject_id) values (tg_argv[0], case tg_argv[0]
        when 'conversion' then (to_jsonb(new) ->> 'change_id')::bigint
        when 'entry' then (to_jsonb(new) ->> 'entry_id')::bigint
        else (to_jsonb(new) ->> 'issue_id')::bigint end);
    return null;
end
$$;
create trigger change_is_noted after insert on conversion_changes for each row execute function note_for_stream('conversion');
create trigger entry_is_noted after insert on entries for each row
    when (new.conversion_id is not null) execute function note_for_stream('entry');
create trigger issue_is_noted after insert or update of state, count on issues for each row
    execute function note_for_stream('issue');
