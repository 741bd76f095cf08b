-- What an event is worth and who approves it, and the log of every change of a conversion.

create table event_types (
    event text primary key check (event ~ '^[a-z][a-z0-9_]{0,39}$'),
    name text not null check (length(name) between 1 and 200),
    built_in boolean not null default false,
    -- Counts again for the same click without an order id; else once.
    repeatable boolean not null default false,
    -- Which amounts of a commission plan it earns: cpa, cpl, the revshare percentage, or cpa and percentage (hybrid).
    commission text not null default 'none' check (commission in ('none', 'cpa', 'cpl', 'revshare', 'hybrid')),
    approval text not null default 'auto' check (approval in ('auto', 'manual')),
    payout_schedule text not null default 'monthly' check (payout_schedule in ('weekly', 'fortnightly', 'monthly')),
    hold_days integer not null default 0 check (hold_days between 0 and 365),
    minimum_payout_minor bigint not null default 0 check (minimum_payout_minor >= 0),
    active boolean not null default true,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
insert into event_types (event, name, built_in, repeatable, commission) values
    ('registration', 'Registration', true, false, 'cpl'),
    ('ftd', 'First-time deposit', true, false, 'cpa'),
    ('deposit', 'Deposit', true, true, 'revshare'),
    ('qualified', 'Qualified', true, false, 'cpa'),
    ('revenue_share', 'Revenue share', true, true, 'revshare'),
    ('conversion', 'Conversion', true, false, 'hybrid');

-- The click's country, for commission plans and reports; null where it is not known.
alter table conversions add column country text check (country ~ '^[A-Z]{2}$');

-- One row for every change of a conversion that matters to money or partners, written by the trigger below, so that no
-- path forgets it. `booked_at` is null until worker.bookkeeping has appended the entries and deliveries that follow.
create table conversion_changes (
    change_id bigint generated always as identity primary key,
    conversion_id uuid not null references conversions,
    changed_at timestamptz not null default now(),
    cause text not null check (cause in ('postback', 'operator', 'replay', 'reconciliation')),
    postback_id uuid,
    actor text,
    note text,
    from_status text,
    to_status text not null,
    from_payout_minor bigint,
    to_payout_minor bigint,
    from_currency text,
    to_currency text,
    reason text,
    booked_at timestamptz
);
create index conversion_changes_unbooked on conversion_changes (change_id) where booked_at is null;
create index conversion_changes_by_conversion on conversion_changes (conversion_id, change_id);

-- Who changes a conversion says so with set_config('waypost.cause' | 'waypost.postback' | 'waypost.actor' | 'waypost.note', …, true)
-- in its transaction; a postback is the cause where nobody says otherwise.
create function log_conversion_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.status = old.status and new.payout_minor is not distinct from old.payout_minor
        and new.currency is not distinct from old.currency then
        return null;
    end if;
    insert into conversion_changes (conversion_id, cause, postback_id, actor, note, from_status, to_status,
        from_payout_minor, to_payout_minor, from_currency, to_currency, reason)
    values (new.conversion_id, coalesce(nullif(current_setting('waypost.cause', true), ''), 'postback'),
        nullif(current_setting('waypost.postback', true), '')::uuid,
        nullif(current_setting('waypost.actor', true), ''), nullif(current_setting('waypost.note', true), ''),
        case when tg_op = 'UPDATE' then old.status end, new.status,
        case when tg_op = 'UPDATE' then old.payout_minor end, new.payout_minor,
        case when tg_op = 'UPDATE' then old.currency end, new.currency, new.reason);
    return null;
end
$$;
create trigger conversion_is_logged after insert or update on conversions
    for each row execute function log_conversion_change();
