-- Roll-ups of reports, what is not folded into them yet, and the views of rows that reports are compared with. At every
-- commit a report is the roll-ups and the unfolded rows together. docs/reports.md tells how they are kept; the groups and
-- their columns are those of tracking/reports.

-- PERF: exact, answers bigint, and takes half the time of sum(bigint), which keeps 128 bits and answers numeric.
create aggregate report_sum(bigint) (
    sfunc = int8pl, stype = bigint, initcond = '0', combinefunc = int8pl, parallel = safe
);
create type click_id_range as range (subtype = uuid);

-- One row. Days are numbers since 1970-01-01, hours Unix seconds / 3600.
create table report_state (
    singleton boolean primary key default true check (singleton),
    -- The zone of the days. Null until the first fold, which takes REPORT_TIME_ZONE.
    time_zone text,
    -- Blocks of 4, 16 and 64 days have only days before this one; later days are at level 1 (and 0) alone.
    built_day integer not null default 0,
    -- Hour rows are complete from this hour on, and there are none before it.
    hours_from integer not null default 0
);
insert into report_state default values;

-- The clicks that are not folded yet. A row for each stored batch, written in its transaction, and one without a spool for
-- all clicks that were stored before roll-ups were kept, whose `low` rises as they are folded. It has no unique key besides
-- its own, since batches that are stored at the same time would wait for it.
create table report_queue (
    queue_id bigint generated always as identity primary key,
    -- The lowest and the highest click id.
    low uuid not null,
    high uuid not null,
    -- The records of the batch, `past` not included.
    spool_id text,
    first bigint,
    past bigint,
    noted_at timestamptz not null default now(),
    check ((spool_id is null) = (first is null) and (spool_id is null) = (past is null))
);
create index report_queue_ranges on report_queue (low) where spool_id is null;

-- The clicks of noted batches as they are now, with what reports ask of them. PERF: 150 bytes a click, and a hundredth of a
-- millisecond less for each click that is not folded yet: a report would read them in `clicks` otherwise, among all else.
create table report_recent (
    queue_id bigint not null,
    click_id uuid not null,
    clicked_at timestamptz not null,
    link_id bigint not null, profile_id bigint not null, rule_id bigint, destination_id bigint,
    country text, region text, city text, device text, os text, browser text, language text, referrer_host text,
    sub1 text, sub2 text, sub3 text, sub4 text, sub5 text, sub6 text, sub7 text, sub8 text, sub9 text, sub10 text,
    class text not null, is_unique boolean not null, cost numeric
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 100000);
-- PERF: what was folded and deleted is not read again, however late it is vacuumed.
create index report_recent_by_batch on report_recent (queue_id);

-- The records of each spool that were stored before: those of the row without a spool.
create table report_marks (
    spool_id text primary key,
    numbers int8multirange not null
);

-- What changed about stored clicks: each row as it was (sign -1) and as it is (1). Rows of clicks that are not folded yet do
-- not count, since those are read as they are.
create table report_click_changes (
    change_id bigint generated always as identity primary key,
    sign smallint not null check (sign in (-1, 1)),
    click_id uuid not null,
    clicked_at timestamptz not null,
    spool_id text not null,
    spool_number bigint not null,
    link_id bigint not null, profile_id bigint not null, merchant_id bigint not null, source_id bigint not null,
    rule_id bigint not null, destination_id bigint not null, country text not null, region text not null,
    city text not null, device text not null, os text not null, browser text not null, language text not null,
    referrer_host text not null, sub1 text not null, sub2 text not null, sub3 text not null, sub4 text not null,
    sub5 text not null, sub6 text not null, sub7 text not null, sub8 text not null, sub9 text not null, sub10 text not null,
    class text not null, is_unique boolean not null, cost_micro bigint not null
);

