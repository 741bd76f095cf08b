-- What the edge recorded: clicks, postbacks, conversions, and how far each spool has been stored.

create table clicks (
    click_id uuid primary key,
    clicked_at timestamptz not null,
    link_id bigint not null,
    profile_id bigint not null,
    config_version bigint not null,
    class text not null,
    method text not null,
    host text not null,
    slug text not null,
    query text not null,
    parameters jsonb not null,
    sub1 text, sub2 text, sub3 text, sub4 text, sub5 text,
    sub6 text, sub7 text, sub8 text, sub9 text, sub10 text,
    ip inet,
    user_agent text not null,
    referrer text not null,
    accept_language text not null,
    location text not null,
    spool_id text not null,
    spool_number bigint not null,
    stored_at timestamptz not null default now()
) partition by range (click_id);
create index clicks_by_link on clicks (link_id, clicked_at);

-- Which days have a partition; `make_click_partition` adds one. A click that comes days late or early still gets one.
create function make_click_partition(day date, low uuid, high uuid) returns boolean language plpgsql as $$
declare
    partition_name text := 'clicks_' || to_char(day, 'YYYYMMDD');
begin
    if to_regclass(partition_name) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtext('waypost.make_click_partition'));
    -- Asked of the table: to_regclass would answer from the session's cache, which an advisory lock does not renew, and
    -- then miss the partition that the lock's last holder made.
    if exists (select from pg_class where relname = partition_name and relnamespace = current_schema()::regnamespace) then
        return false;
    end if;
    -- Made aside and attached: `partition of` would lock all of clicks exclusively, so that one long report could hold up
    -- the storing of clicks; attaching lets reads and inserts go on.
    execute format('create table %I (like clicks including defaults including constraints including indexes)', partition_name);
    execute format('alter table clicks attach partition %I for values from (%L) to (%L)', partition_name, low, high);
    return true;
end
$$;

-- Stored clicks by day, link and class: incremented with the rows really inserted, in their transaction.
create table click_days (
    day date not null,
    link_id bigint not null,
    class text not null,
    clicks bigint not null,
    primary key (day, link_id, class)
);
create index click_days_by_link on click_days (link_id);

-- How far a spool is stored. All record numbers below `done` and in `ahead` ([[first, end), ...]) are accounted for:
-- `stored` rows inserted, `duplicates` already there, `poisoned` kept in poison_records, `missing` lost in damaged files.
create table spool_progress (
    spool_id text primary key,
    done bigint not null default 0,
    ahead jsonb not null default '[]',
    stored bigint not null default 0,
    duplicates bigint not null default 0,
    poisoned bigint not null default 0,
    missing bigint not null default 0,
    updated_at timestamptz not null default now()
);

-- Records that cannot be stored as what they claim to be, kept whole with the reason.
create table poison_records (
    spool_id text not null,
    spool_number bigint not null,
    payload text not null,
    reason text not null,
    stored_at timestamptz not null default now(),
    primary key (spool_id, spool_number)
);

create table conversions (
    conversion_id uuid primary key default gen_random_uuid(),
    click_id uuid not null,
    merchant_id bigint not null,
    link_id bigint not null,
    event text not null,
    order_id text,
    -- The judge of duplicates: order:{event}:{order id}, or once:{event}:{click id}; null for events that may repeat.
    duplicate_key text,
    status text not null check (status in ('pending', 'approved', 'rejected', 'reversed')),
    reason text,
    -- The status word of the postback that last made or changed the row: the same words again are a duplicate.
    status_sent text,
    payout_minor bigint,
    currency text check (currency ~ '^[A-Z]{3}$'),
    authenticated boolean not null,
    clicked_at timestamptz not null,
    received_at timestamptz not null,
    updated_at timestamptz not null default now(),
    unique (merchant_id, duplicate_key)
);
create index conversions_by_click on conversions (click_id);

create table postbacks (
    postback_id uuid primary key,
    received_at timestamptz not null,
    route text not null,
    method text not null,
    host text not null,
    query text not null,
    content_type text not null,
    body text not null,
    ip inet,
    user_agent text not null,
    merchant_id bigint,
    authenticated boolean not null,
    click_id uuid,
    event text,
    order_id text,
    status_sent text,
    payout_minor bigint,
    currency text,
    answered integer not null,
    outcome text not null check (outcome in ('recorded', 'transition', 'duplicate', 'parked', 'refused')),
    reason text,
    detail text,
    conversion_id uuid references conversions,
    spool_id text not null,
    spool_number bigint not null,
    stored_at timestamptz not null default now()
);
create index postbacks_by_click on postbacks (click_id);
create index postbacks_parked on postbacks (click_id) where outcome = 'parked';
create index postbacks_by_time on postbacks (received_at);
