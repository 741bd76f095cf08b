-- The caps of links and rotations, one row each, so that they can be published, counted and shown; and the conversions that
-- count for them.

create table caps (
    cap_id bigint primary key,
    -- Whose cap it is: a whole link's if destination_id is null, else that of a destination of the link or the rotation.
    link_id bigint references links on delete cascade,
    rotation_id bigint references rotations on delete cascade,
    destination_id bigint,
    counted text not null check (counted in ('clicks', 'conversions')),
    per text not null check (per in ('hour', 'day', 'month', 'total')),
    cap_limit bigint not null check (cap_limit between 1 and 2000000000),
    -- Null for the installation's.
    time_zone text,
    check (num_nonnulls(link_id, rotation_id) = 1)
);
create index caps_by_link on caps (link_id, cap_id) where link_id is not null;
create index caps_by_rotation on caps (rotation_id, cap_id) where rotation_id is not null;
create index caps_on_conversions on caps (cap_id) where counted = 'conversions';

create function destination_caps(destinations jsonb) returns table (destination_id bigint, cap jsonb) language sql immutable as $$
    select (destination ->> 'destination_id')::bigint, cap
    from jsonb_array_elements(coalesce(destinations, '[]')) as destination
    cross join lateral jsonb_array_elements(coalesce(destination -> 'caps', '[]')) as cap
$$;
create function document_caps(routing jsonb) returns table (destination_id bigint, cap jsonb) language sql immutable as $$
    select null::bigint, cap from jsonb_array_elements(coalesce(routing -> 'caps', '[]')) as cap
    union all
    select found.destination_id, found.cap from jsonb_array_elements(coalesce(routing -> 'rules', '[]')) as rule
    cross join lateral destination_caps(rule -> 'destinations') as found
$$;

-- Caps follow the rule documents by triggers, so that no way of changing a link forgets them: an import, a change of many
-- links, or going back to an earlier version. A cap that did not change is not written.
create function keep_link_caps() returns trigger language plpgsql as $$
begin
    -- Nearly all links have none.
    if exists (select from changed where routing is not null)
        or exists (select from caps join changed on caps.link_id = changed.link_id) then
        with wanted as (
            select (cap ->> 'cap_id')::bigint as cap_id, link_id, null::bigint as rotation_id, destination_id,
                cap ->> 'count' as counted, cap ->> 'per' as per, (cap ->> 'limit')::bigint as cap_limit,
                routing ->> 'time_zone' as time_zone
            from changed cross join lateral document_caps(routing) where routing is not null
        ), gone as (
            delete from caps using changed
            where caps.link_id = changed.link_id and caps.cap_id not in (select cap_id from wanted)
        )
        insert into caps select * from wanted on conflict (cap_id) do update set (link_id, rotation_id, destination_id,
            counted, per, cap_limit, time_zone) = (excluded.link_id, excluded.rotation_id, excluded.destination_id,
            excluded.counted, excluded.per, excluded.cap_limit, excluded.time_zone)
            where (caps.*) is distinct from (excluded.*);
    end if;
    return null;
end
$$;
create trigger new_links_have_caps after insert on links referencing new table as changed
    for each statement execute function keep_link_caps();
create trigger changed_links_have_caps after update on links referencing new table as changed
    for each statement execute function keep_link_caps();

create function keep_rotation_caps() returns trigger language plpgsql as $$
begin
    with wanted as (
        select (cap ->> 'cap_id')::bigint as cap_id, null::bigint as link_id, rotation_id, destination_id,
            cap ->> 'count' as counted, cap ->> 'per' as per, (cap ->> 'limit')::bigint as cap_limit, time_zone
        from changed cross join lateral destination_caps(destinations)
    ), gone as (
        delete from caps using changed
        where caps.rotation_id = changed.rotation_id and caps.cap_id not in (select cap_id from wanted)
    )
    insert into caps select * from wanted on conflict (cap_id) do update set (link_id, rotation_id, destination_id,
        counted, per, cap_limit, time_zone) = (excluded.link_id, excluded.rotation_id, excluded.destination_id,
        excluded.counted, excluded.per, excluded.cap_limit, excluded.time_zone)
        where (caps.*) is distinct from (excluded.*);
    return null;
end
$$;
create trigger new_rotations_have_caps after insert on rotations referencing new table as changed
    for each statement execute function keep_rotation_caps();
create trigger changed_rotations_have_caps after update on rotations referencing new table as changed
    for each statement execute function keep_rotation_caps();

-- Every change of a cap is published, also when its link is deleted.
create function publish_caps() returns trigger language plpgsql as $$
begin
    insert into outbox (keys)
        select array_agg(key) from (
            select 'c:' || cap_id as key, row_number() over (order by cap_id) / 1000 as part from changed
        ) as numbered group by part;
    if found then
        perform pg_notify('waypost_outbox', '');
    end if;
    return null;
end
$$;
create trigger new_caps_are_published after insert on caps referencing new table as changed
    for each statement execute function publish_caps();
create trigger changed_caps_are_published after update on caps referencing new table as changed
    for each statement execute function publish_caps();
create trigger removed_caps_are_published after delete on caps referencing old table as changed
    for each statement execute function publish_caps();

-- The destination of a conversion's click; null for a link without rules.
alter table conversions add column destination_id bigint;
create index conversions_by_destination on conversions (destination_id, received_at) where destination_id is not null;

-- The conversions that count for a cap in the period that was counted last, and since when they reach its limit.
create table cap_conversions (
    cap_id bigint primary key references caps on delete cascade,
    starts_at timestamptz not null,
    conversions bigint not null,
    reached_at timestamptz,
    counted_at timestamptz not null default now()
);
-- The change of a conversion up to which caps were counted.
create table cap_counting (change_id bigint not null);
insert into cap_counting values (0);

insert into caps
    select (cap ->> 'cap_id')::bigint, link_id, null, destination_id, cap ->> 'count', cap ->> 'per',
        (cap ->> 'limit')::bigint, routing ->> 'time_zone'
    from links cross join lateral document_caps(routing) where routing is not null;