-- Conversions whose facts are to be folded; one may be here several times, so that nobody waits.
create table report_conversion_queue (
    queue_id bigint generated always as identity primary key,
    conversion_id uuid not null,
    noted_at timestamptz not null default now()
);
create index report_conversion_queue_by_conversion on report_conversion_queue (conversion_id);

-- The facts of conversions as they are in the roll-ups. They keep what was known of a click that was dropped since.
create table report_conversions (
    conversion_id uuid not null,
    -- A row for the conversion's own currency ('' if it has none), which has its status, and for each one of its entries.
    currency text not null,
    click_id uuid not null,
    event text not null,
    order_id text not null,
    clicked_at timestamptz not null,
    received_at timestamptz not null,
    link_id bigint not null, profile_id bigint not null, merchant_id bigint not null, source_id bigint not null,
    rule_id bigint not null, destination_id bigint not null, country text not null, region text not null,
    city text not null, device text not null, os text not null, browser text not null, language text not null,
    referrer_host text not null, sub1 text not null, sub2 text not null, sub3 text not null, sub4 text not null,
    sub5 text not null, sub6 text not null, sub7 text not null, sub8 text not null, sub9 text not null, sub10 text not null,
    pending smallint not null, approved smallint not null, rejected smallint not null, reversed smallint not null,
    -- The sums of its entries: what the merchant owes for it, and what a source earns.
    revenue_minor bigint not null, commission_minor bigint not null,
    primary key (conversion_id, currency)
) with (fillfactor = 80);
create index report_conversions_by_click_time on report_conversions (clicked_at, conversion_id);
create index report_conversions_by_time on report_conversions (received_at, conversion_id);
create index report_conversions_by_click on report_conversions (click_id);

-- How many keys a group has on a day, of groups whose values visitors choose.
create table report_days (
    grp text not null,
    day integer not null,
    keys bigint not null,
    primary key (grp, day)
);
-- Days with too many keys: the group has no row of them, at no level.
create table report_gaps (
    grp text not null,
    day integer not null,
    primary key (grp, day)
);

