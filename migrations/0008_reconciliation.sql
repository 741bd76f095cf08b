-- What a merchant's report was compared with, and the ways by which a click and its postbacks are looked for.

-- One run: a report, how it was read (`rules`), and what came of it (`figures`, by class of row). The days are those of
-- `time_zone`, as the report has them; the two moments are what they come to.
create table reconciliations (
    reconciliation_id bigint generated always as identity primary key,
    merchant_id bigint not null references merchants on delete cascade,
    first_day date not null,
    last_day date not null check (last_day >= first_day),
    time_zone text not null,
    begins_at timestamptz not null,
    ends_at timestamptz not null check (ends_at > begins_at),
    file_name text,
    file_bytes bigint not null,
    file_sha256 text not null check (file_sha256 ~ '^[0-9a-f]{64}$'),
    rules jsonb not null,
    report_rows integer not null default 0,
    figures jsonb not null default '{}',
    created_at timestamptz not null default now()
);
create index reconciliations_by_merchant on reconciliations (merchant_id, reconciliation_id);

-- `row_number` counts the rows of the file from 1, its heading included; null for what only we have. The first columns
-- are what the report says; those that begin with `our_` are the conversion as it was when it was compared.
create table reconciliation_rows (
    reconciliation_id bigint not null references reconciliations on delete cascade,
    row_id integer not null,
    class text not null check (class in ('equal', 'different', 'missing-here', 'missing-there', 'repeated', 'ambiguous',
        'outside-period', 'bad-row')),
    row_number integer,
    reported_on date,
    order_id text,
    click_id uuid,
    event text,
    amount_minor bigint,
    currency text,
    status text,
    conversion_id uuid,
    our_received_at timestamptz,
    our_order_id text,
    our_click_id uuid,
    our_event text,
    our_amount_minor bigint,
    our_currency text,
    our_status text,
    differences text[] not null default '{}',
    -- Of a bad row, each cell that cannot be read: [{"column", "value", "fix"}, ...].
    faults jsonb,
    primary key (reconciliation_id, row_id),
    check (row_number is not null or conversion_id is not null),
    check ((class = 'bad-row') = (faults is not null))
);
create index reconciliation_rows_by_class on reconciliation_rows (reconciliation_id, class, row_id);

-- An order id is how merchants name a conversion, in reports and in questions.
create index conversions_by_order on conversions (order_id, merchant_id) where order_id is not null;
create index conversions_by_merchant on conversions (merchant_id, received_at);
-- Also by its beginning, whatever the collation.
create index postbacks_by_order on postbacks (order_id text_pattern_ops, received_at) where order_id is not null;

-- Lists of postbacks, newest first, by any of their filters and a page at a time, each from an index that has the order
-- of the list: ten million rows cost no more than a hundred. Every postback is parked until it is judged, in the same
-- transaction for nearly all of them, and most are then recorded: neither is worth an entry by outcome or reason.
create index postbacks_newest on postbacks (received_at, postback_id);
drop index postbacks_by_time;
create index postbacks_by_merchant on postbacks (merchant_id, received_at, postback_id);
create index postbacks_by_event on postbacks (event, received_at, postback_id);
create index postbacks_by_outcome on postbacks (outcome, received_at, postback_id)
    where outcome <> 'recorded' and outcome <> 'parked';
create index postbacks_by_reason on postbacks (reason, received_at, postback_id)
    where reason is not null and reason <> 'click-not-stored-yet';

create index issues_by_click on issues (click_id) where click_id is not null;

-- Clicks have no index of addresses, which every click would pay for. Looked for by address, they are read by the primary
-- key, which is the time: the minutes that are asked for, out of one day's partition or two.

-- When a parked postback was judged. One that never waited was judged when it was stored.
alter table postbacks add column judged_at timestamptz;
create function note_judgement() returns trigger language plpgsql as $$
begin
    new.judged_at := now();
    return new;
end
$$;
create trigger postback_is_judged before update of outcome on postbacks for each row
    when (old.outcome = 'parked' and new.outcome <> 'parked' and new.judged_at is null)
    execute function note_judgement();
