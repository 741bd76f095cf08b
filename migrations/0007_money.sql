-- What conversions earn: commission plans, exchange rates, the append-only ledger of entries, and payouts to sources.

-- What a source earns. All amounts are minor units of the plan's currency; null means that the plan has no such term.
create table commission_plans (
    plan_id bigint generated always as identity primary key,
    name text not null check (length(name) between 1 and 200),
    description text check (length(description) <= 2000),
    -- The brand and the countries it is for; null and empty mean all.
    merchant_id bigint references merchants,
    countries text[] not null default '{}',
    -- The first day, in UTC, whose conversions it is for.
    starts_on date not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    baseline_minor bigint check (baseline_minor >= 0),
    cpa_minor bigint check (cpa_minor >= 0),
    cpl_minor bigint check (cpl_minor >= 0),
    revshare_percent numeric(7, 4) check (revshare_percent between 0 and 100),
    active boolean not null default true,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index commission_plans_by_merchant on commission_plans (merchant_id);
alter table links add column plan_id bigint references commission_plans;
alter table profiles add column plan_id bigint references commission_plans;
alter table merchants add column default_plan_id bigint references commission_plans;
create index links_by_plan on links (plan_id) where plan_id is not null;

-- The least a payout of an event type may be is money too.
alter table event_types add column minimum_payout_currency text not null default 'USD'
    check (minimum_payout_currency ~ '^[A-Z]{3}$');

create index conversions_by_time on conversions (received_at, conversion_id);
create index conversions_pending on conversions (received_at, conversion_id) where status = 'pending';

-- One unit of `base` is `rate` units of `quote`. A rate counts from its date on for `valid_days` more days.
create table exchange_rates (
    rate_id bigint generated always as identity primary key,
    origin text not null check (origin in ('ecb', 'operator')),
    base text not null check (base ~ '^[A-Z]{3}$'),
    quote text not null check (quote ~ '^[A-Z]{3}$'),
    rate_date date not null,
    rate numeric not null check (rate > 0 and rate < 'Infinity'),
    valid_days integer not null default 7 check (valid_days between 0 and 366),
    note text,
    created_at timestamptz not null default now(),
    check (base <> quote),
    unique (origin, base, quote, rate_date)
);
create index exchange_rates_by_date on exchange_rates (rate_date);

-- What sources are paid, one per source, currency, schedule and period: open → approved → paid, or rejected.
create table payouts (
    payout_id bigint generated always as identity primary key,
    source_id bigint not null references sources,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    payout_schedule text not null check (payout_schedule in ('weekly', 'fortnightly', 'monthly')),
    -- The end of the last period whose entries it pays; they were payable before it.
    period_ends_at timestamptz not null,
    state text not null default 'open' check (state in ('open', 'approved', 'paid', 'rejected')),
    -- What is paid instead of the sum of the entries; says why in `note`.
    override_minor bigint check (override_minor > 0),
    note text,
    -- What was paid; the ledger holds the same as an entry.
    paid_minor bigint check (paid_minor > 0),
    reference text,
    decided_at timestamptz,
    decided_by text,
    paid_at timestamptz,
    paid_by text,
    revision integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    unique (payout_id, source_id, currency),
    check (override_minor is null or note is not null),
    check ((state = 'paid') = (paid_minor is not null) and (state = 'paid') = (paid_at is not null))
);
create unique index payouts_one_a_period on payouts (source_id, currency, payout_schedule, period_ends_at)
    where state <> 'rejected';

-- What a conversion earns under which terms, as it was last booked. The terms are chosen when it is first booked and stay
-- until an operator has them chosen again.
create table bookings (
    conversion_id uuid primary key references conversions,
    source_id bigint references sources,
    plan_id bigint references commission_plans,
    -- Which rung of the precedence the plan won on.
    plan_rung text,
    commission text not null check (commission in ('none', 'cpa', 'cpl', 'revshare', 'hybrid')),
    payout_schedule text not null check (payout_schedule in ('weekly', 'fortnightly', 'monthly')),
    hold_days integer not null check (hold_days between 0 and 365),
    -- When its commission may be paid: the first approval and the hold days.
    payable_at timestamptz,
    commission_minor bigint not null default 0,
    currency text check (currency ~ '^[A-Z]{3}$'),
    -- Why it earns nothing, or not all that its event type could.
    reasons text[] not null default '{}',
    -- The merchant's amount that the commission was computed of, where it had to be converted.
    original_minor bigint,
    original_currency text check (original_currency ~ '^[A-Z]{3}$'),
    rate numeric,
    rate_date date,
    -- A rate is missing: nothing is guessed, and booking is tried again.
    postponed boolean not null default false,
    -- An operator wants its terms chosen again, as of today's plans and event types.
    renew boolean not null default false,
    booked_at timestamptz not null default now(),
    check ((rate is null) = (original_minor is null) and (rate is null) = (original_currency is null)
        and (rate is null) = (rate_date is null))
);
create index bookings_unfinished on bookings (conversion_id) where postponed or renew;
create index bookings_by_plan on bookings (plan_id);

-- The ledger. A merchant's entries are what it owes us, a source's what we owe it; a balance is their sum. Never changed:
-- a correction is a new entry. `actor` is set where an operator made the entry, else bookkeeping did.
create table entries (
    entry_id bigint generated always as identity primary key,
    party text not null check (party in ('merchant', 'source')),
    kind text not null check (kind in ('revenue', 'commission', 'adjustment', 'reversal', 'payout')),
    conversion_id uuid references conversions,
    merchant_id bigint references merchants,
    source_id bigint references sources,
    amount_minor bigint not null check (amount_minor <> 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    original_minor bigint,
    original_currency text check (original_currency ~ '^[A-Z]{3}$'),
    rate numeric,
    rate_date date,
    plan_id bigint references commission_plans,
    change_id bigint references conversion_changes,
    actor text,
    note text,
    payout_schedule text check (payout_schedule in ('weekly', 'fortnightly', 'monthly')),
    payable_at timestamptz,
    payout_id bigint,
    -- True of what paying adds to a payout beside the payment: the difference that an override makes.
    settles_payout boolean check (settles_payout),
    locked boolean not null default false,
    created_at timestamptz not null default now(),
    foreign key (payout_id, source_id, currency) references payouts (payout_id, source_id, currency),
    check (party <> 'merchant' or (merchant_id is not null and kind in ('revenue', 'adjustment', 'reversal')
        and payout_id is null and not locked)),
    check (party <> 'source' or (source_id is not null and kind <> 'revenue' and payout_schedule is not null
        and payable_at is not null)),
    check (kind <> 'payout' or (amount_minor < 0 and payout_id is not null and locked)),
    check (not locked or payout_id is not null),
    check (actor is null or note is not null),
    check ((rate is null) = (original_minor is null) and (rate is null) = (original_currency is null)
        and (rate is null) = (rate_date is null))
);
create index entries_by_conversion on entries (conversion_id);
create index entries_by_source on entries (source_id, currency) where party = 'source';
create index entries_by_merchant on entries (merchant_id, currency) where party = 'merchant';
create index entries_by_payout on entries (payout_id) where payout_id is not null;
create index entries_payable on entries (payable_at) where party = 'source' and payout_id is null;

create function keep_entry() returns trigger language plpgsql as $$
declare
    payout_state text;
begin
    if tg_op in ('DELETE', 'TRUNCATE') then
        raise exception 'entries are never deleted; append a correcting entry' using errcode = 'restrict_violation';
    end if;
    if tg_op = 'UPDATE' then
        if old.locked then
            raise exception 'entry % is locked: it was paid', old.entry_id using errcode = 'restrict_violation';
        end if;
        -- Compared whole, so that a column added later is kept by itself.
        if to_jsonb(new) - '{payout_id,locked}'::text[] <> to_jsonb(old) - '{payout_id,locked}'::text[] then
            raise exception 'entries are never changed; append a correcting entry' using errcode = 'restrict_violation';
        end if;
    end if;
    if new.payout_id is not null then
        select state into payout_state from payouts where payout_id = new.payout_id for share;
        if payout_state in ('paid', 'rejected') then
            raise exception 'payout % is %, and takes no more entries', new.payout_id, payout_state
                using errcode = 'restrict_violation';
        end if;
    end if;
    return new;
end
$$;
create trigger entries_are_kept before insert or update or delete on entries for each row execute function keep_entry();
create trigger entries_are_not_truncated before truncate on entries for each statement execute function keep_entry();

create function keep_payout() returns trigger language plpgsql as $$
declare
    unsettled bigint;
begin
    if tg_op = 'DELETE' or old.state in ('paid', 'rejected') then
        raise exception 'payout % is %, and stays as it is', old.payout_id, old.state using errcode = 'restrict_violation';
    end if;
    if (old.state, new.state) not in (('open', 'open'), ('open', 'approved'), ('open', 'rejected'),
        ('approved', 'approved'), ('approved', 'paid'), ('approved', 'rejected')) then
        raise exception 'payout % cannot go from % to %', old.payout_id, old.state, new.state
            using errcode = 'restrict_violation';
    end if;
    if (new.source_id, new.currency, new.payout_schedule, new.period_ends_at)
        <> (old.source_id, old.currency, old.payout_schedule, old.period_ends_at) then
        raise exception 'payout % is of another source, currency or period', old.payout_id
            using errcode = 'restrict_violation';
    end if;
    if new.state = 'paid' then
        -- Paid means settled: what was owed, what was overridden and what was paid make zero, and none of it moves again.
        select count(*) filter (where not locked) + abs(coalesce(sum(amount_minor), 0))::bigint into unsettled
            from entries where payout_id = new.payout_id;
        if unsettled <> 0 then
            raise exception 'payout % is not settled by its entries', new.payout_id using errcode = 'restrict_violation';
        end if;
    end if;
    return new;
end
$$;
create trigger payouts_are_kept before update or delete on payouts for each row execute function keep_payout();

-- What may be paid to sources: entries that were payable before the end of their schedule's last period and that no payout
-- has. `minimums` are the largest minimum payouts of their event types by currency, `standing` the state of the payout
-- there is for the period already; of several, one that was not rejected.
create function payable_at(weekly timestamptz, fortnightly timestamptz, monthly timestamptz) returns table (
    source_id bigint, currency text, payout_schedule text, amount_minor bigint, entries bigint, minimums jsonb, standing text
) language sql stable as $$
    with ends (payout_schedule, until) as (values ('weekly', weekly), ('fortnightly', fortnightly), ('monthly', monthly)),
    ready as (
        select e.source_id, e.currency, e.payout_schedule, e.amount_minor, c.event, ends.until
        from entries e join ends using (payout_schedule) left join conversions c using (conversion_id)
        where e.party = 'source' and e.payout_id is null and not e.locked and e.payable_at < ends.until
    ),
    groups as (
        select source_id, currency, payout_schedule, until, sum(amount_minor)::bigint as amount_minor, count(*) as entries,
            array_agg(distinct event) filter (where event is not null) as events
        from ready group by 1, 2, 3, 4
    )
    select source_id, currency, payout_schedule, amount_minor, entries,
        (select coalesce(jsonb_object_agg(of_currency, least_minor), '{}') from (
            select t.minimum_payout_currency as of_currency, max(t.minimum_payout_minor) as least_minor
            from event_types t where t.event = any(groups.events) and t.minimum_payout_minor > 0 group by 1) as largest),
        (select p.state from payouts p where p.source_id = groups.source_id and p.currency = groups.currency
            and p.payout_schedule = groups.payout_schedule and p.period_ends_at = groups.until
            order by p.state = 'rejected', p.payout_id desc limit 1)
    from groups order by source_id, currency, payout_schedule
$$;

-- Makes the payout of a period and gives it the entries it pays. Both who run payouts call it: the schedule and the operator.
create function make_payout(of_source bigint, of_currency text, of_schedule text, until timestamptz) returns bigint
language plpgsql as $$
declare
    made bigint;
begin
    insert into payouts (source_id, currency, payout_schedule, period_ends_at)
        values (of_source, of_currency, of_schedule, until) returning payout_id into made;
    update entries set payout_id = made
        where party = 'source' and source_id = of_source and currency = of_currency and payout_schedule = of_schedule
            and payable_at < until and payout_id is null and not locked;
    return made;
end
$$;

-- Terms that conversions were booked under are kept: what they earned could not be explained otherwise.
create function keep_plan_terms() returns trigger language plpgsql as $$
begin
    if (new.merchant_id, new.countries, new.starts_on, new.currency, new.baseline_minor, new.cpa_minor, new.cpl_minor,
            new.revshare_percent) is distinct from (old.merchant_id, old.countries, old.starts_on, old.currency,
            old.baseline_minor, old.cpa_minor, old.cpl_minor, old.revshare_percent)
        and exists (select from bookings where plan_id = old.plan_id) then
        raise exception 'conversions were booked under plan %', old.plan_id
            using errcode = 'check_violation', constraint = 'commission_plans_terms_are_kept';
    end if;
    return new;
end
$$;
create trigger plan_terms_are_kept before update on commission_plans for each row execute function keep_plan_terms();