-- The roll-ups. `level` 0: `block` is the hour. Level 1, 4, 16, 64: `block` is the day number / level. The axis of
-- conversions is 0 for the date of the click, 1 for that of the conversion.
create table report_clicks_total (
    level smallint not null, block integer not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_total (
    level smallint not null, block integer not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_total (
    level smallint not null, block integer not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_link (
    level smallint not null, block integer not null,
    link_id bigint not null, profile_id bigint not null, merchant_id bigint not null, source_id bigint not null, rule_id bigint not null, destination_id bigint not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, link_id, profile_id, merchant_id, source_id, rule_id, destination_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_link (
    level smallint not null, block integer not null,
    link_id bigint not null, profile_id bigint not null, merchant_id bigint not null, source_id bigint not null, rule_id bigint not null, destination_id bigint not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, link_id, profile_id, merchant_id, source_id, rule_id, destination_id, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_link (
    level smallint not null, block integer not null,
    link_id bigint not null, profile_id bigint not null, merchant_id bigint not null, source_id bigint not null, rule_id bigint not null, destination_id bigint not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, link_id, profile_id, merchant_id, source_id, rule_id, destination_id, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create index report_clicks_link_by_link on report_clicks_link (link_id, level, block);
create index report_conversions_link_by_link on report_conversions_link (link_id, level, block);
create index report_events_link_by_link on report_events_link (link_id, level, block);
create table report_clicks_source (
    level smallint not null, block integer not null,
    source_id bigint not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, source_id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_source (
    level smallint not null, block integer not null,
    source_id bigint not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_source (
    level smallint not null, block integer not null,
    source_id bigint not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_country (
    level smallint not null, block integer not null,
    country text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, country)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_country (
    level smallint not null, block integer not null,
    country text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, country, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_country (
    level smallint not null, block integer not null,
    country text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, country, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_device (
    level smallint not null, block integer not null,
    device text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, device)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_device (
    level smallint not null, block integer not null,
    device text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, device, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_device (
    level smallint not null, block integer not null,
    device text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, device, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_audience (
    level smallint not null, block integer not null,
    source_id bigint not null, country text not null, device text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, source_id, country, device)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_audience (
    level smallint not null, block integer not null,
    source_id bigint not null, country text not null, device text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, country, device, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_audience (
    level smallint not null, block integer not null,
    source_id bigint not null, country text not null, device text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, country, device, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_place (
    level smallint not null, block integer not null,
    country text not null, region text not null, city text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, country, region, city)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_place (
    level smallint not null, block integer not null,
    country text not null, region text not null, city text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, country, region, city, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_place (
    level smallint not null, block integer not null,
    country text not null, region text not null, city text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, country, region, city, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_technology (
    level smallint not null, block integer not null,
    device text not null, os text not null, browser text not null, language text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, device, os, browser, language)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_technology (
    level smallint not null, block integer not null,
    device text not null, os text not null, browser text not null, language text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, device, os, browser, language, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_technology (
    level smallint not null, block integer not null,
    device text not null, os text not null, browser text not null, language text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, device, os, browser, language, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_referrer (
    level smallint not null, block integer not null,
    source_id bigint not null, referrer_host text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, source_id, referrer_host)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_referrer (
    level smallint not null, block integer not null,
    source_id bigint not null, referrer_host text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, referrer_host, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_referrer (
    level smallint not null, block integer not null,
    source_id bigint not null, referrer_host text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, referrer_host, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_sub1 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub1 text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, source_id, sub1)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_sub1 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub1 text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, sub1, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_sub1 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub1 text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, sub1, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_clicks_sub2 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub2 text not null,
    valid bigint not null, duplicate bigint not null, bot bigint not null, head bigint not null, prefetch bigint not null, datacenter bigint not null, rate bigint not null, uniques bigint not null, cost_micro bigint not null,
    primary key (level, block, source_id, sub2)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_conversions_sub2 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub2 text not null,
    axis smallint not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, sub2, axis, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create table report_events_sub2 (
    level smallint not null, block integer not null,
    source_id bigint not null, sub2 text not null,
    axis smallint not null, event text not null, currency text not null,
    pending bigint not null, approved bigint not null, rejected bigint not null, reversed bigint not null, revenue_minor bigint not null, commission_minor bigint not null,
    primary key (level, block, source_id, sub2, axis, event, currency)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);

-- PERF: amounts in another currency than a report's are converted by the rate of their day, so the days of one currency are
-- read: a quarter of the time of reading all currencies, in the groups with many keys.
create index report_conversions_link_by_currency on report_conversions_link (currency, axis, block) where level = 1;
create index report_events_link_by_currency on report_events_link (currency, axis, block) where level = 1;
create index report_conversions_audience_by_currency on report_conversions_audience (currency, axis, block) where level = 1;
create index report_events_audience_by_currency on report_events_audience (currency, axis, block) where level = 1;
create index report_conversions_place_by_currency on report_conversions_place (currency, axis, block) where level = 1;
create index report_events_place_by_currency on report_events_place (currency, axis, block) where level = 1;
create index report_conversions_technology_by_currency on report_conversions_technology (currency, axis, block) where level = 1;
create index report_events_technology_by_currency on report_events_technology (currency, axis, block) where level = 1;
create index report_conversions_referrer_by_currency on report_conversions_referrer (currency, axis, block) where level = 1;
create index report_events_referrer_by_currency on report_events_referrer (currency, axis, block) where level = 1;
create index report_conversions_sub1_by_currency on report_conversions_sub1 (currency, axis, block) where level = 1;
create index report_events_sub1_by_currency on report_events_sub1 (currency, axis, block) where level = 1;
create index report_conversions_sub2_by_currency on report_conversions_sub2 (currency, axis, block) where level = 1;
create index report_events_sub2_by_currency on report_events_sub2 (currency, axis, block) where level = 1;

-- Clicks with the dimensions of reports: 0 and '' for what is not known, and merchant and source as they were at the click.
create view report_click_rows with (security_invoker = true) as
select
    c.click_id, c.clicked_at, c.spool_id, c.spool_number, c.link_id, c.profile_id,
    coalesce(h.merchant_id, l.merchant_id, 0) as merchant_id,
    case when h.link_id is null then coalesce(l.source_id, 0) else coalesce(h.source_id, 0) end as source_id,
    coalesce(c.rule_id, 0) as rule_id, coalesce(c.destination_id, 0) as destination_id,
    left(coalesce(c.country, ''), 10) as country, left(coalesce(c.region, ''), 200) as region,
    left(coalesce(c.city, ''), 300) as city, left(coalesce(c.device, ''), 100) as device,
    left(coalesce(c.os, ''), 100) as os, left(coalesce(c.browser, ''), 100) as browser,
    left(coalesce(c.language, ''), 100) as language, left(coalesce(c.referrer_host, ''), 300) as referrer_host,
    left(coalesce(c.sub1, ''), 500) as sub1, left(coalesce(c.sub2, ''), 500) as sub2,
    left(coalesce(c.sub3, ''), 500) as sub3, left(coalesce(c.sub4, ''), 500) as sub4,
    left(coalesce(c.sub5, ''), 500) as sub5, left(coalesce(c.sub6, ''), 500) as sub6,
    left(coalesce(c.sub7, ''), 500) as sub7, left(coalesce(c.sub8, ''), 500) as sub8,
    left(coalesce(c.sub9, ''), 500) as sub9, left(coalesce(c.sub10, ''), 500) as sub10, c.class, c.is_unique,
    case when c.cost is null or c.class in ('head', 'prefetch') then 0 else (least(c.cost, 10000) * 1000000)::bigint end as cost_micro,
    c.slug, c.host, c.method, c.ip, c.user_agent, c.referrer, c.location, c.campaign, c.external_id, c.asn, c.isp,
    c.connection, c.erased_at, c.stored_at
from clicks c
    left join links l on l.link_id = c.link_id
    left join lateral (
        select o.link_id, o.merchant_id, o.source_id from link_history o
        where o.link_id = c.link_id and o.until > c.clicked_at order by o.until limit 1
    ) h on true;

-- The clicks of report_queue, with the batch that they are of. PERF: owners are looked up where a question asks for them;
-- a join would look them up for all.
create view report_queued_clicks with (security_invoker = true) as
select r.queue_id, r.clicked_at, r.link_id, r.profile_id,
    coalesce((select o.merchant_id from link_history o where o.link_id = r.link_id and o.until > r.clicked_at
        order by o.until limit 1), l.merchant_id, 0) as merchant_id,
    coalesce((select coalesce(o.source_id, 0) from link_history o where o.link_id = r.link_id and o.until > r.clicked_at
        order by o.until limit 1), l.source_id, 0) as source_id,
    coalesce(r.rule_id, 0) as rule_id, coalesce(r.destination_id, 0) as destination_id,
    left(coalesce(r.country, ''), 10) as country, left(coalesce(r.region, ''), 200) as region,
    left(coalesce(r.city, ''), 300) as city, left(coalesce(r.device, ''), 100) as device,
    left(coalesce(r.os, ''), 100) as os, left(coalesce(r.browser, ''), 100) as browser,
    left(coalesce(r.language, ''), 100) as language, left(coalesce(r.referrer_host, ''), 300) as referrer_host,
    left(coalesce(r.sub1, ''), 500) as sub1, left(coalesce(r.sub2, ''), 500) as sub2,
    left(coalesce(r.sub3, ''), 500) as sub3, left(coalesce(r.sub4, ''), 500) as sub4,
    left(coalesce(r.sub5, ''), 500) as sub5, left(coalesce(r.sub6, ''), 500) as sub6,
    left(coalesce(r.sub7, ''), 500) as sub7, left(coalesce(r.sub8, ''), 500) as sub8,
    left(coalesce(r.sub9, ''), 500) as sub9, left(coalesce(r.sub10, ''), 500) as sub10, r.class, r.is_unique,
    case when r.cost is null or r.class in ('head', 'prefetch') then 0 else (least(r.cost, 10000) * 1000000)::bigint end as cost_micro
from report_queue q join report_recent r on r.queue_id = q.queue_id left join links l on l.link_id = r.link_id
union all
-- `offset 0` keeps the planner from joining first: the range is looked up in the primary key.
select null, clicked_at, link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10, class, is_unique, cost_micro
from report_queue q cross join lateral (
    select r.* from report_click_rows r
    where r.click_id >= q.low and r.click_id <= q.high
        and exists (select from report_marks m where m.spool_id = r.spool_id and m.numbers @> r.spool_number)
    offset 0
) c where q.spool_id is null;

-- What is to be added to the roll-ups of clicks, with the moment of the click in the place of level and block.
create view report_unfolded_clicks with (security_invoker = true) as
select clicked_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    (class = 'valid')::int::bigint as valid, (class = 'duplicate')::int::bigint as duplicate,
    (class = 'bot')::int::bigint as bot, (class = 'head')::int::bigint as head,
    (class = 'prefetch')::int::bigint as prefetch, (class = 'datacenter')::int::bigint as datacenter,
    (class = 'rate')::int::bigint as rate, is_unique::int::bigint as uniques, cost_micro as cost_micro
from report_queued_clicks
union all
select clicked_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    sign * (class = 'valid')::int::bigint as valid, sign * (class = 'duplicate')::int::bigint as duplicate,
    sign * (class = 'bot')::int::bigint as bot, sign * (class = 'head')::int::bigint as head,
    sign * (class = 'prefetch')::int::bigint as prefetch, sign * (class = 'datacenter')::int::bigint as datacenter,
    sign * (class = 'rate')::int::bigint as rate, sign * is_unique::int::bigint as uniques, sign * cost_micro as cost_micro
from report_click_changes c
where not exists (
        select from report_queue q
        where q.spool_id = c.spool_id and c.spool_number >= q.first and c.spool_number < q.past
    )
    and not exists (
        select from report_queue q join report_marks m on m.spool_id = c.spool_id and m.numbers @> c.spool_number
        where q.spool_id is null and c.click_id >= q.low and c.click_id <= q.high
    );

-- The facts of every conversion as they are now.
create view report_conversion_facts with (security_invoker = true) as
select v.conversion_id, money.currency, v.click_id, v.event, coalesce(v.order_id, '') as order_id, v.clicked_at,
    v.received_at, v.link_id, v.merchant_id,
    case when r.click_id is not null then r.source_id when f.click_id is not null then f.source_id
        when h.link_id is null then coalesce(l.source_id, 0) else coalesce(h.source_id, 0) end as source_id,
    coalesce(r.country, f.country, v.country, '') as country,
    coalesce(r.profile_id, f.profile_id, 0) as profile_id, coalesce(r.rule_id, f.rule_id, 0) as rule_id,
    coalesce(r.destination_id, f.destination_id, 0) as destination_id, coalesce(r.region, f.region, '') as region,
    coalesce(r.city, f.city, '') as city, coalesce(r.device, f.device, '') as device, coalesce(r.os, f.os, '') as os,
    coalesce(r.browser, f.browser, '') as browser, coalesce(r.language, f.language, '') as language,
    coalesce(r.referrer_host, f.referrer_host, '') as referrer_host, coalesce(r.sub1, f.sub1, '') as sub1,
    coalesce(r.sub2, f.sub2, '') as sub2, coalesce(r.sub3, f.sub3, '') as sub3, coalesce(r.sub4, f.sub4, '') as sub4,
    coalesce(r.sub5, f.sub5, '') as sub5, coalesce(r.sub6, f.sub6, '') as sub6, coalesce(r.sub7, f.sub7, '') as sub7,
    coalesce(r.sub8, f.sub8, '') as sub8, coalesce(r.sub9, f.sub9, '') as sub9, coalesce(r.sub10, f.sub10, '') as sub10,
    (v.status = 'pending' and money.is_own)::int::smallint as pending,
    (v.status = 'approved' and money.is_own)::int::smallint as approved,
    (v.status = 'rejected' and money.is_own)::int::smallint as rejected,
    (v.status = 'reversed' and money.is_own)::int::smallint as reversed,
    money.revenue_minor, money.commission_minor
from conversions v
    left join report_click_rows r on r.click_id = v.click_id
    left join lateral (select * from report_conversions k where k.conversion_id = v.conversion_id limit 1) f on true
    left join links l on l.link_id = v.link_id
    left join lateral (
        select o.link_id, o.source_id from link_history o
        where o.link_id = v.link_id and o.until > v.clicked_at order by o.until limit 1
    ) h on true
    cross join lateral (
        select currency, bool_or(own) as is_own, report_sum(revenue) as revenue_minor, report_sum(commission) as commission_minor
        from (
            select coalesce(v.currency, '') as currency, true as own, 0::bigint as revenue, 0::bigint as commission
            union all
            select e.currency, false, case e.party when 'merchant' then e.amount_minor else 0 end,
                case when e.party = 'source' and e.kind <> 'payout' then e.amount_minor else 0 end
            from entries e where e.conversion_id = v.conversion_id
        ) parts group by currency
    ) money;

create view report_queued_conversions with (security_invoker = true) as
select v.* from (select distinct conversion_id from report_conversion_queue) q cross join lateral (
    select f.* from report_conversion_facts f where f.conversion_id = q.conversion_id offset 0
) v;

-- Conversions as they are now; those that are not to be folded from their kept facts.
create view report_conversion_rows with (security_invoker = true) as
select conversion_id, currency, click_id, event, order_id, clicked_at, received_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    pending, approved, rejected, reversed, revenue_minor, commission_minor
from report_conversions f
where not exists (select from report_conversion_queue q where q.conversion_id = f.conversion_id)
union all
select conversion_id, currency, click_id, event, order_id, clicked_at, received_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    pending, approved, rejected, reversed, revenue_minor, commission_minor
from report_queued_conversions;

-- What is to be added to the roll-ups of conversions: their facts now, less those that are folded.
create view report_unfolded_conversions with (security_invoker = true) as
select currency, event, clicked_at, received_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    pending, approved, rejected, reversed, revenue_minor, commission_minor
from report_queued_conversions
union all
select currency, event, clicked_at, received_at,
    link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
    language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
    -pending as pending, -approved as approved, -rejected as rejected, -reversed as reversed, -revenue_minor as revenue_minor, -commission_minor as commission_minor
from report_conversions f
where exists (select from report_conversion_queue q where q.conversion_id = f.conversion_id);

-- The records of a spool that are accounted for.
create function spool_numbers(of_done bigint, of_ahead jsonb) returns int8multirange language sql immutable as $$
    select int8multirange(int8range(0, of_done)) + coalesce(
        (select range_agg(int8range((piece ->> 0)::bigint, (piece ->> 1)::bigint)) from jsonb_array_elements(of_ahead) piece), '{}')
$$;

-- A batch is noted in its own transaction, with what notes it for settling: its records, less those that were stored before.
-- Its progress is written after this. So a worker of the release before notes its batches too.
create function note_report_batch() returns trigger language plpgsql set plan_cache_mode = force_custom_plan set jit = off as $$
begin
    with noted as (
        insert into report_queue (low, high, spool_id, first, past)
            select new.low, new.high, new.spool_id, lower(gap), upper(gap)
            from unnest(int8multirange(int8range(new.first, new.past)) - coalesce(
                (select spool_numbers(done, ahead) from spool_progress where spool_id = new.spool_id), '{}')) as gap
            returning queue_id, first, past
    )
    insert into report_recent (queue_id, click_id, clicked_at, link_id, profile_id, rule_id, destination_id, country, region, city,
            device, os, browser, language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10, class, is_unique,
            cost)
        select n.queue_id, c.click_id, c.clicked_at, c.link_id, c.profile_id, c.rule_id, c.destination_id, c.country, c.region, c.city,
            c.device, c.os, c.browser, c.language, c.referrer_host, c.sub1, c.sub2, c.sub3, c.sub4, c.sub5, c.sub6, c.sub7, c.sub8, c.sub9, c.sub10, c.class, c.is_unique,
            c.cost
        from clicks c join noted n on c.spool_number >= n.first and c.spool_number < n.past
        where c.click_id >= new.low and c.click_id <= new.high and c.spool_id = new.spool_id;
    return null;
end
$$;
create trigger batches_are_reported after insert on settling for each row
    when (new.spool_id is not null) execute function note_report_batch();

-- What was stored before. RACE: the trigger above has locked settling, so every other batch is either committed, and in the
-- progress that this sees, or waits and is noted by the trigger.
insert into report_marks select spool_id, spool_numbers(done, ahead) from spool_progress where done > 0 or ahead <> '[]';
insert into report_queue (low, high) select '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'
    where exists (select from report_marks);

-- Every change of stored clicks is noted, whoever makes it: settling, classing anew, an erasure. PERF: the rows are matched by
-- hashing; a plan that was made for a few rows and kept would match ten thousand one by one.
create function note_click_changes() returns trigger language plpgsql set enable_nestloop = off set jit = off as $$
declare
    erased uuid[];
begin
    insert into report_click_changes (sign, click_id, clicked_at, spool_id, spool_number,
        link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
        language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
        class, is_unique, cost_micro)
    select c.sign, c.click_id, c.clicked_at, c.spool_id, c.spool_number, c.link_id, c.profile_id,
        coalesce(h.merchant_id, l.merchant_id, 0),
        case when h.link_id is null then coalesce(l.source_id, 0) else coalesce(h.source_id, 0) end,
        coalesce(c.rule_id, 0), coalesce(c.destination_id, 0),
        left(coalesce(c.country, ''), 10), left(coalesce(c.region, ''), 200), left(coalesce(c.city, ''), 300),
        left(coalesce(c.device, ''), 100), left(coalesce(c.os, ''), 100), left(coalesce(c.browser, ''), 100),
        left(coalesce(c.language, ''), 100), left(coalesce(c.referrer_host, ''), 300), left(coalesce(c.sub1, ''), 500),
        left(coalesce(c.sub2, ''), 500), left(coalesce(c.sub3, ''), 500), left(coalesce(c.sub4, ''), 500),
        left(coalesce(c.sub5, ''), 500), left(coalesce(c.sub6, ''), 500), left(coalesce(c.sub7, ''), 500),
        left(coalesce(c.sub8, ''), 500), left(coalesce(c.sub9, ''), 500), left(coalesce(c.sub10, ''), 500),
        c.class, c.is_unique,
        case when c.cost is null or c.class in ('head', 'prefetch') then 0 else (least(c.cost, 10000) * 1000000)::bigint end
    from (select -1 as sign, b.* from before b union all select 1, a.* from after a) c
        left join links l on l.link_id = c.link_id
        left join lateral (
            select o.link_id, o.merchant_id, o.source_id from link_history o
            where o.link_id = c.link_id and o.until > c.clicked_at order by o.until limit 1
        ) h on true;
    update report_recent r
        set (class, is_unique, cost, country, region, city, device, os, browser, language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10, rule_id, destination_id)
            = (a.class, a.is_unique, a.cost, a.country, a.region, a.city, a.device, a.os, a.browser, a.language, a.referrer_host, a.sub1, a.sub2, a.sub3, a.sub4, a.sub5, a.sub6, a.sub7, a.sub8, a.sub9, a.sub10, a.rule_id, a.destination_id)
        from after a join report_queue q
            on q.spool_id = a.spool_id and a.spool_number >= q.first and a.spool_number < q.past
        where r.queue_id = q.queue_id and r.click_id = a.click_id;
    select array_agg(a.click_id) into erased from after a join before b using (click_id)
        where a.erased_at is distinct from b.erased_at;
    if erased is not null then
        insert into report_conversion_queue (conversion_id)
            select conversion_id from conversions where click_id = any(erased);
    end if;
    return null;
end
$$;
create trigger changed_clicks_are_reported after update on clicks
    referencing old table as before new table as after for each statement execute function note_click_changes();

-- Whose a link was is decided by the time of the click, also between the moment of a move and its commit. Those clicks may be
-- folded by then. RACE: a fold locks link_history, so it is either over and what it folded is corrected here, or begins after
-- this commit. Of two changes at once, the later commit never has the earlier moment.
create or replace function keep_link_history() returns trigger language plpgsql as $$
begin
    -- Of two changes in one transaction the first has what was before.
    insert into link_history (link_id, until, merchant_id, source_id)
        values (old.link_id, greatest(now(), (select max(until) from link_history where link_id = old.link_id)),
            old.merchant_id, old.source_id)
        on conflict do nothing;
    return null;
end
$$;
create function note_link_move() returns trigger language plpgsql as $$
declare
    since timestamptz := (select max(until) from link_history where link_id = new.link_id);
    -- Ids begin with Unix milliseconds, and a click may be a little newer than its id.
    low uuid := rpad(lpad(to_hex(floor(extract(epoch from since) * 1000)::bigint - 86400000), 12, '0'), 32, '0')::uuid;
begin
    insert into report_click_changes (sign, click_id, clicked_at, spool_id, spool_number,
        link_id, profile_id, merchant_id, source_id, rule_id, destination_id, country, region, city, device, os, browser,
        language, referrer_host, sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10,
        class, is_unique, cost_micro)
    select owner.sign, r.click_id, r.clicked_at, r.spool_id, r.spool_number,
        r.link_id, r.profile_id, owner.merchant_id, coalesce(owner.source_id, 0),
        r.rule_id, r.destination_id, r.country, r.region, r.city, r.device, r.os, r.browser, r.language, r.referrer_host,
        r.sub1, r.sub2, r.sub3, r.sub4, r.sub5, r.sub6, r.sub7, r.sub8, r.sub9, r.sub10,
        r.class, r.is_unique, r.cost_micro
    from report_click_rows r cross join (
            values (-1, old.merchant_id, old.source_id), (1, new.merchant_id, new.source_id)
        ) as owner (sign, merchant_id, source_id)
    where r.link_id = new.link_id and r.clicked_at >= since and r.click_id >= low;
    insert into report_conversion_queue (conversion_id)
        select conversion_id from conversions
        where link_id = new.link_id and clicked_at >= since and received_at >= since - interval '10 minutes';
    return null;
end
$$;
-- Its name comes after link_history_is_kept, and so does its turn.
create trigger moved_links_are_reported after update of merchant_id, source_id on links for each row
    when (new.merchant_id <> old.merchant_id or new.source_id is distinct from old.source_id)
    execute function note_link_move();

create function note_conversions() returns trigger language plpgsql as $$
begin
    insert into report_conversion_queue (conversion_id) select conversion_id from changed where conversion_id is not null;
    return null;
end
$$;
create trigger new_conversions_are_reported after insert on conversions referencing new table as changed
    for each statement execute function note_conversions();
create trigger changed_conversions_are_reported after update on conversions referencing new table as changed
    for each statement execute function note_conversions();
create trigger entries_are_reported after insert on entries referencing new table as changed
    for each statement execute function note_conversions();
insert into report_conversion_queue (conversion_id) select conversion_id from conversions order by received_at;
