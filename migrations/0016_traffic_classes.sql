-- Traffic classes: the operator's lists, settling (which clicks are duplicates, too many of an address, or not the first of
-- their visitor), and classing stored clicks anew after a list changed.

-- What the database of anonymous addresses says: tor, vpn, residential-proxy, public-proxy, hosting or anonymous.
alter table clicks add column anonymous text;

-- One row. `revision` grows with each change.
create table traffic_lists (
    singleton boolean primary key default true check (singleton),
    revision bigint not null default 1,
    -- Networks and autonomous systems of data centres.
    networks cidr[] not null default '{}',
    asns bigint[] not null default '{}',
    -- Parts of user agents that are bots, and of those that are not, whatever the built-in list says.
    bot_agents text[] not null default '{}',
    exempt_agents text[] not null default '{}',
    changed_by text,
    changed_at timestamptz not null default now()
);
insert into traffic_lists default values;

-- The moment of a click id, in Unix milliseconds. uuid_extract_timestamp reads version 7 only from PostgreSQL 18 on.
create function click_ms(click_id uuid) returns bigint language sql immutable strict parallel safe as $$
    select ('x' || translate(substr(click_id::text, 1, 13), '-', ''))::bit(48)::bigint
$$;

-- What is still to be settled: a row for each stored batch, written in its transaction, and for each range in which classes
-- were changed. It has no unique key besides its own, since batches that are stored at the same time would wait for it.
create table settling (
    settling_id bigint generated always as identity primary key,
    -- The lowest and the highest click id.
    low uuid not null,
    high uuid not null,
    -- The records of the batch, `past` not included. Null: all clicks of the range, whatever their class.
    spool_id text,
    first bigint,
    past bigint,
    -- The version of the lists that the batch was classed with. Null as above.
    lists text,
    noted_at timestamptz not null default now()
);

-- One row: no click with a higher id was settled. So a later click that is not settled yet need not be looked for.
create table settling_state (
    singleton boolean primary key default true check (singleton),
    settled uuid not null default '00000000-0000-0000-0000-000000000000'
);
insert into settling_state default values;

-- The minutes of the clock (Unix milliseconds / 60,000) in which the clicks of addresses are to be counted.
create table settling_minutes (
    minute bigint primary key
);

-- The version of the lists that all clicks of a day are classed with; the day is that of the click ids, in UTC. A day with
-- another version is classed anew.
create table class_days (
    day date primary key,
    lists text not null
);
insert into class_days select distinct day, '' from click_days;

-- Runs that class stored clicks anew, day by day.
create table class_runs (
    run_id bigint generated always as identity primary key,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'superseded')),
    -- The version of the lists; null until the run begins.
    lists text,
    -- The days that were asked for; null: all whose version is another one.
    from_day date,
    to_day date,
    -- The last day that is done; the newest day comes first.
    done_day date,
    -- The day that is being done, and the last click of it that is done.
    day date,
    after_id uuid,
    changed bigint not null default 0,
    requested_by text not null,
    requested_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz
);
create index class_runs_unfinished on class_runs (run_id) where state in ('waiting', 'running');

-- What a run found: clicks by day of their ids and class, as they were and as they are by the new lists.
create table class_run_counts (
    run_id bigint not null references class_runs on delete cascade,
    day date not null,
    class text not null,
    clicks_before bigint not null default 0,
    clicks_after bigint not null default 0,
    primary key (run_id, day, class)
);
