-- What is known of a click besides its request: its visitor, why it went where it went, and what was cut off.

alter table clicks
    add column country text,
    add column region text,
    add column city text,
    add column asn bigint,
    add column isp text,
    add column connection text,
    add column device text,
    add column os text,
    add column browser text,
    add column language text,
    add column referrer_host text,
    add column campaign text,
    add column external_id text,
    add column cost numeric,
    -- The record's `routing`, null for a link without rules: the link's revision, for each rule that was passed over the
    -- number of the condition that failed, rule_id, destination_id, how, and the facts that were looked up.
    add column routing jsonb,
    add column rule_id bigint,
    add column destination_id bigint,
    -- The original lengths of the parameters that were cut, by name.
    add column cuts jsonb,
    -- Keyed hashes of the address (the high 32 bits) and the user agent (the low ones). So all visitors of one address are
    -- one range of the index.
    add column visitor bigint,
    -- Whether it is the first valid click of its visitor on its link within the window. Written true for a valid click, and
    -- corrected by settling.
    add column is_unique boolean not null default false;
create index clicks_by_visitor on clicks (visitor, link_id, click_id);

alter table click_days add column uniques bigint not null default 0;
