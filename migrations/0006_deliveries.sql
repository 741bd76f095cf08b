-- What is reported on to partners: outgoing postbacks as the operator sets them up, a delivery for every change of a
-- conversion that one of them wants, and every attempt at it.

create table outgoing_postbacks (
    outgoing_postback_id bigint generated always as identity primary key,
    name text not null check (length(name) between 2 and 100),
    -- Null: conversions of every source.
    source_id bigint references sources,
    template text,
    method text not null default 'GET' check (method in ('GET', 'POST')),
    url text not null,
    -- Whom it calls: deliveries to one origin share a limit of concurrent requests.
    origin text generated always as (lower(substring(url from '^[A-Za-z]+://[^/?#]+'))) stored,
    -- Empty: all.
    events text[] not null default '{}',
    statuses text[] not null default '{approved}',
    -- Whether a change of the amount alone is reported too; to most partners a second call is a second conversion.
    amount_changes boolean not null default false,
    state text not null default 'enabled' check (state in ('enabled', 'disabled', 'suspended')),
    state_reason text,
    -- Newest first; all of them sign. SECURITY: kept readable, since a hash cannot sign.
    secrets text[] not null check (cardinality(secrets) between 1 and 2),
    -- The first failed attempt since the last one that was answered with 2xx.
    failing_since timestamptz,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index outgoing_postbacks_by_source on outgoing_postbacks (source_id);

-- Whoever enables it, or points it elsewhere, gives it another five days.
create function forgive_outgoing_postback() returns trigger language plpgsql as $$
begin
    if new.state = 'enabled' and (old.state <> 'enabled' or new.url <> old.url) then
        new.failing_since := null;
        new.state_reason := null;
    end if;
    return new;
end
$$;
create trigger outgoing_postback_is_forgiven before update of state, url on outgoing_postbacks
    for each row execute function forgive_outgoing_postback();

-- `delivery_id` is what the partner sees on every attempt. `facts` is what it reports, as it stood when it was planned.
create table deliveries (
    delivery_id uuid primary key default gen_random_uuid(),
    outgoing_postback_id bigint not null references outgoing_postbacks on delete cascade,
    -- Null for a test, which no change made.
    change_id bigint references conversion_changes,
    conversion_id uuid references conversions,
    click_id uuid,
    event text not null,
    facts jsonb not null,
    is_test boolean not null default false,
    state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    -- When it is sent next. While an attempt is under way: when that attempt is given up for lost and made again.
    due_at timestamptz default now(),
    -- All attempts so far, and those of this round: a replay begins the schedule anew and numbers on.
    attempts integer not null default 0 check (attempts >= 0),
    tries integer not null default 0 check (tries >= 0),
    planned_at timestamptz not null default now(),
    finished_at timestamptz,
    unique (outgoing_postback_id, change_id),
    check ((state = 'pending') = (due_at is not null)),
    check ((change_id is null) = is_test)
);
create index deliveries_due on deliveries (outgoing_postback_id, due_at) where state = 'pending';
create index deliveries_tests_due on deliveries (due_at) where state = 'pending' and is_test;
create index deliveries_by_conversion on deliveries (conversion_id);
create index deliveries_by_click on deliveries (click_id);
create index deliveries_by_time on deliveries (planned_at, delivery_id);

-- One row an attempt, written before anything is sent. Without `ended_at` it is under way, or its worker died in it.
create table delivery_attempts (
    delivery_id uuid not null references deliveries on delete cascade,
    attempt integer not null,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    duration_ms integer,
    method text,
    url text,
    headers jsonb,
    body text,
    -- The address that was called: the one that the resolver's answer was checked for.
    address inet,
    response_status integer,
    response_headers jsonb,
    response_body text,
    error text,
    detail text,
    primary key (delivery_id, attempt)
);
